//! What a measure is: by a rule, as personal data or a label, by AXP's dictionary, by the built-in
//! table, or by its first value.

use super::Measures;
use crate::config::{Kind, Personal};
use crate::parse::measure::{AxpType, KindSource};
use crate::parse::number;

/// AXP's measures that hold the time at which a state began.
const TIMESTAMPS: [&str; 5] = ["timeInState", "timeLoggedIn", "timeActive", "timeOnHold", "timeInACW"];
/// AXP's measures that hold a state.
const STATES: [&str; 1] = ["agentState"];

impl Measures {
    /// What a measure is, and what says so: as `inferred` where nobody does.
    pub(super) fn kind(&self, name: &str, inferred: (Kind, KindSource)) -> (Kind, KindSource) {
        match self.rule(name).and_then(|rule| rule.kind) {
            // A hash is text, whatever it was made of.
            _ if self.privacy.mode_of(name) == Personal::Hash => (Kind::Text, KindSource::Personal),
            Some(kind) => (kind, KindSource::Rule),
            None if self.privacy.is_personal(name) => (Kind::Text, KindSource::Personal),
            // A label of the row is text, whatever its first value looks like.
            None if self.settings.labels.iter().any(|label| label == name) => (Kind::Text, KindSource::Label),
            None => inferred,
        }
    }

    /// What a measure of this first value is by AXP's dictionary, the built-in table or that value.
    pub(super) fn infer(&self, name: &str, first_value: &str) -> (Kind, KindSource) {
        let axp_type = self.dictionary.get(name).map_or(AxpType::Unknown, |definition| definition.axp_type);
        let by_dictionary = |kind| (kind, KindSource::Dictionary);
        let may_be_number = match axp_type {
            AxpType::Number => return by_dictionary(Kind::Number),
            AxpType::Duration => return by_dictionary(Kind::Duration),
            AxpType::Date | AxpType::TimeInState => return by_dictionary(Kind::Timestamp),
            AxpType::String => false,
            AxpType::Unknown => true,
        };
        match (kind_by_name(name), first_value) {
            (Some(kind), _) if may_be_number || kind == Kind::State => (kind, KindSource::Table),
            (_, "true" | "false") => (Kind::Boolean, KindSource::FirstValue),
            (_, value) if may_be_number && number::is_number(value.as_bytes()) => {
                (Kind::Number, KindSource::FirstValue)
            }
            _ => (Kind::Text, KindSource::FirstValue),
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
