//! What AXP answers, as far as it is read; unknown fields are passed over, and only what
//! cannot be done without must be there.

use serde::{Deserialize, Deserializer};

use crate::parse::measure::AxpType;

/// A subscription as AXP answers it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub subscription_id: String,
    /// Where its events come.
    pub transport: Transport,
    /// Seconds it still lives; AXP's own example contradicts `expiresAt`, so that is not read.
    #[serde(default, deserialize_with = "seconds")]
    pub expires_in: Option<f64>,
}

/// Seconds as a number or its text; anything else is as if it were not there.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let seconds = match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    };
    Ok(seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0))
}

/// Where a subscription's events come.
#[derive(Debug, Clone, Deserialize)]
pub struct Transport {
    /// The websocket's URL, not to be trusted before it is checked.
    #[serde(default)]
    pub endpoint: String,
}

/// A producer as AXP lists it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasureProducer {
    /// Its id.
    pub measure_producer_id: String,
    /// Its measures by the keys of their rows.
    #[serde(default)]
    pub measure_sets: Vec<MeasureSet>,
}

/// Measures that share keys.
#[derive(Debug, Clone, Deserialize)]
pub struct MeasureSet {
    /// The measures.
    #[serde(default)]
    pub measures: Vec<MeasureEntry>,
}

/// One measure as AXP lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct MeasureEntry {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(default = "unknown_type", rename = "type")]
    pub axp_type: AxpType,
}

const fn unknown_type() -> AxpType {
    AxpType::Unknown
}

/// A producer's words in one locale.
#[derive(Debug, Deserialize)]
pub(super) struct Words {
    /// One for each measure.
    #[serde(default)]
    pub(super) measures: Vec<Word>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Word {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
}
