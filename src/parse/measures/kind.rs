//! What a measure is: by a rule, by AXP's dictionary, by the built-in table, or by its first value.

use super::Measures;
use crate::config::{Kind, Personal};
use crate::parse::measure::{AxpType, KindSource};
use crate::parse::number;

/// AXP's measures that hold the time at which a state began.
const TIMESTAMPS: [&str; 5] = ["timeInState", "timeLoggedIn", "timeActive", "timeOnHold", "timeInACW"];
/// AXP's measures that hold a state.
const STATES: [&str; 1] = ["agentState"];

impl Measures {
    pub(super) fn is_hashed(&self, name: &str) -> bool {
        self.privacy.mode_of(name) == Personal::Hash
    }

    /// What a measure is, and what says so: as `inferred` where nobody does.
    pub(super) fn kind(&self, name: &str, inferred: (Kind, KindSource)) -> (Kind, KindSource) {
        match self.rule(name).and_then(|rule| rule.kind) {
            _ if self.is_hashed(name) => (Kind::Text, KindSource::Personal),
            Some(kind) => (kind, KindSource::Rule),
            None if self.privacy.is_personal(name) => (Kind::Text, KindSource::Personal),
            // A label of the row is text, whatever its first value looks like.
            None if self.settings.labels.iter().any(|label| label == name) => (Kind::Text, KindSource::Label),
            None => inferred,
        }
    }

    /// What a measure of this first value is where nobody says.
    pub(super) fn infer(&self, name: &str, first_value: &str) -> (Kind, KindSource) {
        let axp_type = self.dictionary.get(name).map_or(AxpType::Unknown, |definition| definition.axp_type);
        let text = match first_value {
            _ if STATES.contains(&name) => (Kind::State, KindSource::Table),
            "true" | "false" => (Kind::Boolean, KindSource::FirstValue),
            _ => (Kind::Text, KindSource::FirstValue),
        };
        let by_dictionary = |kind| (kind, KindSource::Dictionary);
        match axp_type {
            AxpType::Number => by_dictionary(Kind::Number),
            AxpType::Duration => by_dictionary(Kind::Duration),
            AxpType::Date | AxpType::TimeInState => by_dictionary(Kind::Timestamp),
            AxpType::Unknown if let Some(kind) = kind_by_name(name) => (kind, KindSource::Table),
            AxpType::Unknown if text.0 == Kind::Text && number::is_number(first_value.as_bytes()) => {
                (Kind::Number, KindSource::FirstValue)
            }
            AxpType::String | AxpType::Unknown => text,
        }
    }
}

/// What the built-in table says of a measure, where its name tells.
pub fn kind_by_name(name: &str) -> Option<Kind> {
    match name {
        _ if TIMESTAMPS.contains(&name) => Some(Kind::Timestamp),
        _ if STATES.contains(&name) => Some(Kind::State),
        _ if name.ends_with("Duration") => Some(Kind::Duration),
        _ => None,
    }
}
