//! The books balance, and no input breaks an output, whatever comes.

use proptest::prelude::*;

use super::harness::*;
use crate::legal::{self, Series, Syntax};
use crate::sink::exposition::Format;
use crate::sink::exposition::dots::Dots;

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
    let fixed = [
        "agentState",
        "activeDuration",
        "timeInState",
        "agentFirstName",
        "queueName",
        "info",
        "state",
        "-name-",
        "__name__",
    ];
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

/// Reads the exposition in every format, and with names escaped; panics on what is not legal
/// and on what is not the same everywhere.
pub(super) fn read_everywhere(body: impl Fn(Format) -> String) -> Series {
    let formats = [(Format::Text, Syntax::Text, ""), (Format::OpenMetrics, Syntax::OpenMetrics, "# EOF\n")];
    let mut all = formats.iter().flat_map(|(format, syntax, end)| {
        let body = body(*format) + end;
        let escaped = String::from_utf8(Dots::new(*format).escape(body.as_bytes())).unwrap();
        let read =
            |body: &str| legal::read(*syntax, body).unwrap_or_else(|what| panic!("{what}\nin\n{body}"));
        [read(&body), unescaped(read(&escaped))]
    });
    let first = all.next().unwrap();
    assert!(all.all(|other| other == first), "the same series everywhere");
    for (_, labels) in first.keys() {
        assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
        assert!(labels.iter().all(|(name, _)| !name.starts_with("__")), "{labels:?} are not internal");
    }
    first
}

/// Series whose names were escaped by `dots`, with the names they had.
fn unescaped(series: Series) -> Series {
    let plain = |name: &str| name.replace("__", "_");
    let labels = |labels: Vec<(String, String)>| {
        labels.into_iter().map(|(name, value)| (plain(&name), value)).collect()
    };
    series.into_iter().map(|((name, pairs), value)| ((plain(&name), labels(pairs)), value)).collect()
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
                0 => bench.pipeline.session_opened(bench.moment()),
                1 => bench.pipeline.session_handed_back(bench.moment()),
                2 => bench.pipeline.outgoing_ended(bench.moment()),
                3 => bench.reconnect(),
                _ => {}
            }
            let _ = if *what < 8 { bench.apply(frame) } else { bench.apply_outgoing(frame) };
            bench.pass(std::time::Duration::from_secs(*pause));
        }
        prop_assert_eq!(read_everywhere(|format| bench.body(format)).len(), bench.series());
        let lines = bench.lines();
        for line in influxdb_line_protocol::parse_lines(&lines) {
            prop_assert!(line.is_ok(), "{line:?} in {lines}");
        }
        prop_assert_eq!(bench.count("events_total"), frames.len() as u64);
        prop_assert_eq!(bench.count("events_total"), bench.count("events_applied_total") + bench.count("events_rejected_total"));
        prop_assert_eq!(bench.readings("rejected"), bench.count("readings_rejected_total"));
    }

    #[test]
    fn the_order_of_lines_does_not_depend_on_that_of_events(
        queues in Just((0..12).collect::<Vec<u8>>()).prop_shuffle(),
        measures in Just(vec!["\"a\":\"1\"", "\"b\":\"2\"", "\"agentState\":\"READY\"", "\"t\":\"x\""]).prop_shuffle(),
    ) {
        let body = |queues: &[u8], measures: &[&str]| {
            let mut bench = Bench::new();
            for queue in queues {
                bench.live(&queue.to_string(), &format!("{{{}}}", measures.join(",")));
            }
            bench.body(Format::OpenMetrics)
        };
        let (mut sorted_queues, mut sorted_measures) = (queues.clone(), measures.clone());
        sorted_queues.sort_unstable();
        sorted_measures.sort_unstable();
        prop_assert_eq!(body(&queues, &measures), body(&sorted_queues, &sorted_measures));
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
    read_everywhere(|format| bench.body(format));
    assert!(body.contains("# UNIT axp_wait_seconds_active_duration_seconds seconds\n"), "{body}");
    assert!(body.contains("# TYPE axp_wait_seconds info\n# HELP axp_wait_seconds Texts"), "{body}");
}

#[test]
fn a_text_named_like_a_label_of_another_row_makes_no_series_come_twice() {
    let rows = [
        r#"{"keys":{"skill":"x"},"measures":{"site":"y","a":"1"},"eventAction":"UPSERT","payloadType":"LIVE"}"#,
        r#"{"keys":{"site":"y"},"measures":{"skill":"x","a":"2"},"eventAction":"UPSERT","payloadType":"LIVE"}"#,
    ];
    let mut bench = Bench::new();
    for frame in rows.iter().chain(&rows) {
        bench.apply(frame).unwrap();
        assert_eq!(read_everywhere(|format| bench.body(format)).len(), bench.series());
    }
    assert_eq!(
        bench.samples(),
        [
            r#"axp_queue_itd_a{account_id="EZCLTR",site="y"} 2"#,
            r#"axp_queue_itd_a{account_id="EZCLTR",skill="x"} 1"#
        ]
    );
    assert_eq!(bench.rejected("label_collision"), 3, "all but the first, which had no label against it yet");
}

#[test]
fn every_reading_of_an_event_that_was_read_has_one_outcome() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"a":"1","b":"x","a":"2","agentFirstName":"Ada","c":null,"d":{}}"#);
    bench.live("q", r#"{"a":"x","b":"y","e":"N/A"}"#);
    assert_eq!(bench.count("readings_total"), 9);
}
