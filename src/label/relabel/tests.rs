//! What rules do to rows: each action with its corner cases, what is refused, and the limits.

mod actions;
mod limits;
mod refusals;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn text_of(labels: &Labels) -> String {
    let mut out = String::new();
    labels.write_text(&mut out);
    out
}

/// Rules as JSON, since the keys and defaults are then those of the configuration.
fn parse(json: &str) -> Vec<RelabelRule> {
    serde_json::from_str(json).unwrap()
}

/// The labels after the rules as text; `None` when the row is dropped.
fn run(pairs: &[(&str, &str)], json: &str) -> Option<String> {
    let mut set = labels(pairs);
    let rules = Rules::compile(&parse(json)).unwrap();
    rules.apply(&mut set).then(|| text_of(&set))
}

fn assert_run(pairs: &[(&str, &str)], json: &str, expected: &str) {
    assert_eq!(run(pairs, json).as_deref(), Some(expected), "{json}");
}
