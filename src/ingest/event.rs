//! An event: one JSON message of the feed, borrowed from its frame.
//!
//! The shape is that of AXP's AsyncAPI document (*Analytics Realtime Data*): `keys` and
//! `measures` are objects of strings, `eventAction` and `payloadType` come from closed
//! sets. Real numbers, booleans and nulls are taken like their strings; unknown fields
//! are passed over. One bad measure never costs the others: each value is isolated first
//! and read afterwards, so `1e400`, nested objects and repeated names stay readings that
//! are refused one by one.
//!
//! Nothing is copied but text with escapes in it. An event holds at most
//! [`KEYS_MAX`] keys and [`MEASURES_MAX`] measures.

mod plain;

use std::borrow::Cow;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::reject::EventReject;

/// Most keys of one event; AXP's producers have one or two.
pub const KEYS_MAX: usize = 16;
/// Most measures of one event; AXP's producers have well under a hundred.
pub const MEASURES_MAX: usize = 10_000;
/// Most bytes of all keys' names and values, account and source: a row keeps them for life.
pub const KEY_BYTES_MAX: usize = 2048;

/// What an event does to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Update or insert.
    Upsert,
    /// Retire.
    Delete,
}

impl Action {
    /// Every action, in the order of their metric labels.
    pub const ALL: [Self; 2] = [Self::Upsert, Self::Delete];

    /// The value of the `event_action` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// Whether an event belongs to the snapshot that opens a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadType {
    /// Part of a snapshot.
    Initializing,
    /// A change.
    Live,
}

impl PayloadType {
    /// Every payload type, in the order of their metric labels.
    pub const ALL: [Self; 2] = [Self::Initializing, Self::Live];

    /// The value of the `payload_type` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Live => "live",
        }
    }
}

/// A value as it stands in `keys` or `measures`.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// A JSON string, unescaped.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// A JSON boolean.
    Boolean(bool),
    /// JSON null.
    Null,
    /// An object or array.
    Nested,
    /// A JSON string that decodes to no text.
    BadText,
}

impl<'a> Scalar<'a> {
    /// Its text, if it has one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::Boolean(true) => Some("true"),
            Self::Boolean(false) => Some("false"),
            Self::Null | Self::Nested | Self::BadText => None,
        }
    }

    fn read(raw: &'a RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
                // Both quotes are single bytes, so the slice falls on character borders.
                text.get(1..text.len() - 1).map_or(Self::BadText, |inner| Self::Text(Cow::Borrowed(inner)))
            }
            [b'"', ..] => {
                serde_json::from_str(text).map_or(Self::BadText, |text| Self::Text(Cow::Owned(text)))
            }
            [b'{' | b'[', ..] => Self::Nested,
            b"true" => Self::Boolean(true),
            b"false" => Self::Boolean(false),
            b"null" => Self::Null,
            _ => Self::Number(text),
        }
    }
}

/// A name with its value.
pub type Key<'a> = (Cow<'a, str>, Cow<'a, str>);
/// A measure's name with its value, before anything is made of it.
pub type RawReading<'a> = (Cow<'a, str>, Scalar<'a>);

/// One message of the feed.
#[derive(Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// `accountId`, if given.
    pub account_id: Option<Cow<'a, str>>,
    /// `eventSourceId`, if given.
    pub event_source_id: Option<Cow<'a, str>>,
    /// `measureProducerId`, if given.
    pub producer_id: Option<Cow<'a, str>>,
    /// `eventAction`.
    pub action: Option<Action>,
    /// `payloadType`.
    pub payload_type: Option<PayloadType>,
    /// `keys`, sorted by name, names unique, values not empty.
    pub keys: Vec<Key<'a>>,
    /// `measures`, in the event's order; a name may stand more than once.
    pub measures: Vec<RawReading<'a>>,
    /// Of two events that were read with one buffer and have the same number here, one begins with
    /// the names of the other's measures; 0 where nothing is known of them.
    pub names: u64,
}

/// What is kept of the last event: its vectors, so that the next one allocates nothing, and how it
/// named its measures.
#[derive(Debug, Default)]
pub struct EventBuffer {
    keys: Vec<Key<'static>>,
    measures: Vec<RawReading<'static>>,
    leads: plain::Leads,
}

impl<'a> Event<'a> {
    /// Reads one frame into an event, using the buffer's vectors.
    ///
    /// # Errors
    /// The reason why the whole event is refused.
    pub fn parse(frame: &'a str, buffer: &mut EventBuffer) -> Result<Self, EventReject> {
        let mut event = Event {
            keys: std::mem::take(&mut buffer.keys),
            measures: std::mem::take(&mut buffer.measures),
            ..Self::default()
        };
        let read = match plain::read(frame, &mut event, &mut buffer.leads) {
            Some(()) => Ok(()),
            None => event.read(frame),
        };
        match read.and_then(|()| event.settle()) {
            Ok(()) => Ok(event),
            Err(reject) => {
                event.recycle(buffer);
                Err(reject)
            }
        }
    }

    /// Gives the vectors back for the next event.
    pub fn recycle(self, buffer: &mut EventBuffer) {
        buffer.keys = recycled(self.keys);
        buffer.measures = recycled(self.measures);
    }

    /// Reads any frame, whatever was read before.
    fn read(&mut self, frame: &'a str) -> Result<(), EventReject> {
        let (mut keys, mut measures) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.measures));
        keys.clear();
        measures.clear();
        *self = Event { keys, measures, ..Self::default() };
        if !frame.trim_start().starts_with('{') {
            return Err(EventReject::NotJson);
        }
        let mut reader = Reader { event: self, seen: 0, reject: None };
        let mut json = serde_json::Deserializer::from_str(frame);
        let parsed = json.deserialize_map(&mut reader).and_then(|()| json.end());
        match reader.reject {
            Some(reject) => Err(reject),
            None => parsed.map_err(|_| EventReject::Malformed),
        }
    }

    /// Checks what only the whole event can tell, and puts the keys in order.
    fn settle(&mut self) -> Result<(), EventReject> {
        if self.keys.is_empty() {
            return Err(EventReject::NoKeys);
        }
        self.keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let repeated = self.keys.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
        let keys = self.keys.iter().map(|(name, value)| name.len() + value.len());
        let ids = [&self.account_id, &self.event_source_id].into_iter().flatten().map(|id| id.len());
        let too_long = keys.chain(ids).sum::<usize>() > KEY_BYTES_MAX;
        if repeated || too_long || self.keys.iter().any(|(name, _)| name.is_empty()) {
            return Err(EventReject::BadKey);
        }
        if self.action.is_none() {
            return Err(EventReject::UnknownAction);
        }
        if self.payload_type.is_none() {
            return Err(EventReject::UnknownPayloadType);
        }
        Ok(())
    }
}

/// An empty vector of another lifetime in the same allocation: collecting a vector's own
/// iterator reuses its memory.
pub(crate) fn recycled<A, B>(mut used: Vec<A>) -> Vec<B> {
    used.clear();
    used.into_iter().map_while(|_| None).collect()
}

/// Text of the frame: borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Fills an event from a JSON object.
struct Reader<'e, 'a> {
    event: &'e mut Event<'a>,
    /// A bit for each known field seen, to notice repetition.
    seen: u8,
    reject: Option<EventReject>,
}

const FIELDS: [&str; 7] =
    ["accountId", "eventSourceId", "measureProducerId", "eventAction", "payloadType", "keys", "measures"];

impl<'a> Visitor<'a> for &mut Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            if let Some(field) = FIELDS.iter().position(|field| *field == name) {
                if self.seen & (1 << field) != 0 {
                    return Err(self.refuse(EventReject::DuplicateField));
                }
                self.seen |= 1 << field;
            }
            match &*name {
                "accountId" => self.event.account_id = optional(map.next_value()?),
                "eventSourceId" => self.event.event_source_id = optional(map.next_value()?),
                "measureProducerId" => self.event.producer_id = optional(map.next_value()?),
                "eventAction" => {
                    self.event.action = match optional(map.next_value()?).as_deref() {
                        Some("UPSERT") => Some(Action::Upsert),
                        Some("DELETE") => Some(Action::Delete),
                        _ => None,
                    };
                }
                "payloadType" => {
                    self.event.payload_type = match optional(map.next_value()?).as_deref() {
                        Some("INITIALIZING") => Some(PayloadType::Initializing),
                        Some("LIVE") => Some(PayloadType::Live),
                        _ => None,
                    };
                }
                "keys" => map.next_value_seed(Keys(&mut *self))?,
                "measures" => map.next_value_seed(Measures(&mut *self))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    fn refuse<E: de::Error>(&mut self, reject: EventReject) -> E {
        self.reject = Some(reject);
        E::custom(reject.label())
    }
}

/// An id: text or a number as written; anything else is as if it were not there.
fn optional(raw: &RawValue) -> Option<Cow<'_, str>> {
    match Scalar::read(raw) {
        Scalar::Text(text) if !text.is_empty() => Some(text),
        Scalar::Number(text) => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

/// Reads `keys`.
struct Keys<'r, 'e, 'a>(&'r mut Reader<'e, 'a>);

/// Reads `measures`.
struct Measures<'r, 'e, 'a>(&'r mut Reader<'e, 'a>);

macro_rules! object_or_null {
    ($name:ident) => {
        impl<'a> de::DeserializeSeed<'a> for $name<'_, '_, 'a> {
            type Value = ();

            fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'a> Visitor<'a> for $name<'_, '_, 'a> {
            type Value = ();

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_unit<E: de::Error>(self) -> Result<(), E> {
                Ok(())
            }

            fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
                while let Some(name) = map.next_key::<&'a RawValue>()? {
                    let value = Scalar::read(map.next_value::<&'a RawValue>()?);
                    if let Err(reject) = self.push(Scalar::read(name), value) {
                        return Err(self.0.refuse(reject));
                    }
                }
                Ok(())
            }
        }
    };
}

object_or_null!(Keys);
object_or_null!(Measures);

impl<'a> Keys<'_, '_, 'a> {
    fn push(&mut self, name: Scalar<'a>, value: Scalar<'a>) -> Result<(), EventReject> {
        let Scalar::Text(name) = name else { return Err(EventReject::BadKey) };
        let value = match value {
            // An empty label is no label, and so is an empty key.
            Scalar::Text(text) if text.is_empty() => return Ok(()),
            Scalar::Text(text) => text,
            Scalar::Number(text) => Cow::Borrowed(text),
            Scalar::Boolean(true) => Cow::Borrowed("true"),
            Scalar::Boolean(false) => Cow::Borrowed("false"),
            Scalar::Null => return Ok(()),
            Scalar::Nested | Scalar::BadText => return Err(EventReject::BadKey),
        };
        if self.0.event.keys.len() == KEYS_MAX {
            return Err(EventReject::TooLarge);
        }
        self.0.event.keys.push((name, value));
        Ok(())
    }
}

impl<'a> Measures<'_, '_, 'a> {
    fn push(&mut self, name: Scalar<'a>, value: Scalar<'a>) -> Result<(), EventReject> {
        // A name that decodes to no text names no measure; the empty one is refused later.
        let name = if let Scalar::Text(name) = name { name } else { Cow::Borrowed("") };
        if self.0.event.measures.len() == MEASURES_MAX {
            return Err(EventReject::TooLarge);
        }
        self.0.event.measures.push((name, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
