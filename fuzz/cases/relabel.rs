//! Any rules over any labels: the set stays sorted, valid and within its bounds, and what is shown under
//! it is legal.

use std::sync::Arc;
use std::time::Instant;

use arbitrary::{Arbitrary, Unstructured};
use axp_exporter::config::Producer;
use axp_exporter::label::labels::{Labels, clean_value, is_valid_name};
use axp_exporter::label::relabel::{Action, LABELS_MAX, NAME_BYTES_MAX, RelabelRule, Rules, VALUE_BYTES_MAX};
use axp_exporter::pipeline::{Blueprint, Moment};

use super::outputs::Bench;

/// Names of labels, so that rules find some.
const NAMES: [&str; 8] =
    ["a", "b", "queue_id", "account_id", "state", "__tmp", "__event_source_id__", "queue_name"];

#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8),
    Free(String),
}

impl Name {
    fn text(self) -> String {
        match self {
            Self::Known(index) => NAMES[usize::from(index) % NAMES.len()].to_owned(),
            Self::Free(text) => text,
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Rule {
    action: u8,
    source_labels: Vec<Name>,
    separator: Option<String>,
    regex: Option<String>,
    modulus: Option<u64>,
    target_label: Option<Name>,
    replacement: Option<String>,
}

impl Rule {
    fn settings(self) -> RelabelRule {
        let default = RelabelRule::default();
        RelabelRule {
            action: Action::ALL[usize::from(self.action) % Action::ALL.len()],
            source_labels: self.source_labels.into_iter().map(Name::text).collect(),
            separator: self.separator.unwrap_or(default.separator),
            regex: self.regex.unwrap_or(default.regex),
            modulus: self.modulus.unwrap_or(default.modulus),
            target_label: self.target_label.map_or(default.target_label, Name::text),
            replacement: self.replacement.unwrap_or(default.replacement),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    labels: Vec<(Name, String)>,
    rules: Vec<Rule>,
}

/// Runs the rules that make sense, on a set of labels and in a pipeline.
pub(crate) fn run(data: &[u8]) {
    let Ok(Input { labels, rules }) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let rules: Vec<_> = rules.into_iter().map(Rule::settings).collect();
    if let Err(errors) = Rules::compile(&rules) {
        assert!(errors.iter().all(|error| !error.to_string().contains('\n')), "{errors:?}");
    }
    // Most sets have a bad rule among them.
    let is_good = |rule: &RelabelRule| Rules::compile(std::slice::from_ref(rule)).is_ok();
    let rules: Vec<_> = rules.into_iter().filter(is_good).collect();
    let rules = Rules::compile(&rules).expect("each of them is good");
    let given: Vec<(String, String)> = labels.into_iter().map(|(name, text)| (name.text(), text)).collect();
    let mut set: Labels = given
        .iter()
        .filter(|(name, _)| is_valid_name(name) && name.len() <= NAME_BYTES_MAX)
        .map(|(name, text)| (name, clean_value(text, VALUE_BYTES_MAX)))
        .collect();
    let labels_max = LABELS_MAX.max(set.len());
    let _is_kept = rules.apply(&mut set);
    assert!(set.len() <= labels_max);
    for (name, text) in set.iter() {
        assert!(is_valid_name(name) && name.len() <= NAME_BYTES_MAX, "{name}");
        assert!(!text.is_empty() && text.len() <= VALUE_BYTES_MAX, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    show(given, rules);
}

/// Shows a row of these keys by these rules.
fn show(keys: Vec<(String, String)>, rules: Rules) {
    let now = Moment { instant: Instant::now(), unix_ns: 0 };
    let blueprint = Blueprint { rules: Arc::new(rules), ..Blueprint::default() };
    let settings = Producer { labels: vec!["queueName".to_owned()], ..Producer::default() };
    let mut bench = Bench::new(&blueprint, Producer { id: "Queue_itd_1.0.0".to_owned(), ..settings });
    bench.pipeline.session_opened(now);
    let keys: serde_json::Map<_, _> = keys.into_iter().map(|(name, text)| (name, text.into())).collect();
    for (text, count) in [("North", 1), ("South", 2)] {
        let frame = serde_json::json!({
            "eventAction": "UPSERT", "payloadType": "LIVE", "keys": keys,
            "measures": { "answered": count, "agentState": "READY", "queueName": text, "skill": text },
        });
        let _ = bench.pipeline.apply(&frame.to_string(), now);
    }
    bench.check();
}
