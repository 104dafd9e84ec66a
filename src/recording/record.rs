//! A record: one line of a recording, to and from JSON.
//!
//! Every line has `kind`, `at` and `unix_ns`; `kind` comes first, so that a writer can tell events,
//! which are most of them, without reading further. Fields that are not known are passed over; a kind
//! that is not known, in a format that is, is damage.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::parse::measure::{AxpType, Definition, Dictionary};
use crate::parse::privacy::Treated;
use crate::pipeline::Moment;
use crate::reject::EventReject;

/// The number of the format that is written, and the highest that is read.
pub(super) const FORMAT: u64 = 1;
/// How the lines of events begin.
const EVENTS: [&[u8]; 2] = [b"{\"kind\":\"event\"", b"{\"kind\":\"outgoing\""];

/// One line of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// When, since the recording began, by the clock that never goes back.
    pub at: Duration,
    /// When, by the wall, nanoseconds since the epoch.
    pub unix_ns: i64,
    /// What.
    pub entry: Entry<'a>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry<'a> {
    /// A file begins.
    Header(Header),
    /// The pipeline of a producer was told something.
    Feed {
        /// Whose.
        producer: Cow<'a, str>,
        /// What.
        told: Told<'a>,
        /// True if a file before this one has it already.
        again: bool,
    },
    /// So many records are missing from about here.
    Missing(u64),
    /// The recording ended in good order.
    End,
}

/// How a file begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The number of the format.
    pub format: u64,
    /// Which recording it is of; empty before a writer has it.
    pub recording: String,
    /// Its number among the recording's files, from 1 on.
    pub part: u64,
    /// The version of the program that wrote it.
    pub exporter: String,
    /// The account of events that name none.
    pub account_id: String,
    /// What became of personal data.
    pub privacy: Treated,
}

/// What a pipeline was told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<'a> {
    /// It is there.
    Producer,
    /// What AXP says of the measures.
    Dictionary(Cow<'a, Dictionary>),
    /// A websocket was opened: a mark for readers, which does nothing.
    Opened,
    /// A link was closed for this reason: a mark as well.
    Closed(Cow<'a, str>),
    /// A session begins, authenticated.
    Authenticated,
    /// It brought nothing, and that was believed.
    Empty,
    /// It was lost.
    Lost,
    /// It was lost, and the one before it goes on.
    HandedBack,
    /// The one before it is over.
    OutgoingEnded,
    /// Nothing was taken for this time from now on.
    Postponed(Duration),
    /// An event, as JSON.
    Event(&'a str),
    /// An event of the session that is being replaced.
    Outgoing(&'a str),
    /// Something that is no event.
    Refused(EventReject),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Header,
    Producer,
    Dictionary,
    Opened,
    Closed,
    Authenticated,
    Empty,
    Lost,
    HandedBack,
    OutgoingEnded,
    Postponed,
    Event,
    Outgoing,
    Refused,
    Missing,
    End,
}

/// What stands in a line.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    kind: Kind,
    at: u64,
    unix_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    producer: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    again: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dictionary: Option<BTreeMap<Cow<'a, str>, Described<'a>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nanoseconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    event: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
struct Described<'a> {
    #[serde(rename = "type")]
    axp_type: AxpType,
    #[serde(default)]
    description: Cow<'a, str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> Record<'a> {
    /// A record of this moment in a recording that began at `began`.
    pub fn new(now: Moment, began: Moment, entry: Entry<'a>) -> Self {
        Self { at: now.instant.saturating_duration_since(began.instant), unix_ns: now.unix_ns, entry }
    }

    /// Appends it as a line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut fields = Fields {
            kind: Kind::End,
            at: nanoseconds(self.at),
            unix_ns: self.unix_ns,
            producer: None,
            again: false,
            header: None,
            dictionary: None,
            reason: None,
            nanoseconds: None,
            records: None,
            event: None,
        };
        match &self.entry {
            Entry::Header(header) => {
                fields.kind = Kind::Header;
                fields.header = Some(header.clone());
            }
            Entry::Feed { producer, told, again } => {
                fields.producer = Some(Cow::Borrowed(producer));
                fields.again = *again;
                fields.tell(told);
            }
            Entry::Missing(records) => {
                fields.kind = Kind::Missing;
                fields.records = Some(*records);
            }
            Entry::End => {}
        }
        let before = out.len();
        match serde_json::to_writer(&mut *out, &fields) {
            Ok(()) => out.push(b'\n'),
            // An event that is no JSON is none.
            Err(_) => out.truncate(before),
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(line: &'a str) -> Result<Self, String> {
        let fields: Fields<'a> = serde_json::from_str(line).map_err(|err| err.to_string())?;
        let (at, unix_ns) = (Duration::from_nanos(fields.at), fields.unix_ns);
        let entry = match fields.kind {
            Kind::Header => {
                let header = fields.header.ok_or("a header without its fields")?;
                Entry::Header(header)
            }
            Kind::Missing => Entry::Missing(fields.records.unwrap_or_default()),
            Kind::End => Entry::End,
            _ => {
                let again = fields.again;
                let (producer, told) = fields.told()?;
                Entry::Feed { producer, told, again }
            }
        };
        Ok(Self { at, unix_ns, entry })
    }

    /// True if a line is an event's, as far as its beginning tells.
    pub fn is_event(line: &[u8]) -> bool {
        EVENTS.iter().any(|begin| line.starts_with(begin))
    }
}

impl<'a> Fields<'a> {
    fn tell(&mut self, told: &'a Told<'_>) {
        self.kind = match told {
            Told::Producer => Kind::Producer,
            Told::Dictionary(dictionary) => {
                let described = |(name, definition): (&'a String, &'a Definition)| {
                    let Definition { axp_type, description } = definition;
                    (name.into(), Described { axp_type: *axp_type, description: description.into() })
                };
                self.dictionary = Some(dictionary.iter().map(described).collect());
                Kind::Dictionary
            }
            Told::Opened => Kind::Opened,
            Told::Closed(reason) => {
                self.reason = Some(Cow::Borrowed(reason));
                Kind::Closed
            }
            Told::Authenticated => Kind::Authenticated,
            Told::Empty => Kind::Empty,
            Told::Lost => Kind::Lost,
            Told::HandedBack => Kind::HandedBack,
            Told::OutgoingEnded => Kind::OutgoingEnded,
            Told::Postponed(time) => {
                self.nanoseconds = Some(nanoseconds(*time));
                Kind::Postponed
            }
            Told::Event(event) => {
                self.event = serde_json::from_str(event).ok();
                Kind::Event
            }
            Told::Outgoing(event) => {
                self.event = serde_json::from_str(event).ok();
                Kind::Outgoing
            }
            Told::Refused(reject) => {
                self.reason = Some(Cow::Borrowed(reject.label()));
                Kind::Refused
            }
        };
    }

    fn told(self) -> Result<(Cow<'a, str>, Told<'a>), String> {
        let producer = self.producer.ok_or("no producer")?;
        let event = self.event.map(RawValue::get).ok_or("no event");
        let told = match self.kind {
            Kind::Producer => Told::Producer,
            Kind::Dictionary => {
                let entries = self.dictionary.ok_or("no dictionary")?.into_iter();
                let definition = |(name, described): (Cow<'_, str>, Described<'_>)| {
                    let description = described.description.into_owned();
                    (name.into_owned(), Definition { axp_type: described.axp_type, description })
                };
                Told::Dictionary(Cow::Owned(entries.map(definition).collect()))
            }
            Kind::Opened => Told::Opened,
            Kind::Closed => Told::Closed(self.reason.unwrap_or_default()),
            Kind::Authenticated => Told::Authenticated,
            Kind::Empty => Told::Empty,
            Kind::Lost => Told::Lost,
            Kind::HandedBack => Told::HandedBack,
            Kind::OutgoingEnded => Told::OutgoingEnded,
            Kind::Postponed => Told::Postponed(Duration::from_nanos(self.nanoseconds.unwrap_or_default())),
            Kind::Event => Told::Event(event?),
            Kind::Outgoing => Told::Outgoing(event?),
            Kind::Refused => {
                let is_it = |reject: &&EventReject| self.reason.as_deref() == Some(reject.label());
                Told::Refused(*EventReject::ALL.iter().find(is_it).ok_or("an unknown reason")?)
            }
            Kind::Header | Kind::Missing | Kind::End => return Err("no word to a feed".to_owned()),
        };
        Ok((producer, told))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Personal;

    fn header() -> Header {
        Header {
            format: FORMAT,
            recording: "0f".to_owned(),
            part: 2,
            exporter: "0.1.0".to_owned(),
            account_id: "EZCLTR".to_owned(),
            privacy: Treated { personal: Personal::Hash, measures: vec!["badge \"1\"".to_owned()] },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let definition =
            |axp_type| Definition { axp_type, description: "in \"seconds\"\nand more".to_owned() };
        let dictionary = Dictionary::from([
            ("a".to_owned(), definition(AxpType::TimeInState)),
            ("é".to_owned(), definition(AxpType::Unknown)),
        ]);
        let told = [
            Told::Producer,
            Told::Dictionary(Cow::Owned(dictionary)),
            Told::Opened,
            Told::Closed("ping".into()),
            Told::Authenticated,
            Told::Empty,
            Told::Lost,
            Told::HandedBack,
            Told::OutgoingEnded,
            Told::Postponed(Duration::from_nanos(7)),
            Told::Event(r#"{"keys":{"a":"b"}}"#),
            Told::Outgoing("{}"),
            Told::Refused(EventReject::Binary),
        ];
        let feed = |told| Entry::Feed { producer: "Queue_itd_1.0.0".into(), told, again: true };
        let others = [Entry::Header(header()), Entry::Missing(3), Entry::End];
        for entry in told.into_iter().map(feed).chain(others) {
            let record = Record { at: Duration::from_secs(1 << 33), unix_ns: -1, entry };
            let mut line = Vec::new();
            record.write(&mut line);
            let text = std::str::from_utf8(&line).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
            assert_eq!(Record::read(text).unwrap(), record, "{text}");
            let is_event =
                matches!(record.entry, Entry::Feed { told: Told::Event(_) | Told::Outgoing(_), .. });
            assert_eq!(Record::is_event(&line), is_event, "{text}");
        }
    }

    #[test]
    fn what_is_no_record_is_said_to_be_none() {
        for (line, expected) in [
            ("", "EOF"),
            ("[]", "invalid"),
            (r#"{"at":1,"unix_ns":2}"#, "missing field `kind`"),
            (r#"{"kind":"later","at":1,"unix_ns":2}"#, "unknown variant `later`"),
            (r#"{"kind":"lost","at":1,"unix_ns":2}"#, "no producer"),
            (r#"{"kind":"event","at":1,"unix_ns":2,"producer":"P"}"#, "no event"),
            (r#"{"kind":"header","at":1,"unix_ns":2}"#, "a header without its fields"),
            (r#"{"kind":"refused","at":1,"unix_ns":2,"producer":"P","reason":"x"}"#, "an unknown reason"),
            (r#"{"kind":"lost","at":-1,"unix_ns":2,"producer":"P"}"#, "invalid value"),
        ] {
            let err = Record::read(line).unwrap_err();
            assert!(err.contains(expected), "{line}: {err}");
        }
        assert!(Record::read(r#"{"kind":"lost","more":{},"at":1,"unix_ns":2,"producer":"P"}"#).is_ok());
    }
}
