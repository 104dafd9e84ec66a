//! One measure: what it is, what becomes of it, and the values it gives.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::config::{Format, Kind, Unit};
use crate::reject::ReadingReject;

/// AXP's own type of a measure (Producer Management API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AxpType {
    /// Text of any sort.
    String,
    /// A count or a level.
    Number,
    /// A length of time.
    Duration,
    /// A point in time, epoch milliseconds.
    Date,
    /// The time at which a state began, epoch milliseconds, `0` when not in it.
    TimeInState,
    /// A type this program does not know; as if none were given.
    #[serde(other)]
    Unknown,
}

impl AxpType {
    /// AXP's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Number => "NUMBER",
            Self::Duration => "DURATION",
            Self::Date => "DATE",
            Self::TimeInState => "TIME_IN_STATE",
            Self::Unknown => "unknown",
        }
    }
}

/// What AXP says of one measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// AXP's type.
    pub axp_type: AxpType,
    /// AXP's description in the configured locale; may be empty.
    pub description: String,
}

/// What AXP says of a producer's measures, by name.
pub type Dictionary = HashMap<String, Definition>;

/// What decides what a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindSource {
    /// A `[[producer.measure]]` rule.
    Rule,
    /// It is personal, so it is text.
    Personal,
    /// `producer.labels` names it, so it is text.
    Label,
    /// AXP's dictionary.
    Dictionary,
    /// The built-in table, by its name.
    Table,
    /// Its first value.
    FirstValue,
}

impl KindSource {
    /// The source as one word, for scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Personal => "personal",
            Self::Label => "labels",
            Self::Dictionary => "dictionary",
            Self::Table => "built_in",
            Self::FirstValue => "first_value",
        }
    }
}

/// A measure's place in its producer's list.
pub type MeasureId = usize;

/// `<measure>[_<unit>]`: what a measure is called in both outputs, from its name in snake
/// case or its new name.
pub fn field_name(base: &str, kind: Kind, unit: Option<Unit>) -> String {
    match (kind, unit) {
        (Kind::Duration, _) => format!("{base}_seconds"),
        (Kind::Timestamp, _) => format!("{base}_timestamp_seconds"),
        (Kind::Number, Some(Unit::Ratio)) => format!("{base}_ratio"),
        _ => base.to_owned(),
    }
}

/// What becomes of a measure's readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They go to the outputs.
    Exported,
    /// They are left out, by the allowlist or as personal data.
    Denied,
    /// They are refused.
    Refused(ReadingReject),
}

/// A reading that has been read.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Of a number, duration, timestamp, or boolean (1 or 0).
    Number(f64),
    /// Of a state: its name.
    State(Cow<'a, str>),
    /// Of a text.
    Text(Cow<'a, str>),
    /// No value: what the row held goes.
    Absent,
    /// Refused: what the row held goes.
    Refused(ReadingReject),
}

impl Value<'_> {
    /// The same, of its own.
    pub fn to_owned_value(&self) -> Value<'static> {
        let own = |text: &str| Cow::Owned(text.to_owned());
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::State(text) => Value::State(own(text)),
            Self::Text(text) => Value::Text(own(text)),
            Self::Absent => Value::Absent,
            Self::Refused(reject) => Value::Refused(*reject),
        }
    }
}

/// One measure's value in one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a> {
    /// Which measure; [`MeasureId::MAX`] for what became none, as its name is bad or one too many.
    pub measure: MeasureId,
    /// Its value.
    pub value: Value<'a>,
}

/// What is known of one measure.
#[derive(Debug, Clone)]
pub struct Measure {
    /// AXP's name.
    pub name: Box<str>,
    /// What becomes of its readings.
    pub verdict: Verdict,
    /// What it is; none until its first present value.
    pub kind: Option<Kind>,
    /// What its kind comes from; of no meaning without a kind.
    pub source: KindSource,
    /// `<measure>[_<unit>]`: the field of the lines, the end of the metric's name, the
    /// label of a text.
    pub field: Box<str>,
    /// True if it becomes a label of all of its row's series.
    pub promoted: bool,
    /// The states that a rule gives; none where they are learned.
    pub states: Vec<Box<str>>,
    /// AXP's description, or empty.
    pub description: Box<str>,
    /// Where the outputs keep it, once it is there; theirs to set.
    pub column: Option<u32>,
    /// What its first value would make of it if nobody said what it is.
    pub(super) inferred: Option<(Kind, KindSource)>,
    pub(super) reader: Reader,
    /// The event that named it last, to notice repetition.
    pub(super) event: u64,
    /// The event that named it more than once last.
    pub(super) repeated_event: u64,
    /// The measure that came after it last time.
    pub(super) successor: MeasureId,
}

impl Measure {
    /// How its numbers are spelled, and what they are divided by.
    pub const fn spelling(&self) -> (Format, f64) {
        (self.reader.format, self.reader.divisor)
    }
}

/// How a measure's text becomes a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reader {
    pub(super) format: Format,
    pub(super) divisor: f64,
    pub(super) hashed: bool,
}
