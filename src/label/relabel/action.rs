//! The actions a rule can take, and their names in the configuration.

use std::{error::Error, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a rule does. Written in any case, printed in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Action {
    /// Where the regex matches, `target_label` becomes `replacement`; empty removes it.
    #[default]
    Replace,
    /// Drops the row unless the regex matches.
    Keep,
    /// Drops the row if the regex matches.
    Drop,
    /// Drops the row unless the joined value equals `target_label`'s.
    KeepEqual,
    /// Drops the row if the joined value equals `target_label`'s.
    DropEqual,
    /// `target_label` becomes the joined value's hash modulo `modulus`.
    HashMod,
    /// Copies each label whose name matches to the name that `replacement` gives.
    LabelMap,
    /// Removes each label whose name matches.
    LabelDrop,
    /// Removes each label whose name does not match.
    LabelKeep,
    /// `target_label` becomes the joined value in lower case.
    Lowercase,
    /// `target_label` becomes the joined value in upper case.
    Uppercase,
}

impl Action {
    /// Every action, in the order of Prometheus' documentation.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Lowercase,
        Self::Uppercase,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
    ];

    /// The action's name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAction(
    /// What was found.
    pub String,
);

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let valid = Action::ALL.map(Action::as_str).join(", ");
        write!(f, "unknown action {:?}: use one of {valid}", self.0)
    }
}

impl Error for UnknownAction {}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_in_any_case() {
        for action in Action::ALL {
            let shouted = action.as_str().to_uppercase();
            let json = format!("\"{shouted}\"");
            assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
        }
    }

    #[test]
    fn an_unknown_action_is_answered_with_the_known_ones() {
        let err = serde_json::from_str::<Action>(r#""rename""#).unwrap_err();
        let message = err.to_string();
        for part in ["\"rename\"", "replace", "keepequal", "labelkeep", "uppercase"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
