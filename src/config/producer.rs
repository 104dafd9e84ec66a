//! `[[producer]]` and `[[producer.measure]]`: which feeds to hold, and what their measures are.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::parse::measure::field_name;
use crate::parse::measures::kind_by_name;
use crate::parse::name::{producer_stem, snake_case};
use crate::parse::privacy::is_personal;

use super::check;
use super::key::Key;
use super::privacy::Privacy;
use super::problem::shown;
use super::report::Report;
use super::word::{DurationUnit, Format, Kind, Personal, Unit, optional};

/// States of one measure; more would be series without bound.
const STATES_MAX: usize = 32;

/// One measure producer of AXP: one subscription, one feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Producer {
    /// The producer's id as AXP spells it, version included: `Queue_itd_1.0.0`. Required, each
    /// once.
    pub id: String,
    /// What metrics and measurements of this producer are called after `axp_`. Lower-case
    /// letters, digits and `_`, not a digit in front, and not `exporter` in front, which is the
    /// program's own. Default empty: the id without its version, in snake case.
    pub name: String,
    /// Measures to export: globs (`*` any run, `?` one character) on AXP's names, case-sensitive.
    /// Default empty: all. Readings of others are counted as denied.
    pub allow: Vec<String>,
    /// Measures not to export; wins over `allow`. Default empty: none.
    pub deny: Vec<String>,
    /// Text measures, by AXP's names, that become labels of all series of their row instead of
    /// its info metric. Each distinct text makes new series. Default empty.
    pub labels: Vec<String>,
    /// The unit in which this producer sends durations: `s` (default) or `ms`. Exported are
    /// seconds.
    pub duration_unit: DurationUnit,
    /// Texts that mean that a measure has no value; its series goes. Compared as a whole,
    /// case-sensitive. Default `["", "N/A"]`; a JSON null always means it.
    pub null_values: Vec<String>,
    /// Rules for single measures.
    pub measure: Vec<MeasureRule>,
}

impl Default for Producer {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            allow: Vec::new(),
            deny: Vec::new(),
            labels: Vec::new(),
            duration_unit: DurationUnit::default(),
            null_values: vec![String::new(), "N/A".to_owned()],
            measure: Vec::new(),
        }
    }
}

/// What one measure of a producer is; wins over AXP's dictionary and the built-in table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureRule {
    /// AXP's name of the measure: `activeDuration`. Required, each once.
    pub name: String,
    /// What it is: `number`, `duration`, `timestamp`, `boolean`, `state` or `text`. Default
    /// empty: as the dictionary, the built-in table or the first value says.
    #[serde(with = "optional")]
    pub kind: Option<Kind>,
    /// `s` or `ms`: the unit of a duration, default that of the producer. `ratio`: divide a
    /// number in percent by 100; needs `kind = "number"`. Default empty.
    #[serde(with = "optional")]
    pub unit: Option<Unit>,
    /// How its text is read: `hh:mm:ss`, `iso8601`, `percent`, `decimal-comma` or
    /// `thousands`. Needs a kind of number or duration. Default empty: a strict JSON number.
    pub format: Format,
    /// The measure's part of the metric name and its field: lower-case letters, digits and `_`.
    /// A unit is still appended. Default empty: AXP's name in snake case.
    pub rename: String,
    /// The text of `# HELP`. Default empty: AXP's description.
    pub help: String,
    /// The states of a state measure, at most 32, each once; a value beside them is refused.
    /// Needs `kind = "state"`. Default empty: learned as they appear.
    pub states: Vec<String>,
}

impl Producer {
    /// What this producer's metrics are called after `axp_`.
    pub fn stem(&self) -> String {
        if self.name.is_empty() { producer_stem(&self.id) } else { self.name.clone() }
    }

    fn check(&self, key: &Key, privacy: &Privacy, report: &mut Report) {
        if !check::is_line(&self.id) || self.id.contains(char::is_whitespace) {
            report.text(&key.at("id"), &self.id, "a producer's id such as Queue_itd_1.0.0");
        }
        if !self.name.is_empty() && !check::is_name_part(&self.name) {
            let expected = "lower-case letters, digits and _, not a digit in front";
            report.text(&key.at("name"), &self.name, expected);
        }
        for (name, globs) in [("allow", &self.allow), ("deny", &self.deny)] {
            check::lines(&key.at(name), globs, "a measure's name, or a glob such as \"active*\"", report);
        }
        let labels = key.at("labels");
        check::lines(&labels, &self.labels, "the name of a text measure", report);
        for (index, label) in self.labels.iter().enumerate() {
            if privacy.personal == Personal::Drop && is_personal(label, &privacy.measures) {
                let found = format!("{}, which is personal and dropped", shown(label));
                report.value(
                    &labels.index(index),
                    found,
                    "another measure, or privacy.personal = \"keep\" or \"hash\"",
                );
            }
            let rule = self.measure.iter().find(|rule| rule.name == *label);
            if let Some(kind) = rule.and_then(|rule| rule.kind).filter(|kind| *kind != Kind::Text) {
                let found = format!("{}, which a rule makes a {kind}", shown(label));
                report.value(&labels.index(index), found, "a measure of kind \"text\"");
            }
        }
        let mut names = HashMap::new();
        for (index, rule) in self.measure.iter().enumerate() {
            let key = key.at("measure").index(index);
            rule.check(&key, report);
            if !rule.name.is_empty() && names.insert(&rule.name, index).is_some() {
                report.value(
                    &key.at("name"),
                    format!("{} again", shown(&rule.name)),
                    "one rule for each measure",
                );
            }
        }
    }
}

impl MeasureRule {
    /// The measure's part of its metric's name, as far as the rule and AXP's name tell.
    fn field(&self) -> String {
        let kind = self.kind.or_else(|| kind_by_name(&self.name)).unwrap_or(Kind::Number);
        let base = if self.rename.is_empty() { snake_case(&self.name) } else { self.rename.clone() };
        field_name(&base, kind, self.unit)
    }

    fn check(&self, key: &Key, report: &mut Report) {
        if !check::is_line(&self.name) {
            report.text(&key.at("name"), &self.name, "a measure's name such as activeDuration");
        }
        self.check_unit(&key.at("unit"), report);
        if self.format != Format::Strict && !matches!(self.kind, Some(Kind::Number | Kind::Duration)) {
            let found = format!("\"{}\" {}", self.format, self.with_kind());
            report.value(&key.at("format"), found, "kind = \"number\" or \"duration\" beside it");
        }
        if !self.rename.is_empty() && !check::is_name_part(&self.rename) {
            let expected = "lower-case letters, digits and _, not a digit in front";
            report.text(&key.at("rename"), &self.rename, expected);
        }
        if self.help.chars().any(char::is_control) {
            report.text(&key.at("help"), &self.help, "text on one line");
        }
        let states = key.at("states");
        if !self.states.is_empty() && self.kind != Some(Kind::State) {
            report.value(&states, format!("states {}", self.with_kind()), "kind = \"state\" beside them");
        }
        if self.states.len() > STATES_MAX {
            report.value(&states, format!("{} states", self.states.len()), format!("at most {STATES_MAX}"));
        }
        check::lines(&states, &self.states, "a state such as \"READY\"", report);
    }

    fn check_unit(&self, key: &Key, report: &mut Report) {
        let expected = match (self.unit, self.kind) {
            (None, _)
            | (Some(Unit::Ratio), Some(Kind::Number))
            | (Some(Unit::Seconds | Unit::Millis), None | Some(Kind::Duration)) => return,
            (Some(Unit::Ratio), _) => "kind = \"number\" beside it",
            (Some(_), _) => "kind = \"duration\" beside it",
        };
        let unit = self.unit.map_or("", Unit::as_str);
        report.value(key, format!("\"{unit}\" {}", self.with_kind()), expected);
    }

    fn with_kind(&self) -> String {
        self.kind.map_or_else(|| "without a kind".to_owned(), |kind| format!("with kind = \"{kind}\""))
    }
}

/// All producers: each for itself, then that no two share an id, a stem or a metric.
pub(super) fn check(producers: &[Producer], privacy: &Privacy, report: &mut Report) {
    let mut ids = HashMap::new();
    let mut stems: HashMap<String, &str> = HashMap::new();
    let mut metrics: HashMap<String, String> = HashMap::new();
    for (index, producer) in producers.iter().enumerate() {
        let key = Key::of("producer").index(index);
        producer.check(&key, privacy, report);
        if producer.id.is_empty() {
            continue;
        }
        if ids.insert(&producer.id, index).is_some() {
            report.value(&key.at("id"), format!("{} again", shown(&producer.id)), "each producer once");
            continue;
        }
        let stem = producer.stem();
        let stem_key = key.at(if producer.name.is_empty() { "id" } else { "name" });
        if stem.starts_with("exporter") {
            let found = format!("the name {}, which is the program's own", shown(&stem));
            report.value(&stem_key, found, "another `name`");
        }
        if let Some(other) = stems.get(&stem) {
            let found = format!("the name {}, which producer {} has already", shown(&stem), shown(other));
            report.value(&stem_key, found, "another `name`");
        }
        metrics.insert(format!("axp_{stem}_info"), format!("the info metric of {}", shown(&producer.id)));
        for (index, rule) in producer.measure.iter().enumerate() {
            let metric = format!("axp_{stem}_{}", rule.field());
            if let Some(other) = metrics.get(&metric) {
                let rename = key.at("measure").index(index).at("rename");
                report.value(
                    &rename,
                    format!("the name {metric}, which {other} has already"),
                    "another `rename`",
                );
            } else if !rule.name.is_empty() {
                metrics.insert(metric, format!("{} of {}", shown(&rule.name), shown(&producer.id)));
            }
        }
        stems.entry(stem).or_insert(&producer.id);
    }
}
