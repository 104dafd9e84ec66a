//! The books balance, and no input breaks an output, whatever comes.

use proptest::prelude::*;

use super::harness::*;
use crate::label::labels::is_valid_name;
use crate::sink::exposition::Format;

/// Values that have gone wrong somewhere before, and ordinary ones.
fn value() -> impl Strategy<Value = String> {
    let fixed = ["1e400", "{\"a\":[]}", "null", "true", "\"N/A\"", "\"\"", "\"\\ud800\""];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        "-?[0-9]{1,18}(\\.[0-9]{1,3})?".prop_map(|number| format!("\"{number}\"")),
        "\\PC{0,8}|[\"\\\\\n\r\t,= {}#]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let fixed =
        ["agentState", "activeDuration", "timeInState", "agentFirstName", "queueName", "info", "state"];
    prop_oneof![prop::sample::select(fixed.to_vec()).prop_map(str::to_owned), "[a-zA-Z_.é\"\\\\]{0,3}",]
        .prop_map(|name| serde_json::to_string(&name).unwrap())
}

fn object(pairs: Vec<(String, String)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", pairs.join(","))
}

prop_compose! {
    fn frame()(
        keys in prop::collection::vec((name(), value()), 0..3),
        measures in prop::collection::vec((name(), value()), 0..6),
        action in prop_oneof![4 => Just("UPSERT"), 1 => Just("DELETE"), 1 => Just("X")],
        phase in prop_oneof![3 => Just("LIVE"), 2 => Just("INITIALIZING"), 1 => Just("")],
        cut in prop::option::weighted(0.1, 0usize..200),
    ) -> String {
        let (keys, measures) = (object(keys), object(measures));
        let frame = format!(r#"{{"keys":{keys},"eventAction":"{action}","payloadType":"{phase}","measures":{measures}}}"#);
        frame.chars().take(cut.unwrap_or(usize::MAX)).collect()
    }
}

/// Reads one sample of the text format; panics on what is not legal.
fn read_sample(line: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = line.split_at(line.find(['{', ' ']).unwrap());
    assert!(is_valid_name(name), "{line}");
    let mut labels = Vec::new();
    while let Some(inner) = rest.strip_prefix(['{', ',']) {
        let (label, after) = inner.split_once("=\"").unwrap();
        assert!(is_valid_name(label) && !label.starts_with("__"), "{line}");
        let (value, end) = read_value(after);
        assert!(!value.is_empty(), "{line}: an empty value is no label");
        labels.push((label.to_owned(), value));
        rest = &after[end..];
        rest = rest.strip_prefix('}').unwrap_or(rest);
    }
    assert!(rest.strip_prefix(' ').unwrap().parse::<f64>().unwrap().is_finite(), "{line}");
    assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{line}: sorted, none twice");
    (name.to_owned(), labels)
}

/// Reads the metadata of an OpenMetrics body: each family once, all of its lines together,
/// a unit only where the type has one and the name ends in it.
fn check_families(body: &str) {
    let mut seen = std::collections::HashSet::new();
    let mut family: Option<(&str, &str)> = None;
    for line in body.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                assert!(seen.insert(name.to_owned()), "{name} twice");
                assert!(!help.is_empty() && !help.contains(char::is_control), "{line}");
                family = Some((name, ""));
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind @ ("gauge" | "info"))) => {
                assert_eq!(family, Some((name, "")), "{line}");
                family = Some((name, kind));
            }
            (Some("#"), Some("UNIT"), Some(name), Some(unit)) => {
                assert_eq!(family, Some((name, "gauge")), "{line}");
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
            }
            _ => {
                let (name, kind) = family.unwrap_or_else(|| panic!("{line}: no family"));
                let metric = if kind == "info" { format!("{name}_info") } else { name.to_owned() };
                assert_eq!(read_sample(line).0, metric, "{line}");
            }
        }
    }
}

/// A quoted value without its opening quote, and where the text goes on after it.
fn read_value(text: &str) -> (String, usize) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next().unwrap() {
            (_, '\\') => match characters.next().unwrap().1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("\\{other} in {text}"),
            },
            (at, '"') => return (value, at + 1),
            (_, other) => {
                assert!(!other.is_control(), "{text}");
                value.push(other);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_comes_both_outputs_stay_legal_and_the_books_balance(
        frames in prop::collection::vec((frame(), 0u64..15, 0u8..12), 1..20),
    ) {
        let mut bench = Bench::new();
        for (frame, pause, what) in &frames {
            match what {
                0 => bench.pipeline.session_opened(bench.now),
                1 => bench.pipeline.session_handed_back(),
                2 => bench.pipeline.outgoing_ended(),
                3 => bench.reconnect(),
                _ => {}
            }
            let _ = if *what < 8 { bench.apply(frame) } else { bench.apply_outgoing(frame) };
            bench.pass(std::time::Duration::from_secs(*pause));
        }
        let mut seen: Vec<_> = bench.samples().iter().map(|line| read_sample(line)).collect();
        let series = seen.len();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len(), series, "no series twice");
        prop_assert_eq!(series, bench.series());
        check_families(&bench.body(Format::OpenMetrics));
        let lines = bench.lines();
        for line in influxdb_line_protocol::parse_lines(&lines) {
            prop_assert!(line.is_ok(), "{line:?} in {lines}");
        }
        prop_assert_eq!(bench.count("events_total"), frames.len() as u64);
        prop_assert_eq!(bench.count("events_total"), bench.count("events_applied_total") + bench.count("events_rejected_total"));
        prop_assert_eq!(bench.readings("rejected"), bench.count("readings_rejected_total"));
    }

    #[test]
    fn every_measure_sent_is_counted_once(
        events in prop::collection::vec((prop::collection::vec((name(), value()), 0..6), "[ab]", any::<bool>()), 1..20),
    ) {
        let mut setup = Setup::default();
        setup.producer.deny = vec!["a*".into()];
        setup.producer.labels = vec!["queueName".into()];
        let mut bench = setup.build();
        let mut sent = 0;
        for (measures, queue, is_live) in events {
            sent += measures.len() as u64;
            let phase = if is_live { "LIVE" } else { "INITIALIZING" };
            let _ = bench.apply(&event(phase, "UPSERT", &queue, &object(measures)));
        }
        prop_assert_eq!(bench.count("readings_total"), sent);
    }
}

#[test]
fn a_stem_that_ends_like_a_unit_makes_no_unit_of_the_info_family() {
    let mut setup = Setup::default();
    setup.producer.name = "wait_seconds".into();
    let mut bench = setup.build();
    bench.live("q", r#"{"activeDuration":"1","queueName":"x"}"#);
    let body = bench.body(Format::OpenMetrics);
    check_families(&body);
    assert!(body.contains("# UNIT axp_wait_seconds_active_duration_seconds seconds\n"), "{body}");
    assert!(body.contains("# TYPE axp_wait_seconds info\naxp_wait_seconds_info{"), "{body}");
}

#[test]
fn every_reading_of_an_event_that_was_read_has_one_outcome() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"a":"1","b":"x","a":"2","agentFirstName":"Ada","c":null,"d":{}}"#);
    bench.live("q", r#"{"a":"x","b":"y","e":"N/A"}"#);
    assert_eq!(bench.count("readings_total"), 9);
}
