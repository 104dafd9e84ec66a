//! Privacy: what is on the disk, and what a replay may make of it.

use super::harness::*;
use crate::config::Personal;

const EVENT: &str = r#"{"agentUserHandle":"canary0","keys":{"agentId":"1","badge":"canary1"},"eventAction":"UPSERT",
    "payloadType":"LIVE","extra":{"agentFirstName":"canary2"},
    "measures":{"agentLoginId":"canary3","badge":1234567,"agentFirstName":"N/A","agentLastName":{"a":"canary4"},"n":"5"}}"#;

/// A recording of two agents who differ in a personal key alone.
fn recorded(personal: Personal) -> (Bench, String) {
    let mut bench = Bench::new(personal, 0);
    bench.pipeline.session_opened(bench.now);
    bench.apply(EVENT);
    bench.apply(&EVENT.replace("canary1", "canary9"));
    bench.apply(&format!("{EVENT} canary5"));
    bench.end();
    let text = text(&bench.files()[0]);
    (bench, text)
}

#[test]
fn nothing_that_is_dropped_or_hashed_reaches_the_disk() {
    for personal in [Personal::Drop, Personal::Hash, Personal::Keep] {
        let (_bench, text) = recorded(personal);
        for hidden in ["canary0", "canary2", "canary4", "canary5"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        let is_kept = personal == Personal::Keep;
        for value in ["canary1", "canary3", "canary9", "1234567"] {
            assert_eq!(text.contains(value), is_kept, "{value} in {text}");
        }
        let hash = privacy(Personal::Hash).hash("canary3");
        assert_eq!(text.contains(&hash), personal == Personal::Hash, "{text}");
        assert!(text.contains(r#""kind":"refused""#) && text.contains(r#""reason":"malformed""#), "{text}");
    }
}

#[test]
fn a_dropped_key_tells_rows_apart_by_a_pseudonym_that_is_another_in_each_recording() {
    let pseudonyms = || {
        let (bench, text) = recorded(Personal::Drop);
        let found: Vec<String> = text
            .lines()
            .filter_map(|line| line.split_once(r#""badge":""#))
            .map(|(_, rest)| rest.chars().take_while(|char| *char != '"').collect())
            .collect();
        let (replayed, _) = replay(&bench.files(), privacy(Personal::Keep)).unwrap();
        assert!(found.iter().all(|pseudonym| !replayed.series.contains(pseudonym)), "{replayed:?}");
        found
    };
    let (one, other) = (pseudonyms(), pseudonyms());
    assert_eq!((one.len(), one[0] == one[1]), (2, false), "{one:?}");
    assert!(one.iter().all(|pseudonym| !other.contains(pseudonym)), "{one:?} {other:?}");
}

#[test]
fn a_replay_shows_no_more_than_was_recorded_nor_than_its_own_configuration_lets_it() {
    let hash = privacy(Personal::Hash).hash("canary1");
    for (recorded_as, replayed_as, badge) in [
        (Personal::Keep, Personal::Keep, Some("canary1")),
        (Personal::Keep, Personal::Hash, Some(hash.as_str())),
        (Personal::Keep, Personal::Drop, None),
        (Personal::Hash, Personal::Keep, Some(hash.as_str())),
        (Personal::Hash, Personal::Hash, Some(hash.as_str())),
        (Personal::Hash, Personal::Drop, None),
        (Personal::Drop, Personal::Keep, None),
        (Personal::Drop, Personal::Hash, None),
        (Personal::Drop, Personal::Drop, None),
    ] {
        let (bench, _) = recorded(recorded_as);
        let (replayed, _) = replay(&bench.files(), privacy(replayed_as)).unwrap();
        let label = badge.map(|badge| format!("badge=\"{badge}\""));
        match label {
            Some(label) => assert!(replayed.series.contains(&label), "{label} not in {replayed:?}"),
            None => assert!(!replayed.series.contains("badge="), "{replayed:?}"),
        }
        assert!(replayed.series.contains("axp_agent_itd_n{"), "{replayed:?}");
    }
}
