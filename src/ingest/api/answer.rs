//! What AXP answers, as far as it is read; unknown fields are passed over, and only what
//! cannot be done without must be there.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::parse::measure::AxpType;

/// A subscription as AXP answers it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub subscription_id: String,
    /// How it stands: `ACTIVE`, `PENDING` or `INACTIVE`; anything else is as if it were pending.
    #[serde(default)]
    pub status: String,
    /// Where its events come.
    #[serde(default)]
    pub transport: Transport,
    /// What was said of it when it was made, and by AXP.
    #[serde(default, deserialize_with = "texts")]
    pub extensions: HashMap<String, String>,
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

/// Text values of an object; others are as if they were not there.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HashMap<String, String>, D::Error> {
    let object = Option::<HashMap<String, serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    let text = |(name, value): (String, serde_json::Value)| Some((name, value.as_str()?.to_owned()));
    Ok(object.into_iter().filter_map(text).collect())
}

/// What is nice to have: anything else than what is expected is as if it were not there.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Where a subscription's events come.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transport {
    /// The websocket's URL, not to be trusted before it is checked.
    #[serde(deserialize_with = "text")]
    pub endpoint: String,
    /// The longest time between pings that the server allows, seconds.
    #[serde(deserialize_with = "seconds")]
    pub ping_interval: Option<f64>,
}

/// Text; anything else is as if it were empty.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

/// A page of subscriptions.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    /// Those on it.
    #[serde(default)]
    pub(super) subscriptions: Vec<Subscription>,
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
    /// The names of their rows' keys.
    #[serde(default, deserialize_with = "lenient")]
    pub keys: Vec<String>,
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
    /// Its name for people; may be empty.
    #[serde(default, deserialize_with = "lenient", rename = "displayName")]
    pub display_name: String,
    /// Whether AXP calculates it, where AXP says so.
    #[serde(default, deserialize_with = "lenient")]
    pub active: Option<bool>,
}

const fn unknown_type() -> AxpType {
    AxpType::Unknown
}

/// A producer's words in one locale.
#[derive(Debug, Clone, Deserialize)]
pub struct Words {
    /// One for each measure.
    #[serde(default)]
    pub measures: Vec<Word>,
}

/// A measure in one locale.
#[derive(Debug, Clone, Deserialize)]
pub struct Word {
    /// The measure's name.
    pub name: String,
    /// What it means; may be empty.
    #[serde(default, deserialize_with = "lenient")]
    pub description: String,
}
