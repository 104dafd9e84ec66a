//! What each rule does to one label set, for whoever asks why a label is as it is.
//!
//! The rules run as [`Rules::apply`] runs them, one at a time, with a look before and after.

use super::Rules;
use crate::label::labels::Labels;

/// What one rule made of one label set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrace {
    /// The joined values of `source_labels`; empty where it has none.
    pub looked_at: String,
    /// The labels before it.
    pub before: Labels,
    /// The labels after it; as before where it drops the row.
    pub after: Labels,
    /// False if it drops the row; no rule runs after it.
    pub keeps: bool,
}

impl Rules {
    /// Runs the rules on `labels` as [`Self::apply`] does, and tells what each that ran has done.
    pub fn trace(&self, labels: &mut Labels) -> Vec<RuleTrace> {
        let mut traces = Vec::new();
        for step in &self.steps {
            let (before, looked_at) = (labels.clone(), step.joined(labels));
            let keeps = step.apply(labels);
            traces.push(RuleTrace { looked_at, before, after: labels.clone(), keeps });
            if !keeps {
                break;
            }
        }
        traces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::relabel::{Action, RelabelRule};

    fn rule(action: Action, source: &str, regex: &str, target: &str) -> RelabelRule {
        RelabelRule {
            action,
            source_labels: source.split_whitespace().map(str::to_owned).collect(),
            regex: regex.to_owned(),
            target_label: target.to_owned(),
            ..RelabelRule::default()
        }
    }

    #[test]
    fn each_rule_tells_what_it_saw_and_what_it_left_up_to_the_one_that_drops() {
        let rules = Rules::compile(&[
            rule(Action::Replace, "a b", "(.*);2", "c"),
            rule(Action::Replace, "a", "nothing", "d"),
            rule(Action::Drop, "c", "1", ""),
            rule(Action::LabelDrop, "", "a", ""),
        ])
        .unwrap();
        let labels: Labels = [("a", "1"), ("b", "2")].into_iter().collect();
        let mut left = labels.clone();
        let traces = rules.trace(&mut left);
        let with_c: Labels = [("a", "1"), ("b", "2"), ("c", "1")].into_iter().collect();
        let expected =
            [("1;2", &labels, &with_c, true), ("1", &with_c, &with_c, true), ("1", &with_c, &with_c, false)];
        let found: Vec<_> = traces
            .iter()
            .map(|trace| (trace.looked_at.as_str(), &trace.before, &trace.after, trace.keeps))
            .collect();
        assert_eq!(found, expected);
        let mut applied = labels;
        assert!(!rules.apply(&mut applied));
        assert_eq!(applied, left, "the same code");
    }
}
