//! A reload: what is held shows as if it had come under the new configuration.

use proptest::prelude::*;

use super::super::*;
use super::harness::*;
use crate::config::{Kind, MeasureRule, Personal, Producer, Unit};
use crate::label::relabel::{Action as RuleAction, RelabelRule};
use crate::parse::privacy::Privacy;
use crate::table::rows::Limits;

fn producer(change: impl FnOnce(&mut Producer)) -> Setup {
    let mut setup = Setup::default();
    change(&mut setup.producer);
    setup
}

fn rule(action: RuleAction, regex: &str) -> Setup {
    let source_labels = vec!["queue_id".to_owned()];
    let (regex, target_label) = (regex.to_owned(), "queue".to_owned());
    Setup {
        rules: vec![RelabelRule { source_labels, regex, target_label, action, ..RelabelRule::default() }],
        ..Setup::default()
    }
}

/// A configuration out of a few, by its number.
fn setup(number: usize) -> Setup {
    match number {
        0 => Setup::default(),
        1 => producer(|producer| producer.allow = vec!["a*".to_owned(), "queueName".to_owned()]),
        2 => producer(|producer| producer.deny = vec!["*Duration".to_owned()]),
        3 => producer(|producer| producer.labels = vec!["queueName".to_owned()]),
        4 => producer(|producer| producer.name = "other".to_owned()),
        5 => producer(|producer| {
            let millis = |name: &str| MeasureRule {
                name: name.to_owned(),
                kind: Some(Kind::Duration),
                unit: Some(Unit::Millis),
                ..MeasureRule::default()
            };
            producer.measure = vec![millis("answered"), millis("activeDuration")];
        }),
        6 => producer(|producer| {
            producer.measure = vec![MeasureRule {
                name: "answered".to_owned(),
                rename: "taken".to_owned(),
                kind: Some(Kind::Text),
                ..MeasureRule::default()
            }];
        }),
        7 => rule(RuleAction::Replace, "(.*)"),
        8 => rule(RuleAction::Drop, "[ab]"),
        9 => producer(|producer| producer.null_values.push("0".to_owned())),
        _ => producer(|producer| {
            producer.measure = vec![MeasureRule {
                name: "agentState".to_owned(),
                states: vec!["READY".to_owned(), "AWAY".to_owned()],
                ..MeasureRule::default()
            }];
        }),
    }
}

const SETUPS: usize = 11;

prop_compose! {
    fn frame()(
        queue in prop::sample::select(vec!["a", "b", "c", "d"]),
        answered in prop::option::of(0u32..4),
        duration in prop::option::of(0u32..5000),
        state in prop::option::of(prop::sample::select(vec!["READY", "AWAY", "BUSY", ""])),
        name in prop::option::of(prop::sample::select(vec!["North", "South", "N/A"])),
        action in prop_oneof![6 => Just("UPSERT"), 1 => Just("DELETE")],
        phase in prop_oneof![2 => Just("LIVE"), 1 => Just("INITIALIZING")],
    ) -> String {
        let measures: Vec<String> = [
            answered.map(|value| format!(r#""answered":"{value}""#)),
            duration.map(|value| format!(r#""activeDuration":"{value}.5""#)),
            state.map(|value| format!(r#""agentState":"{value}""#)),
            name.map(|value| format!(r#""queueName":"{value}""#)),
        ].into_iter().flatten().collect();
        event(phase, action, queue, &format!("{{{}}}", measures.join(",")))
    }
}

/// The samples, in an order of their own, without those of states that a row is not in: of these
/// there may be more where rows were dropped that had them.
fn shown(bench: &Bench) -> Vec<String> {
    let mut samples = bench.samples();
    samples.retain(|sample| !(sample.contains("state=") && sample.ends_with(" 0")));
    samples.sort();
    samples
}

proptest! {
    /// Where all values were held, a reload shows what a start under the new configuration would
    /// have shown; and all goes on alike from there.
    #[test]
    fn a_reload_shows_what_would_have_come_of_the_events(
        before in prop::collection::vec(frame(), 0..20),
        after in prop::collection::vec(frame(), 0..20),
        number in 0..SETUPS,
    ) {
        let (mut reloaded, mut fresh) = (Bench::new(), setup(number).build());
        for frame in &before {
            prop_assert_eq!(reloaded.apply(frame).is_ok(), fresh.apply(frame).is_ok());
        }
        reloaded.reload(setup(number));
        prop_assert_eq!(shown(&reloaded), shown(&fresh));
        for frame in &after {
            prop_assert_eq!(reloaded.apply(frame), fresh.apply(frame));
            prop_assert_eq!(shown(&reloaded), shown(&fresh));
        }
    }

    /// Whatever is reloaded in a row, the counts are those of what is shown, and every place is
    /// given back.
    #[test]
    fn reloads_in_a_row_keep_the_counts(
        steps in prop::collection::vec((0..SETUPS, prop::collection::vec(frame(), 0..8)), 1..6),
    ) {
        let mut bench = Bench::new();
        let mut limits = Vec::new();
        for (number, frames) in steps {
            let next = setup(number);
            limits.push(next.limits.clone());
            bench.reload(next);
            for frame in frames {
                let _ = bench.apply(&frame);
            }
            prop_assert_eq!(bench.series(), bench.samples().len());
        }
        let current = limits.pop().unwrap();
        prop_assert!(limits.iter().all(|limits| limits.series.taken() == 0 && limits.rows.taken() == 0));
        drop(bench);
        prop_assert_eq!((current.series.taken(), current.rows.taken()), (0, 0));
    }
}

#[test]
fn rows_that_a_new_rule_drops_are_gone_and_counted() {
    let mut bench = Setup { on_delete: OnDelete::Marker, ..Setup::default() }.build();
    bench.live("a", r#"{"x":"1"}"#);
    bench.live("c", r#"{"x":"2"}"#);
    bench.lines();
    assert!(!bench.reload(rule(RuleAction::Drop, "[ab]")));
    assert_eq!(bench.samples_of("x"), [r#"queue_id="c"} 2"#]);
    assert_eq!((bench.retired("reload"), bench.refused("relabel")), (1, 1));
    assert_eq!(
        bench.lines(),
        format!("queue_itd,account_id=EZCLTR,queue_id=a retired=true {}\n", START_NS + 1)
    );
}

#[test]
fn rows_whose_labels_change_leave_a_marker_under_the_old_ones() {
    let mut bench = Setup { on_delete: OnDelete::Marker, ..Setup::default() }.build();
    bench.live("a", r#"{"x":"1"}"#);
    bench.lines();
    bench.reload(rule(RuleAction::Replace, "(.*)"));
    assert_eq!(
        bench.lines(),
        format!("queue_itd,account_id=EZCLTR,queue_id=a retired=true {}\n", START_NS + 1)
    );
    assert_eq!(bench.retired("reload"), 0, "the row is still there");
    bench.live("a", r#"{"x":"2"}"#);
    assert!(bench.lines().starts_with("queue_itd,account_id=EZCLTR,queue=a,queue_id=a x=2 "));
}

#[test]
fn rows_that_are_not_dropped_any_more_wish_for_their_values() {
    let mut bench = rule(RuleAction::Drop, "a").build();
    bench.live("a", r#"{"x":"1"}"#);
    assert!(bench.reload(Setup::default()));
    assert!(bench.samples().is_empty(), "what was not kept is not invented");
    bench.pipeline.session_opened(bench.moment());
    bench.initializing("a", r#"{"x":"1"}"#);
    assert_eq!(bench.samples_of("x"), [r#"queue_id="a"} 1"#]);
}

#[test]
fn states_that_were_learned_go_on() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"agentState":"READY"}"#);
    bench.live("a", r#"{"agentState":"AWAY"}"#);
    bench.reload(rule(RuleAction::Replace, "(.*)"));
    let states =
        ["AWAY\"} 1", "READY\"} 0"].map(|state| format!("queue=\"a\",queue_id=\"a\",state=\"{state}"));
    assert_eq!(bench.samples_of("agent_state"), states);
}

#[test]
fn states_that_a_new_rule_does_not_list_are_gone() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"agentState":"BUSY"}"#);
    bench.live("b", r#"{"agentState":"AWAY"}"#);
    bench.reload(setup(SETUPS - 1));
    let states = ["AWAY\"} 1", "READY\"} 0"].map(|state| format!("queue_id=\"b\",state=\"{state}"));
    assert_eq!(bench.samples_of("agent_state"), states);
}

#[test]
fn a_session_goes_on_over_a_reload() {
    let mut bench = Bench::new();
    bench.initializing("a", r#"{"x":"1"}"#);
    bench.initializing("b", r#"{"x":"1"}"#);
    bench.live("a", r#"{"x":"2"}"#);
    bench.reconnect();
    bench.initializing("a", r#"{"x":"3"}"#);
    bench.reload(rule(RuleAction::Replace, "(.*)"));
    assert_eq!(bench.samples_of("x").len(), 2, "the snapshot is not complete yet");
    bench.live("a", r#"{"x":"4"}"#);
    assert_eq!(bench.samples_of("x"), [r#"queue="a",queue_id="a"} 4"#]);
    assert_eq!(bench.retired("resync"), 1);
    bench.initializing("a", r#"{"x":"5"}"#);
    assert_eq!(bench.samples_of("x"), [r#"queue="a",queue_id="a"} 4"#], "LIVE has set it");
}

#[test]
fn of_two_rows_that_come_to_equal_labels_the_first_is_shown() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"x":"1"}"#);
    bench.live("b", r#"{"x":"2"}"#);
    let (action, regex) = (RuleAction::LabelDrop, "queue_id".to_owned());
    let rules = vec![RelabelRule { regex, action, ..RelabelRule::default() }];
    bench.reload(Setup { rules, ..Setup::default() });
    assert_eq!(bench.samples(), [r#"axp_queue_itd_x{account_id="EZCLTR"} 1"#]);
    assert_eq!((bench.retired("reload"), bench.refused("label_collision")), (1, 1));
    bench.reload(Setup::default());
    assert_eq!(bench.samples_of("x"), [r#"queue_id="a"} 1"#, r#"queue_id="b"} 2"#], "it has waited");
}

#[test]
fn a_lower_limit_costs_the_rows_that_came_last() {
    let mut bench = Bench::new();
    for queue in ["a", "b", "c"] {
        bench.live(queue, r#"{"x":"1"}"#);
    }
    bench.reload(Setup { limits: Limits::new(2), ..Setup::default() });
    assert_eq!(bench.samples_of("x"), [r#"queue_id="a"} 1"#, r#"queue_id="b"} 1"#]);
    assert_eq!((bench.retired("reload"), bench.refused("row_limit")), (1, 1));
}

#[test]
fn personal_data_is_gone_once_it_may_not_be_shown() {
    let keep = || Privacy::new(Personal::Keep, &[], None);
    let mut bench = Setup { privacy: keep(), ..Setup::default() }.build();
    bench.live("a", r#"{"agentFirstName":"Ann","x":"1"}"#);
    assert!(bench.body(crate::sink::exposition::Format::Text).contains("Ann"));
    bench.reload(Setup::default());
    assert_eq!(bench.samples(), [r#"axp_queue_itd_x{account_id="EZCLTR",queue_id="a"} 1"#]);
}

#[test]
fn no_marker_names_a_person_that_may_not_be_named_any_more() {
    let setup = |personal| Setup {
        privacy: Privacy::new(personal, &[], None),
        on_delete: OnDelete::Marker,
        ..producer(|producer| producer.labels = vec!["agentFirstName".to_owned()])
    };
    let mut bench = setup(Personal::Keep).build();
    bench.live("a", r#"{"agentFirstName":"Ann","x":"1"}"#);
    assert!(bench.lines().contains("Ann"));
    bench.reload(setup(Personal::Drop));
    assert_eq!(bench.lines(), "");
    assert_eq!(bench.samples(), [r#"axp_queue_itd_x{account_id="EZCLTR",queue_id="a"} 1"#]);
}

#[test]
fn a_refused_value_is_not_shown_any_more_once_its_measure_is_personal() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"answered":"1"}"#);
    bench.live("a", r#"{"answered":"Ann"}"#);
    let value = |bench: &Bench| bench.pipeline.report().refusals.first().unwrap().value.clone();
    bench.reload(Setup::default());
    assert_eq!(value(&bench).as_deref(), Some("Ann"));
    let privacy = Privacy::new(Personal::Keep, &["answered".to_owned()], None);
    bench.reload(Setup { privacy, ..Setup::default() });
    assert_eq!(value(&bench), None);
}
