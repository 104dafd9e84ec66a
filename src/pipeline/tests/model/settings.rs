//! Configurations of the model test: each a handful of choices, told twice, to the pipeline as its
//! configuration and to the model as a question that it asks.

use rand::RngExt;
use rand::rngs::StdRng;
use secrecy::SecretString;

use super::super::harness::Setup;
use crate::config::{Kind, MeasureRule, OnDelete, Personal, Unit};
use crate::label::relabel::{Action, RelabelRule};
use crate::parse::privacy::Privacy;
use crate::table::rows::Limits;

/// The key of hashes; what comes of texts under it is written out in the model.
const KEY: &str = "key";
/// Places that are always enough.
const ROOMY: usize = 1000;

/// What the rules do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// There is none.
    None,
    /// Rows of queue `a` are dropped.
    DropA,
    /// All lose `queue_id`, and most their difference.
    Merge,
    /// Queues `a` and `b` become one.
    MergeAb,
    /// `queue` becomes what `queue_id` is.
    Copy,
    /// Rows stay whose `queue_name` is North.
    KeepNorth,
}

/// What a rule says of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruled {
    /// There is none.
    None,
    /// `answered` is text.
    AnsweredIsText,
    /// Durations come in milliseconds.
    InMillis,
}

/// One configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) rule: Rule,
    pub(super) personal: Personal,
    /// Measures that are not exported.
    pub(super) deny: &'static [&'static str],
    /// Whether `queueName` is a label of its row.
    pub(super) promotes: bool,
    /// Whether `0` means that there is no value.
    pub(super) zero_is_null: bool,
    pub(super) ruled: Ruled,
    pub(super) limit: usize,
}

impl Settings {
    pub(super) fn any(random: &mut StdRng) -> Self {
        let of = [Rule::DropA, Rule::Merge, Rule::MergeAb, Rule::Copy, Rule::KeepNorth];
        let rule = if random.random_bool(0.5) { Rule::None } else { pick(&of, random) };
        Self {
            rule,
            personal: pick(&[Personal::Drop, Personal::Drop, Personal::Keep, Personal::Hash], random),
            deny: pick(&[&[], &[], &["answered"][..], &["agentState", "level"], &["queueName"]], random),
            promotes: rule == Rule::KeepNorth || random.random_bool(0.4),
            zero_is_null: random.random_bool(0.2),
            ruled: pick(&[Ruled::None, Ruled::None, Ruled::AnsweredIsText, Ruled::InMillis], random),
            limit: pick(&[ROOMY, ROOMY, ROOMY, 14, 6, 2], random),
        }
    }

    pub(super) fn setup(self) -> Setup {
        let mut setup =
            Setup { on_delete: OnDelete::Marker, limits: Limits::new(self.limit), ..Setup::default() };
        setup.privacy = Privacy::new(self.personal, &[], Some(&SecretString::from(KEY.to_owned())));
        setup.producer.deny = self.deny.iter().map(|name| (*name).to_owned()).collect();
        if self.promotes {
            setup.producer.labels.push("queueName".to_owned());
        }
        if self.zero_is_null {
            setup.producer.null_values.push("0".to_owned());
        }
        let rule = |name: &str| MeasureRule { name: name.to_owned(), ..MeasureRule::default() };
        setup.producer.measure.extend(match self.ruled {
            Ruled::None => None,
            Ruled::AnsweredIsText => Some(MeasureRule { kind: Some(Kind::Text), ..rule("answered") }),
            Ruled::InMillis => Some(MeasureRule { unit: Some(Unit::Millis), ..rule("activeDuration") }),
        });
        setup.rules.extend(self.rule.relabel());
        setup
    }
}

impl Rule {
    fn relabel(self) -> Option<RelabelRule> {
        let rule = |source: &str, action, regex: &str| RelabelRule {
            source_labels: vec![source.to_owned()],
            regex: regex.to_owned(),
            action,
            ..RelabelRule::default()
        };
        let target = |target: &str, rule| RelabelRule { target_label: target.to_owned(), ..rule };
        Some(match self {
            Self::None => return None,
            Self::DropA => rule("queue_id", Action::Drop, "a"),
            Self::Merge => {
                RelabelRule { source_labels: Vec::new(), ..rule("", Action::LabelDrop, "queue_id") }
            }
            Self::MergeAb => {
                let merged = target("queue_id", rule("queue_id", Action::Replace, "a|b"));
                RelabelRule { replacement: "ab".to_owned(), ..merged }
            }
            Self::Copy => target("queue", rule("queue_id", Action::Replace, "(.*)")),
            Self::KeepNorth => rule("queue_name", Action::Keep, "North"),
        })
    }
}

pub(super) fn pick<T: Copy>(of: &[T], random: &mut StdRng) -> T {
    of[random.random_range(0..of.len())]
}
