//! Labels, rules, collisions and limits of rows.

use super::super::*;
use super::harness::*;
use crate::config::{Personal, Producer};
use crate::label::relabel::{Action as RuleAction, RelabelRule};
use crate::parse::privacy::Privacy;
use crate::table::rows::Limits;

fn relabelled(rule: RelabelRule) -> Bench {
    Setup { rules: vec![rule], ..Setup::default() }.build()
}

fn with_keys(keys: &str, measures: &str) -> String {
    format!(r#"{{"keys":{keys},"eventAction":"UPSERT","payloadType":"LIVE","measures":{measures}}}"#)
}

#[test]
fn rules_see_keys_account_source_and_producer() {
    let sources = ["queue_id", "account_id", "__event_source_id__", "__measure_producer_id__"];
    let mut bench = relabelled(RelabelRule {
        source_labels: sources.map(str::to_owned).into(),
        target_label: "all".into(),
        ..RelabelRule::default()
    });
    bench.live("q", r#"{"a":"1"}"#);
    assert_eq!(
        bench.samples(),
        [r#"axp_queue_itd_a{account_id="EZCLTR",all="q;EZCLTR;IXCC_1.0.0;Queue_itd_1.0.0",queue_id="q"} 1"#]
    );
}

#[test]
fn a_dropped_row_is_in_no_output() {
    let mut bench = relabelled(RelabelRule {
        source_labels: vec!["queue_id".into()],
        regex: "q".into(),
        action: RuleAction::Drop,
        ..RelabelRule::default()
    });
    bench.live("q", r#"{"a":"1"}"#);
    bench.live("q", r#"{"a":"2"}"#);
    bench.live("r", r#"{"a":"3"}"#);
    assert_eq!(bench.samples().len(), 1);
    assert_eq!(bench.lines().lines().count(), 1);
    assert_eq!(bench.refused("relabel"), 1, "rules run once a row");
    assert_eq!(bench.readings("denied"), 2);
}

#[test]
fn rows_without_labels_print_without_braces() {
    let regex = ".*".to_owned();
    let mut bench =
        relabelled(RelabelRule { regex, action: RuleAction::LabelDrop, ..RelabelRule::default() });
    bench.live("q", r#"{"a":"1","agentState":"X"}"#);
    assert_eq!(bench.samples(), ["axp_queue_itd_a 1", r#"axp_queue_itd_agent_state{state="X"} 1"#]);
    assert!(bench.lines().starts_with("queue_itd a=1,"));
}

#[test]
fn of_two_rows_with_equal_labels_the_first_owns_them_until_it_is_deleted() {
    let regex = "queue_id".to_owned();
    let mut bench =
        relabelled(RelabelRule { regex, action: RuleAction::LabelDrop, ..RelabelRule::default() });
    bench.live("q", r#"{"a":"1","queueName":"Q"}"#);
    let second = event("LIVE", "UPSERT", "r", r#"{"a":"2","queueName":"R"}"#);
    assert_eq!(bench.apply(&second), Err(EventReject::RowRefused));
    assert_eq!(bench.samples().len(), 2);
    assert_eq!(bench.lines().lines().count(), 1);
    assert_eq!(bench.refused("label_collision"), 1);
    bench.delete("q");
    assert_eq!(
        bench.samples(),
        [
            r#"axp_queue_itd_a{account_id="EZCLTR"} 2"#,
            r#"axp_queue_itd_info{account_id="EZCLTR",queue_name="R"} 1"#
        ]
    );
}

#[test]
fn a_promoted_text_is_a_label_of_all_series_and_follows_its_value() {
    let mut setup = Setup::default();
    setup.producer.labels = vec!["queueName".into()];
    let mut bench = setup.build();
    bench.live("q", r#"{"a":"1","queueName":"Old"}"#);
    bench.live("q", r#"{"a":"2"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q",queue_name="Old"} 2"#]);
    bench.live("q", r#"{"queueName":"New","a":"3"}"#);
    assert_eq!(bench.samples(), [r#"axp_queue_itd_a{account_id="EZCLTR",queue_id="q",queue_name="New"} 3"#]);
    assert!(bench.lines().contains("queue_itd,account_id=EZCLTR,queue_id=q,queue_name=New a=3 "));
    bench.live("q", r#"{"queueName":"N/A","a":"4"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 4"#]);
}

#[test]
fn keys_are_told_apart_whatever_they_hold() {
    let mut bench = Bench::new();
    let keys = [
        r#"{"x":"1","y":"2"}"#,
        r#"{"y":"2","x":"1"}"#,
        r#"{"x":"1:y","z":"2"}"#,
        r#"{"x":"1:1","y":"1:2"}"#,
        r#"{"x":"1y"}"#,
    ];
    for keys in keys {
        bench.apply(&with_keys(keys, r#"{"a":"1"}"#)).unwrap();
    }
    assert_eq!(bench.samples().len(), 4, "their order does not matter, everything else does");
    let doubled = with_keys(r#"{"aB":"1","a_b":"2"}"#, r#"{"a":"1"}"#);
    assert_eq!(bench.apply(&doubled), Err(EventReject::RowRefused));
    assert_eq!(bench.refused("duplicate_label"), 1);
    assert_eq!(bench.samples().len(), 4);
}

#[test]
fn the_owner_of_labels_keeps_them_when_another_text_changes() {
    let mut setup = Setup::default();
    setup.producer.labels = vec!["queueName".into()];
    setup.rules = vec![RelabelRule {
        regex: "queue_id|queue_name".into(),
        action: RuleAction::LabelDrop,
        ..RelabelRule::default()
    }];
    let mut bench = setup.build();
    bench.live("q", r#"{"a":"1","queueName":"Q"}"#);
    assert!(bench.apply(&event("LIVE", "UPSERT", "r", r#"{"a":"2","queueName":"R"}"#)).is_err());
    bench.live("q", r#"{"a":"3","queueName":"New"}"#);
    assert_eq!(bench.samples(), [r#"axp_queue_itd_a{account_id="EZCLTR"} 3"#]);
}

#[test]
fn a_key_that_names_a_person_is_treated_as_a_measure_that_does() {
    for (mode, label) in [(Personal::Drop, ""), (Personal::Keep, "agent_login_id=\"ada@example.com\",")] {
        let privacy = Privacy::new(mode, &[], None);
        let mut bench = Setup { privacy, ..Setup::default() }.build();
        bench.apply(&with_keys(r#"{"agentLoginId":"ada@example.com","k":"1"}"#, r#"{"a":"1"}"#)).unwrap();
        assert_eq!(bench.samples(), [format!("axp_queue_itd_a{{account_id=\"EZCLTR\",{label}k=\"1\"}} 1")]);
        assert_eq!(bench.lines().contains("ada"), mode == Personal::Keep);
    }
}

#[test]
fn texts_are_bounded_by_the_limit_too() {
    let mut bench = Setup { limits: Limits::new(3), ..Setup::default() }.build();
    bench.live("q", r#"{"a":"1","t":"x","u":"x","v":"x"}"#);
    assert_eq!(bench.samples_of("info"), [r#"queue_id="q",t="x",u="x"} 1"#]);
    assert_eq!(bench.rejected("series_limit"), 1);
}

#[test]
fn a_key_called_state_never_doubles_the_label_of_a_state() {
    let mut bench = Bench::new();
    bench.apply(&with_keys(r#"{"state":"BY"}"#, r#"{"agentState":"READY","a":"1"}"#)).unwrap();
    assert_eq!(bench.samples(), [r#"axp_queue_itd_a{account_id="EZCLTR",state="BY"} 1"#]);
    assert_eq!(bench.rejected("label_collision"), 1);
}

#[test]
fn the_label_of_a_state_stands_in_its_place() {
    let mut bench = Bench::new();
    bench.apply(&with_keys(r#"{"a":"1","zone":"2"}"#, r#"{"agentState":"READY"}"#)).unwrap();
    assert_eq!(
        bench.samples(),
        [r#"axp_queue_itd_agent_state{a="1",account_id="EZCLTR",state="READY",zone="2"} 1"#]
    );
}

#[test]
fn a_text_with_the_name_of_a_key_is_not_doubled() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"queueId":"q","queueName":"Q"}"#);
    assert_eq!(bench.samples_of("info"), [r#"queue_id="q",queue_name="Q"} 1"#]);
    assert!(bench.lines().starts_with("queue_itd,account_id=EZCLTR,queue_id=q queue_name=\"Q\" "));
    bench.live("q", r#"{"queueId":"other"}"#);
    assert_eq!(bench.rejected("label_collision"), 1);
}

#[test]
fn at_the_limit_new_series_are_refused_and_old_ones_go_on() {
    let mut bench = Setup { limits: Limits::new(2), ..Setup::default() }.build();
    bench.live("q", r#"{"a":"1","b":"1"}"#);
    bench.live("r", r#"{"a":"1"}"#);
    bench.live("q", r#"{"a":"2"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 2"#]);
    assert_eq!(bench.rejected("series_limit"), 1);
    let third = event("LIVE", "UPSERT", "s", r#"{"a":"1"}"#);
    assert_eq!(bench.apply(&third), Err(EventReject::RowRefused));
    assert_eq!(bench.refused("row_limit"), 1);
    bench.delete("q");
    bench.live("r", r#"{"a":"7","b":"7"}"#);
    assert_eq!(bench.samples().len(), 2);
}

#[test]
fn two_producers_with_one_stem_never_share_a_name() {
    let names = Arc::default();
    let mut first = Setup { names: Arc::clone(&names), ..Setup::default() }.build();
    let producer = Producer { id: "Queue_itd_2.0.0".into(), ..Producer::default() };
    let mut second = Setup { producer, names, ..Setup::default() }.build();
    first.live("q", r#"{"a":"1"}"#);
    let frame = event("LIVE", "UPSERT", "q", r#"{"a":"1","queueName":"x","b":"2"}"#);
    assert_eq!(second.apply(&frame), Err(EventReject::WrongProducer));
    second.apply(&frame.replace("Queue_itd_1", "Queue_itd_2")).unwrap();
    assert_eq!(second.samples(), [r#"axp_queue_itd_b{account_id="EZCLTR",queue_id="q"} 2"#]);
}

#[test]
fn values_are_cleaned_and_escaped_in_both_outputs() {
    let mut bench = Bench::new();
    bench.apply(&with_keys(r#"{"k":"a\"b\\c\nd,e=f g"}"#, r#"{"n":"1","t":"x\ny\"z"}"#)).unwrap();
    assert_eq!(bench.samples()[1], r#"axp_queue_itd_n{account_id="EZCLTR",k="a\"b\\c d,e=f g"} 1"#);
    let lines = bench.lines();
    assert_eq!(lines.lines().count(), 1);
    assert!(influxdb_line_protocol::parse_lines(&lines).all(|line| line.is_ok()));
}
