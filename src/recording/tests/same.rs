//! The same again: rows, series, lines and counts.

use std::time::Duration;

use proptest::prelude::*;

use super::harness::*;
use crate::config::Personal;
use crate::parse::measure::{AxpType, Definition, Dictionary};
use crate::reject::EventReject;

fn value() -> impl Strategy<Value = String> {
    let fixed =
        ["1e400", "{\"a\":[]}", "null", "true", "7", "\"N/A\"", "\"\"", "\"\\ud800\"", "\"1\\u0030\""];
    prop_oneof![
        prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        "-?[0-9]{1,18}(\\.[0-9]{1,3})?".prop_map(|number| format!("\"{number}\"")),
        "\\PC{0,8}|[\"\\\\\n\r\t,= {}#]{0,6}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let fixed =
        ["agentState", "activeDuration", "timeInState", "agentFirstName", "badge", "site", "denied", "n"];
    prop_oneof![
        3 => prop::sample::select(fixed.to_vec()).prop_map(|name| serde_json::to_string(name).unwrap()),
        1 => "[a-zA-Z_.é\"\\\\]{0,3}".prop_map(|name| serde_json::to_string(&name).unwrap()),
        1 => Just("\"\\ud800\"".to_owned()),
    ]
}

fn object(pairs: Vec<(String, String)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{{}}}", pairs.join(" ,"))
}

prop_compose! {
    fn frame()(
        keys in prop::collection::vec((name(), value()), 0..3),
        measures in prop::collection::vec((name(), value()), 0..6),
        action in prop_oneof![4 => Just("UPSERT"), 1 => Just("DELETE"), 1 => Just("X")],
        phase in prop_oneof![3 => Just("LIVE"), 2 => Just("INITIALIZING")],
        producer in prop_oneof![8 => Just(PRODUCER), 1 => Just("Other_itd_1.0.0")],
        cut in prop::option::weighted(0.1, 0usize..200),
    ) -> String {
        let (keys, measures) = (object(keys), object(measures));
        let frame = format!(
            r#" {{"agentLoginId":"canary","keys":{keys},"eventAction":"{action}","measureProducerId":"{producer}","payloadType":"{phase}","measures":{measures}}}"#
        );
        frame.chars().take(cut.unwrap_or(usize::MAX)).collect()
    }
}

/// Tells a pipeline something that is no event.
fn disturb(bench: &mut Bench, what: u8) {
    let now = bench.now;
    let pipeline = &mut bench.pipeline;
    match what {
        0 | 1 => pipeline.session_opened(now),
        2 => pipeline.session_lost(now),
        3 => pipeline.session_handed_back(now),
        4 => pipeline.outgoing_ended(now),
        5 => pipeline.accept_empty(now),
        6 => pipeline.refuse(EventReject::Binary, now),
        7 => pipeline.postpone(Duration::from_secs(3), now),
        8 => {
            let definition = Definition { axp_type: AxpType::Number, description: "of \"it\"".to_owned() };
            pipeline.set_dictionary(Dictionary::from([("n".to_owned(), definition)]), now);
        }
        // As a timer does.
        9 => pipeline.tick(now.instant),
        _ => {}
    }
}

const MODES: [Personal; 3] = [Personal::Drop, Personal::Keep, Personal::Hash];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_told_again_gives_the_same_rows_series_lines_and_counts(
        steps in prop::collection::vec((frame(), 0u64..70_000, 0u8..20, any::<bool>(), any::<bool>()), 1..30),
        mode in 0usize..3,
    ) {
        let personal = MODES[mode];
        let mut bench = Bench::new(personal, 1);
        bench.pipeline.session_opened(bench.now);
        for (frame, pause_ms, what, is_outgoing, is_written) in &steps {
            disturb(&mut bench, *what);
            if *is_outgoing {
                let _ = bench.pipeline.apply_outgoing(frame, bench.now);
            } else {
                bench.apply(frame);
            }
            // Each write makes another file.
            if *is_written {
                bench.write();
            }
            bench.pass(Duration::from_millis(pause_ms / 10 + pause_ms % 3 * 10_000));
        }
        bench.end();
        let expected = bench.outcome();
        let files = bench.files();
        let (replayed, end) = replay(&files, privacy(personal)).unwrap();
        prop_assert_eq!(&replayed, &expected, "{} files", files.len());
        prop_assert!(end.torn.is_empty() && !end.stopped);
        prop_assert_eq!(end.progress.tally.applied + end.progress.tally.refused,
            steps.len() as u64 + steps.iter().filter(|step| step.2 == 6).count() as u64);
        let (again, _) = replay(&files, privacy(personal)).unwrap();
        prop_assert_eq!(again, expected);
        if personal != Personal::Keep {
            let (open, _) = replay(&files, privacy(Personal::Drop)).unwrap();
            prop_assert!(!open.series.contains("badge="));
        }
        prop_assert!(files.iter().all(|file| !text(file).contains("canary")));
    }
}
