//! Relabelling with the semantics of Prometheus' [`relabel_config`].
//!
//! Rules run in order on one label set; a rule sees what those before it have left. They cannot
//! fail: a rule that makes no sense for a row leaves the row alone. What makes no sense for any
//! row is refused by [`Rules::compile`], all of it at once.
//!
//! Stricter than Prometheus in three places. A row cannot be grown without limit: values end at
//! [`VALUE_BYTES_MAX`], names at [`NAME_BYTES_MAX`], and a set that has [`LABELS_MAX`] labels gets
//! no new ones. Values that rules write go through [`clean_value`], so that a newline in a
//! `replacement` cannot break an output. Names are the classic ones without quotes, also those
//! that `labelmap` makes.
//!
//! Missing: `if` selectors and lists of regexes, which are vmagent's.
//!
//! [`relabel_config`]: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config

mod action;
mod pattern;
mod rule;
mod template;
#[cfg(test)]
mod tests;
mod trace;

use std::num::NonZeroU64;

use md5::{Digest, Md5};
use regex::Regex;

use self::template::Template;
use crate::label::labels::{Labels, clean_value, is_valid_name};

pub use self::{
    action::{Action, UnknownAction},
    rule::{RelabelRule, RuleError},
    trace::RuleTrace,
};

/// Longest value a rule writes; more is cut, and the cut shows as `…`. Sixteen times the default
/// `limits.label_value_bytes`, so that joining several values still fits.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Longest name a rule writes; a longer one counts as invalid. Repeated `labelmap` would otherwise
/// double it each time.
pub const NAME_BYTES_MAX: usize = 1024;

/// Labels beyond which no new ones are added; those there can still be changed and removed. Each
/// `labelmap` can double a set, so that twenty of them would make a million labels out of one.
pub const LABELS_MAX: usize = 256;

/// Rules that have been checked and compiled.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    source_labels: Vec<String>,
    separator: String,
    effect: Effect,
}

/// An action with just what it needs.
#[derive(Debug, Clone)]
enum Effect {
    Replace { regex: Regex, target: Template, replacement: Template },
    Keep(Regex),
    Drop(Regex),
    KeepEqual(String),
    DropEqual(String),
    HashMod { target: String, modulus: NonZeroU64 },
    LabelMap { regex: Regex, replacement: Template },
    LabelDrop(Regex),
    LabelKeep(Regex),
    Lowercase(String),
    Uppercase(String),
}

impl Rules {
    /// Checks and compiles `rules`.
    ///
    /// # Errors
    ///
    /// Every problem of every rule, in the order of the rules.
    pub fn compile(rules: &[RelabelRule]) -> Result<Self, Vec<RuleError>> {
        let mut steps = Vec::with_capacity(rules.len());
        let mut errors = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match Step::compile(rule) {
                Ok(step) => steps.push(step),
                Err(problems) => {
                    errors.extend(problems.into_iter().map(|(key, value, message)| RuleError {
                        index,
                        key,
                        value,
                        message,
                    }));
                }
            }
        }
        if errors.is_empty() { Ok(Self { steps }) } else { Err(errors) }
    }

    /// Runs the rules on `labels`; `false` means that the row is dropped, and what is left in
    /// `labels` then means nothing.
    ///
    /// Takes time linear in the values and in the size of the rules. Labels that start with `__`
    /// stay: see [`Labels::drop_internal`].
    #[must_use = "a row that the rules drop must not be shown"]
    pub fn apply(&self, labels: &mut Labels) -> bool {
        self.steps.iter().all(|step| step.apply(labels))
    }
}

impl Step {
    fn compile(rule: &RelabelRule) -> Result<Self, Vec<rule::Problem>> {
        let mut problems = rule.problems();
        let regex = match pattern::compile(&rule.regex) {
            Ok(regex) => regex,
            Err(message) => {
                problems.push(("regex", rule.regex.clone(), message));
                return Err(problems);
            }
        };
        let target = rule.target_label.clone();
        let replacement = Template::parse(&rule.replacement);
        let effect = match (rule.action, NonZeroU64::new(rule.modulus)) {
            (Action::Replace, _) => Effect::Replace { regex, target: Template::parse(&target), replacement },
            (Action::Keep, _) => Effect::Keep(regex),
            (Action::Drop, _) => Effect::Drop(regex),
            (Action::KeepEqual, _) => Effect::KeepEqual(target),
            (Action::DropEqual, _) => Effect::DropEqual(target),
            (Action::HashMod, Some(modulus)) => Effect::HashMod { target, modulus },
            // Already among the problems.
            (Action::HashMod, None) => return Err(problems),
            (Action::LabelMap, _) => Effect::LabelMap { regex, replacement },
            (Action::LabelDrop, _) => Effect::LabelDrop(regex),
            (Action::LabelKeep, _) => Effect::LabelKeep(regex),
            (Action::Lowercase, _) => Effect::Lowercase(target),
            (Action::Uppercase, _) => Effect::Uppercase(target),
        };
        if problems.is_empty() {
            Ok(Self { source_labels: rule.source_labels.clone(), separator: rule.separator.clone(), effect })
        } else {
            Err(problems)
        }
    }

    fn apply(&self, labels: &mut Labels) -> bool {
        match &self.effect {
            Effect::Replace { regex, target, replacement } => {
                replace(labels, &self.joined(labels), regex, target, replacement);
            }
            Effect::Keep(regex) => return regex.is_match(&self.joined(labels)),
            Effect::Drop(regex) => return !regex.is_match(&self.joined(labels)),
            Effect::KeepEqual(target) => return labels.get(target) == self.joined(labels),
            Effect::DropEqual(target) => return labels.get(target) != self.joined(labels),
            Effect::HashMod { target, modulus } => {
                let remainder = hash(&self.joined(labels)) % *modulus;
                write(labels, target, &remainder.to_string());
            }
            Effect::LabelMap { regex, replacement } => map_names(labels, regex, replacement),
            Effect::LabelDrop(regex) => labels.retain_names(|name| !regex.is_match(name)),
            Effect::LabelKeep(regex) => labels.retain_names(|name| regex.is_match(name)),
            Effect::Lowercase(target) => {
                let value: String = self.joined(labels).chars().map(lowercase).collect();
                write(labels, target, &value);
            }
            Effect::Uppercase(target) => {
                let value: String = self.joined(labels).chars().map(uppercase).collect();
                write(labels, target, &value);
            }
        }
        true
    }

    /// The values of the source labels with the separator between them; a missing one is empty.
    fn joined(&self, labels: &Labels) -> String {
        let mut joined = String::new();
        for (index, name) in self.source_labels.iter().enumerate() {
            if index > 0 {
                joined.push_str(&self.separator);
            }
            joined.push_str(labels.get(name));
        }
        joined
    }
}

/// Writes the expanded replacement to the expanded target. No match and an invalid target name
/// leave the row alone, an empty value removes the label.
fn replace(labels: &mut Labels, value: &str, regex: &Regex, target: &Template, replacement: &Template) {
    if let Some(captures) = regex.captures(value) {
        let name = target.expand(&captures, NAME_BYTES_MAX);
        write(labels, &name, &replacement.expand(&captures, VALUE_BYTES_MAX));
    }
}

/// Copies each label whose name matches to its new name. The labels are looked at as they were
/// before; where two get the same new name, the later in order wins.
fn map_names(labels: &mut Labels, regex: &Regex, replacement: &Template) {
    let copies: Vec<_> = labels
        .iter()
        .filter_map(|(name, value)| {
            let captures = regex.captures(name)?;
            let new_name = replacement.expand(&captures, NAME_BYTES_MAX);
            Some((new_name, value.to_owned()))
        })
        .collect();
    for (name, value) in copies {
        write(labels, &name, &value);
    }
}

/// The one place where rules write: within the limits, to a valid name, a clean value.
fn write(labels: &mut Labels, name: &str, value: &str) {
    let has_room = labels.len() < LABELS_MAX || labels.contains(name);
    if has_room && name.len() <= NAME_BYTES_MAX && is_valid_name(name) {
        labels.set(name, clean_value(value, VALUE_BYTES_MAX));
    }
}

/// The last eight bytes of the MD5 sum, as a big-endian number: the first eight are shifted out.
/// [Prometheus fixes both](https://github.com/prometheus/prometheus/blob/main/model/relabel/relabel.go),
/// and a shard must be the same on either side.
fn hash(value: &str) -> u64 {
    Md5::digest(value.as_bytes()).iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Go's [`unicode.ToLower`](https://pkg.go.dev/unicode#ToLower): one character for one character,
/// whatever stands around it. Only `İ` has more than one in Rust.
fn lowercase(character: char) -> char {
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ if character == 'İ' => 'i',
        _ => character,
    }
}

/// Go's [`unicode.ToUpper`](https://pkg.go.dev/unicode#ToUpper): `ß` and the ligatures stay, Greek
/// with an iota subscript has capitals of its own.
fn uppercase(character: char) -> char {
    let mut mapped = character.to_uppercase();
    if let (Some(single), None) = (mapped.next(), mapped.next()) {
        return single;
    }
    let distance = match character {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => 8,
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(character) + distance).unwrap_or(character)
}
