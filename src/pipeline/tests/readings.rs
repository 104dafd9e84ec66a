//! What becomes of single readings.

use secrecy::SecretString;

use super::harness::*;
use crate::config::{DurationUnit, Format, Kind, MeasureRule, Personal, Producer, Unit};
use crate::parse::measure::{AxpType, Definition};
use crate::parse::privacy::Privacy;

fn with_rules(rules: Vec<MeasureRule>) -> Setup {
    let producer = Producer { id: "Queue_itd_1.0.0".to_owned(), measure: rules, ..Producer::default() };
    Setup { producer, ..Setup::default() }
}

fn rule(name: &str, kind: Kind) -> MeasureRule {
    MeasureRule { name: name.to_owned(), kind: Some(kind), ..MeasureRule::default() }
}

#[test]
fn a_refused_reading_costs_itself_alone_and_its_old_series() {
    for (bad, reason) in [
        (r#""x""#, "not_a_number"),
        (r#""1e400""#, "out_of_range"),
        ("1e400", "out_of_range"),
        ("{}", "not_scalar"),
        ("[1,[2]]", "not_scalar"),
        (r#""\ud800""#, "bad_text"),
        ("true", "not_a_number"),
        (r#""1","a":"2""#, "duplicate"),
    ] {
        let mut bench = Bench::new();
        bench.live("q", r#"{"a":"1","b":"1"}"#);
        bench.live("q", &format!(r#"{{"a":{bad},"b":"2"}}"#));
        assert!(bench.samples_of("a").is_empty(), "{bad}: removed, never frozen");
        assert_eq!(bench.samples_of("b"), [r#"queue_id="q"} 2"#], "{bad}");
        assert!(bench.rejected(reason) > 0, "{bad}");
        let lines = bench.lines();
        assert!(lines.lines().nth(1).unwrap().contains(" b=2 "), "{bad}: {lines}");
    }
}

#[test]
fn names_known_from_events_before_are_read_as_any_others() {
    let (mut plain, mut full) = (Bench::new(), Bench::new());
    let orders = ["ab", "abc", "ba", " a", "aab", "a b", "c", ""];
    // Long enough for each order to be remembered.
    for round in 0..1000 {
        let names = orders[round * round % 11 % orders.len()].chars().enumerate();
        // A measure without a name is refused.
        let measure = |(place, name)| format!(r#""{}":"{}""#, char::to_string(&name).trim(), round + place);
        let measures: Vec<String> = names.map(measure).collect();
        let frame = event("LIVE", "UPSERT", "q", &format!("{{{}}}", measures.join(",")));
        plain.apply(&frame).unwrap();
        // An unknown field is passed over, but not by the quick reader.
        full.apply(&format!(r#"{},"new":1}}"#, frame.strip_suffix('}').unwrap())).unwrap();
        assert_eq!(plain.samples(), full.samples(), "{frame}");
        assert_eq!(plain.lines(), full.lines(), "{frame}");
    }
}

#[test]
fn a_kind_is_pinned_by_its_first_value() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"n":"1","t":"x","b":"true"}"#);
    bench.live("q", r#"{"n":"x","t":"1","b":"1"}"#);
    assert_eq!(bench.samples(), [r#"axp_queue_itd_info{account_id="EZCLTR",queue_id="q",t="1"} 1"#]);
}

#[test]
fn real_json_numbers_and_booleans_are_taken_like_their_strings() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"n":1.5,"b":true}"#);
    assert_eq!(bench.samples_of("n"), [r#"queue_id="q"} 1.5"#]);
    assert_eq!(bench.samples_of("b"), [r#"queue_id="q"} 1"#]);
    assert!(bench.lines().contains(" n=1.5,b=true "));
}

#[test]
fn states_switch_in_one_step() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"agentState":"READY"}"#);
    bench.live("r", r#"{"agentState":"NOT_READY"}"#);
    bench.live("q", r#"{"agentState":"NOT_READY"}"#);
    assert_eq!(
        bench.samples_of("agent_state"),
        [
            r#"queue_id="q",state="NOT_READY"} 1"#,
            r#"queue_id="q",state="READY"} 0"#,
            r#"queue_id="r",state="NOT_READY"} 1"#,
            r#"queue_id="r",state="READY"} 0"#,
        ]
    );
}

#[test]
fn a_state_set_is_the_configured_one_or_learns_at_most_32() {
    let states = vec!["A".to_owned(), "B".to_owned()];
    let mut fixed = with_rules(vec![MeasureRule { states, ..rule("mode", Kind::State) }]).build();
    fixed.live("q", r#"{"mode":"A"}"#);
    assert_eq!(fixed.samples_of("mode").len(), 2);
    fixed.live("q", r#"{"mode":"C"}"#);
    assert!(fixed.samples_of("mode").is_empty());

    let mut learned = with_rules(vec![rule("mode", Kind::State)]).build();
    for index in 0..40 {
        learned.live("q", &format!(r#"{{"mode":"S{index}"}}"#));
    }
    assert_eq!(learned.rejected("too_many_states"), 8);
    learned.live("q", r#"{"mode":"S3"}"#);
    assert_eq!(learned.samples_of("mode").len(), 32);
}

#[test]
fn rules_set_kind_unit_format_and_name() {
    let mut bench = with_rules(vec![
        MeasureRule { unit: Some(Unit::Millis), ..rule("talk", Kind::Duration) },
        MeasureRule { format: Format::HhMmSs, ..rule("wait", Kind::Duration) },
        MeasureRule { unit: Some(Unit::Ratio), format: Format::Percent, ..rule("level", Kind::Number) },
        MeasureRule { rename: "calls".into(), ..rule("engagements", Kind::Number) },
        rule("code", Kind::Text),
    ])
    .build();
    bench.live("q", r#"{"talk":"1500","wait":"00:01:30","level":"85%","engagements":"3","code":"007"}"#);
    assert_eq!(bench.samples_of("talk_seconds"), [r#"queue_id="q"} 1.5"#]);
    assert_eq!(bench.samples_of("wait_seconds"), [r#"queue_id="q"} 90"#]);
    assert_eq!(bench.samples_of("level_ratio"), [r#"queue_id="q"} 0.85"#]);
    assert_eq!(bench.samples_of("calls"), [r#"queue_id="q"} 3"#]);
    assert_eq!(bench.samples_of("info"), [r#"code="007",queue_id="q"} 1"#]);
    assert!(bench.lines().contains("talk_seconds=1.5,wait_seconds=90,level_ratio=0.85,calls=3,code=\"007\""));
}

#[test]
fn the_duration_unit_of_a_producer_holds_for_its_durations() {
    let mut setup = with_rules(vec![
        MeasureRule { unit: Some(Unit::Seconds), ..rule("holdDuration", Kind::Duration) },
        MeasureRule { format: Format::HhMmSs, ..rule("wait", Kind::Duration) },
    ]);
    setup.producer.duration_unit = DurationUnit::Millis;
    let mut bench = setup.build();
    bench.live(
        "q",
        r#"{"activeDuration":"2500","holdDuration":"2500","wait":"00:01:30","timeInState":"1643645393849"}"#,
    );
    assert_eq!(bench.samples_of("wait_seconds"), [r#"queue_id="q"} 90"#], "a clock tells seconds");
    assert_eq!(bench.samples_of("active_duration_seconds"), [r#"queue_id="q"} 2.5"#]);
    assert_eq!(bench.samples_of("hold_duration_seconds"), [r#"queue_id="q"} 2500"#]);
    assert_eq!(bench.samples_of("time_in_state_timestamp_seconds"), [r#"queue_id="q"} 1643645393.849"#]);
}

#[test]
fn axps_dictionary_goes_before_the_built_in_table_and_after_rules() {
    let mut bench = with_rules(vec![rule("ruled", Kind::Text)]).build();
    let types = [
        ("handling", AxpType::Duration),
        ("since", AxpType::TimeInState),
        ("ruled", AxpType::Number),
        ("activeDuration", AxpType::Number),
        ("extension", AxpType::String),
        ("breakDuration", AxpType::String),
        ("agentState", AxpType::String),
        ("isDefaultQueue", AxpType::String),
    ];
    let definition = |axp_type| Definition { axp_type, description: String::new() };
    let dictionary = types.map(|(name, axp_type)| (name.to_owned(), definition(axp_type))).into();
    bench.pipeline.set_dictionary(dictionary, bench.moment());
    bench.live(
        "q",
        r#"{"handling":"5","since":"1000","ruled":"7","activeDuration":"9","extension":"4711","breakDuration":"8","agentState":"READY","isDefaultQueue":"true"}"#,
    );
    assert_eq!(bench.samples_of("handling_seconds"), [r#"queue_id="q"} 5"#]);
    assert_eq!(bench.samples_of("since_timestamp_seconds"), [r#"queue_id="q"} 1"#]);
    assert_eq!(bench.samples_of("active_duration"), [r#"queue_id="q"} 9"#]);
    assert_eq!(
        bench.samples_of("info"),
        [r#"break_duration="8",extension="4711",queue_id="q",ruled="7"} 1"#]
    );
    assert_eq!(bench.samples_of("agent_state"), [r#"queue_id="q",state="READY"} 1"#]);
    assert_eq!(bench.samples_of("is_default_queue"), [r#"queue_id="q"} 1"#]);
}

#[test]
fn the_allowlist_and_null_values_are_the_producers() {
    let mut setup = Setup::default();
    setup.producer.allow = vec!["a*".into()];
    setup.producer.deny = vec!["*b".into()];
    setup.producer.null_values = vec!["9999".into()];
    let mut bench = setup.build();
    bench.live("q", r#"{"aa":"1","ab":"1","c":"1","ad":"9999","ae":"N/A"}"#);
    assert_eq!(bench.samples_of("aa").len(), 1);
    assert_eq!(bench.samples_of("info"), [r#"ae="N/A",queue_id="q"} 1"#]);
    assert_eq!((bench.readings("denied"), bench.readings("absent"), bench.readings("applied")), (2, 1, 2));
}

#[test]
fn an_empty_text_is_no_label_even_where_no_value_means_none() {
    let mut setup = Setup::default();
    setup.producer.null_values = Vec::new();
    let mut bench = setup.build();
    bench.live("q", r#"{"queueName":"N/A","agentState":"READY"}"#);
    bench.live("q", r#"{"queueName":"","agentState":""}"#);
    let body = bench.body(crate::sink::exposition::Format::Text);
    assert_eq!((body.as_str(), bench.readings("absent")), ("", 2), "nor is there a family without series");
}

#[test]
fn a_measure_is_described_by_its_rule_or_else_by_axp() {
    let help = |name: &str, help: &str| MeasureRule { help: help.to_owned(), ..rule(name, Kind::Number) };
    let mut bench = with_rules(vec![help("a", "Ours"), help("b", "")]).build();
    let definition = Definition { axp_type: AxpType::Number, description: "Theirs".to_owned() };
    let dictionary = ["a", "b", "c"].map(|name| (name.to_owned(), definition.clone()));
    bench.pipeline.set_dictionary(dictionary.into(), bench.moment());
    bench.live("q", r#"{"a":"1","b":"1","c":"1"}"#);
    let body = bench.body(crate::sink::exposition::Format::Text);
    for (name, words) in [("a", "Ours"), ("b", "Theirs"), ("c", "Theirs")] {
        assert!(
            body.contains(&format!("# HELP axp_queue_itd_{name} {words} ({name} of Queue_itd_1.0.0, ")),
            "{body}"
        );
    }
}

#[test]
fn a_personal_number_is_hashed_whatever_its_rule_says() {
    let key = SecretString::from("Jefe".to_owned());
    let privacy = Privacy::new(Personal::Hash, &["badge".to_owned()], Some(&key));
    let hash = privacy.hash("4711");
    let mut bench = Setup { privacy, ..with_rules(vec![rule("badge", Kind::Number)]) }.build();
    bench.live("q", r#"{"badge":"4711"}"#);
    assert_eq!(bench.samples_of("info"), [format!(r#"badge="{hash}",queue_id="q"}} 1"#)]);
    assert_eq!((bench.samples().len(), bench.lines().contains("4711")), (1, false));
}

#[test]
fn personal_measures_are_dropped_kept_or_hashed() {
    let key = SecretString::from("Jefe".to_owned());
    for mode in [Personal::Drop, Personal::Keep, Personal::Hash] {
        let privacy = Privacy::new(mode, &["badge".to_owned()], Some(&key));
        let (first_name, badge) = match mode {
            Personal::Hash => (privacy.hash("Ada"), privacy.hash("4711")),
            _ => ("Ada".to_owned(), "4711".to_owned()),
        };
        let mut bench = Setup { privacy, ..Setup::default() }.build();
        bench.live("q", r#"{"agentFirstName":"Ada","badge":"4711"}"#);
        let info = format!(
            r#"axp_queue_itd_info{{account_id="EZCLTR",agent_first_name="{first_name}",badge="{badge}",queue_id="q"}} 1"#
        );
        let expected = if mode == Personal::Drop { Vec::new() } else { vec![info] };
        assert_eq!(bench.samples(), expected, "{mode:?}");
        let lines = bench.lines();
        assert_eq!(
            (lines.contains("Ada"), lines.contains("4711")),
            (mode == Personal::Keep, mode == Personal::Keep)
        );
    }
}

#[test]
fn of_two_measures_with_one_name_the_first_keeps_it() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"Answered":"1","answered":"2"}"#);
    bench.live("q", r#"{"answered":"3"}"#);
    assert_eq!(bench.samples_of("answered"), [r#"queue_id="q"} 1"#]);
    assert_eq!(bench.rejected("name_collision"), 2);
    assert!(bench.lines().starts_with("queue_itd,account_id=EZCLTR,queue_id=q answered=1 "));
}

#[test]
fn a_measure_called_info_does_not_meet_the_info_metric() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"info":"1","queueName":"x"}"#);
    assert_eq!(bench.samples(), [r#"axp_queue_itd_info{account_id="EZCLTR",queue_id="q",queue_name="x"} 1"#]);
}

#[test]
fn a_text_never_becomes_a_label_that_scrapers_keep_for_themselves() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"__name__":"evil","__tmp":"x","_ok":"y","__n":"1"}"#);
    assert_eq!(
        bench.samples(),
        [
            r#"axp_queue_itd___n{account_id="EZCLTR",queue_id="q"} 1"#,
            r#"axp_queue_itd_info{_ok="y",account_id="EZCLTR",queue_id="q"} 1"#,
        ],
        "within a metric's name it is legal"
    );
    assert_eq!(bench.rejected("bad_name"), 2);
}

#[test]
fn a_promoted_measure_is_text_whatever_its_first_value_looks_like() {
    let mut setup = Setup::default();
    setup.producer.labels = vec!["queueName".into()];
    let mut bench = setup.build();
    bench.live("q", r#"{"a":"1","queueName":"800"}"#);
    bench.live("r", r#"{"a":"1","queueName":"Sales"}"#);
    assert_eq!(
        bench.samples_of("a"),
        [r#"queue_id="q",queue_name="800"} 1"#, r#"queue_id="r",queue_name="Sales"} 1"#]
    );
}

#[test]
fn a_promoted_text_that_meets_a_key_is_refused_alone() {
    let mut setup = Setup::default();
    setup.producer.labels = vec!["queueId".into()];
    let mut bench = setup.build();
    bench.live("q", r#"{"a":"1","queueId":"q"}"#);
    bench.live("r", r#"{"a":"1","queueId":"other"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 1"#, r#"queue_id="r"} 1"#]);
    assert_eq!(bench.rejected("label_collision"), 1);
}

#[test]
fn one_state_that_finds_no_place_costs_no_other_row_its_own() {
    let limits = crate::table::rows::Limits::new(21);
    let mut bench = Setup { limits, ..Setup::default() }.build();
    for row in 0..10 {
        bench.live(&row.to_string(), r#"{"agentState":"READY"}"#);
    }
    bench.live("3", r#"{"agentState":"BUSY"}"#);
    bench.live("4", r#"{"agentState":"AWAY"}"#);
    assert_eq!(bench.rejected("series_limit"), 1);
    for row in 0..10 {
        bench.live(&row.to_string(), r#"{"agentState":"READY"}"#);
    }
    assert_eq!(bench.samples_of("agent_state").len(), 20);
}

#[test]
fn names_without_end_are_refused() {
    let mut bench = Setup { limits: crate::table::rows::Limits::new(5000), ..Setup::default() }.build();
    for batch in 0..20 {
        let measures: Vec<String> =
            (0..100).map(|index| format!(r#""m{}":"1""#, batch * 100 + index)).collect();
        bench.live("q", &format!("{{{}}}", measures.join(",")));
    }
    assert_eq!(bench.samples().len(), crate::parse::measures::MEASURES_MAX);
    assert_eq!(bench.rejected("too_many_measures"), 2000 - crate::parse::measures::MEASURES_MAX as u64);
    bench.live("q", &format!(r#"{{"":"1","{}":"1"}}"#, "x".repeat(300)));
    assert_eq!(bench.rejected("bad_name"), 2);
}
