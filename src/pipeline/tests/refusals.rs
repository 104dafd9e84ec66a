//! What is kept of refusals: a count a measure, the latest sample of each reason, never more.

use super::super::refusals::{SAMPLES_MAX, VALUE_BYTES_MAX};
use super::harness::*;
use crate::pipeline::refusals::Refusal;

fn samples(bench: &Bench) -> Vec<Refusal> {
    bench.pipeline.report().refusals
}

fn counts(bench: &Bench) -> Vec<(String, u64)> {
    bench.pipeline.report().measures.into_iter().map(|measure| (measure.name, measure.refusals)).collect()
}

#[test]
fn refusals_are_counted_by_measure_and_sampled_with_their_value() {
    let mut bench = Bench::new();
    bench.live("1", r#"{"offered":"5","open":true,"agentState":"A"}"#);
    bench.live("1", r#"{"offered":"five","open":"5","agentState":{}}"#);
    bench.live("1", r#"{"offered":"six","offered":"7"}"#);
    bench.live("1", r#"{"offered":"eight"}"#);
    let named = |name: &str, count| (name.to_owned(), count);
    assert_eq!(counts(&bench), [named("offered", 4), named("open", 1), named("agentState", 1)]);
    let samples = samples(&bench);
    let shown: Vec<_> = samples
        .iter()
        .map(|sample| (sample.measure.as_deref().unwrap(), sample.reason, sample.value.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("offered", "not_a_number", Some("eight")),
            ("offered", "duplicate", Some("six")),
            ("agentState", "not_scalar", None),
            ("open", "not_a_boolean", Some("5")),
        ]
    );
    assert!(samples.iter().all(|sample| sample.unix_ns == START_NS));
}

#[test]
fn a_flood_of_refusals_leaves_a_handful_of_bounded_samples() {
    let mut bench = Bench::new();
    let long = "\u{202e}é".repeat(1000);
    for second in 0..10 {
        for index in 0..20 {
            // Each of a measure that had a number first.
            let name = format!("m{}", second * 20 + index);
            bench.live("1", &format!(r#"{{"{name}":1}}"#));
            bench.live("1", &format!(r#"{{"{name}":"{long}"}}"#));
        }
        let seen = samples(&bench).len();
        assert_eq!(seen, SAMPLES_MAX.min(4 * (second + 1)), "four events a second are looked into");
        bench.pass(std::time::Duration::from_secs(1));
    }
    for sample in samples(&bench) {
        let value = sample.value.unwrap();
        assert!(value.len() <= VALUE_BYTES_MAX && value.starts_with(" é") && value.ends_with('…'), "{value}");
    }
    assert_eq!(bench.rejected("not_a_number"), 200, "while all are counted");
}

#[test]
fn measures_past_the_most_are_sampled_by_their_own_names() {
    let mut bench = Bench::new();
    for index in 0..256 {
        bench.live("1", &format!(r#"{{"m{index}":1}}"#));
    }
    bench.live("1", r#"{"late":"x","m0":2,"later":"y","agentLoginId":"Maria"}"#);
    let shown: Vec<_> =
        samples(&bench).into_iter().map(|sample| (sample.measure.unwrap(), sample.value)).collect();
    let of = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(shown, [of("agentLoginId", None), of("later", Some("y")), of("late", Some("x"))]);
}

#[test]
fn refused_events_are_sampled_without_a_word_of_them() {
    let mut bench = Bench::new();
    bench.apply("Maria").unwrap_err();
    bench.apply(&event("LIVE", "DELETE", "Maria", "{}")).unwrap_err();
    bench.apply("Maria").unwrap_err();
    let shown: Vec<_> =
        samples(&bench).into_iter().map(|sample| (sample.measure, sample.reason, sample.value)).collect();
    assert_eq!(shown, [(None, "not_json", None), (None, "unknown_row", None)]);
}
