//! One `[[relabel]]` table: its keys, its defaults, and what Prometheus refuses in it.
//!
//! A key counts as set when it differs from its default, which is how Prometheus tells, and which
//! lets a rule be written out with all its defaults and read again.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};

use super::{action::Action, template::Template};
use crate::label::labels::is_valid_name;

/// A rule as it stands in the configuration; the keys of Prometheus' [`relabel_config`].
///
/// [`relabel_config`]: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelabelRule {
    /// Labels whose values, joined by `separator`, are what the rule looks at. A label that is not
    /// there counts as an empty value.
    pub source_labels: Vec<String>,
    /// What stands between the joined values; `;` unless set.
    pub separator: String,
    /// What the joined value, or each label's name for the `label…` actions, must match from end
    /// to end; `(.*)` unless set.
    pub regex: String,
    /// What `hashmod` divides by; `0` is unset.
    pub modulus: u64,
    /// The label written, or compared for `keepequal` and `dropequal`. For `replace` it may refer
    /// to groups of `regex`.
    pub target_label: String,
    /// The new value, or for `labelmap` the new name, with references to groups; `$1` unless set.
    pub replacement: String,
    /// What is done; `replace` unless set.
    pub action: Action,
}

impl Default for RelabelRule {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: Action::Replace,
        }
    }
}

/// One thing that is wrong with one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Which rule, counted from 0 in the order of the file.
    pub index: usize,
    /// Which of its keys.
    pub key: &'static str,
    /// What was found there.
    pub value: String,
    /// What is wrong with it and what would be right, in one line; continues after the value.
    pub message: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, key, value, message } = self;
        write!(f, "relabel[{index}].{key} {value:?} {message}")
    }
}

impl Error for RuleError {}

/// A problem before it knows which rule it belongs to: key, value found, message.
pub(super) type Problem = (&'static str, String, String);

impl RelabelRule {
    /// Everything that is wrong with the rule but its regex, which only compiling can tell.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for name in &self.source_labels {
            if !is_valid_name(name) {
                problems.push(("source_labels", name.clone(), NOT_A_NAME.to_owned()));
            }
        }
        self.check_target(&mut problems);
        if self.action == Action::HashMod && self.modulus == 0 {
            problems.push((
                "modulus",
                self.modulus.to_string(),
                "is not enough for action hashmod; 1 is the least".to_owned(),
            ));
        }
        if self.action == Action::LabelMap && !Template::parse(&self.replacement).can_be_name() {
            problems.push(("replacement", self.replacement.clone(), NOT_A_NAME_TEMPLATE.to_owned()));
        }
        self.check_unused(&mut problems);
        problems
    }

    fn check_target(&self, problems: &mut Vec<Problem>) {
        let target = &self.target_label;
        let message = match self.action {
            Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep => return,
            action if target.is_empty() => {
                format!("is missing; action {action} needs the name of a label")
            }
            Action::Replace if Template::parse(target).can_be_name() => return,
            Action::Replace => NOT_A_NAME_TEMPLATE.to_owned(),
            _ if is_valid_name(target) => return,
            _ => NOT_A_NAME.to_owned(),
        };
        problems.push(("target_label", target.clone(), message));
    }

    /// Keys that the action does not read and that Prometheus refuses beside it.
    fn check_unused(&self, problems: &mut Vec<Problem>) {
        let allowed: &[&str] = match self.action {
            Action::LabelDrop | Action::LabelKeep => &["regex"],
            Action::KeepEqual | Action::DropEqual => &["source_labels", "target_label"],
            Action::Lowercase | Action::Uppercase => {
                &["source_labels", "separator", "regex", "modulus", "target_label"]
            }
            _ => return,
        };
        let default = Self::default();
        let keys = [
            ("source_labels", self.source_labels != default.source_labels, self.source_labels.join(",")),
            ("separator", self.separator != default.separator, self.separator.clone()),
            ("regex", self.regex != default.regex, self.regex.clone()),
            ("modulus", self.modulus != default.modulus, self.modulus.to_string()),
            ("target_label", self.target_label != default.target_label, self.target_label.clone()),
            ("replacement", self.replacement != default.replacement, self.replacement.clone()),
        ];
        for (key, is_set, value) in keys {
            if is_set && !allowed.contains(&key) {
                let message = format!("has no use for action {}; leave it out", self.action);
                problems.push((key, value, message));
            }
        }
    }
}

const NOT_A_NAME: &str = "is not a label name; use letters, digits and \"_\", with no digit in front";

const NOT_A_NAME_TEMPLATE: &str = "cannot be a label name; use letters, digits and \"_\", with \
     no digit in front, and references such as ${1}";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(rule: &RelabelRule) -> Vec<&'static str> {
        rule.problems().into_iter().map(|(key, ..)| key).collect()
    }

    fn rule(action: Action, target_label: &str) -> RelabelRule {
        RelabelRule { action, target_label: target_label.to_owned(), ..RelabelRule::default() }
    }

    #[test]
    fn a_rule_written_out_shows_the_documented_defaults_and_reads_back() {
        let text = serde_json::to_string(&RelabelRule::default()).unwrap();
        assert_eq!(
            text,
            r#"{"source_labels":[],"separator":";","regex":"(.*)","modulus":0,"target_label":"","replacement":"$1","action":"replace"}"#
        );
        assert_eq!(serde_json::from_str::<RelabelRule>(&text).unwrap(), RelabelRule::default());
        assert_eq!(serde_json::from_str::<RelabelRule>("{}").unwrap(), RelabelRule::default());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let err = serde_json::from_str::<RelabelRule>(r#"{"sourcelabels":[]}"#).unwrap_err();
        assert!(err.to_string().contains("source_labels"), "{err}");
    }

    #[test]
    fn actions_that_write_or_compare_need_a_target() {
        for action in Action::ALL {
            let needs_target = !matches!(
                action,
                Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep
            );
            let found = keys(&rule(action, ""));
            assert_eq!(found.contains(&"target_label"), needs_target, "{action}");
        }
    }

    #[test]
    fn only_replace_takes_references_in_its_target() {
        assert_eq!(keys(&rule(Action::Replace, "q_${1}")), [""; 0]);
        assert_eq!(keys(&rule(Action::Replace, "0${1}")), ["target_label"]);
        assert_eq!(keys(&rule(Action::Replace, "a-b")), ["target_label"]);
        for action in [Action::Lowercase, Action::Uppercase, Action::KeepEqual, Action::DropEqual] {
            assert_eq!(keys(&rule(action, "${1}")), ["target_label"], "{action}");
            assert_eq!(keys(&rule(action, "plain")), [""; 0], "{action}");
        }
    }
}
