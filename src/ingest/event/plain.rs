//! Plain frames: those that AXP sends, read in one go.
//!
//! AXP gives every value as a string, and hardly ever one with an escape. A frame of known
//! fields and plain strings alone is read here, several times as fast as by way of serde.
//! Whatever else a frame holds (escapes, other types, unknown or repeated fields, too much of
//! anything, errors) is none of this module's business: it gives up, and the frame is read
//! from its start by the full reader, which knows every rule. So nothing is refused here, and
//! what is accepted reads the same there.
//!
//! Events of one producer name the same measures in the same order, so each name is first compared
//! with the one that stood in its place in an event before, and searched for its end only where
//! it differs. Where none does, the event says so by a number, and nobody has to look at its names
//! again.

use std::borrow::Cow;

use super::{Action, Event, KEYS_MAX, MEASURES_MAX, PayloadType, Scalar};

/// Most names of measures that are remembered, and most bytes of one: as many as a pipeline takes.
const LEADS_MAX: usize = 256;
/// Of so many events that name other measures than those remembered, one is remembered. Where each
/// names others, remembering would cost more than it saves.
const LEARN_EVERY: u8 = 16;
/// What follows a name in a lead.
const COLON: &str = "\":\"";

/// What stood between the opening quotes of a measure's name and of its value, measure by measure,
/// in an event before.
#[derive(Debug, Default)]
pub(super) struct Leads {
    list: Vec<String>,
    /// How often a list was learned; the same number never stands for other names.
    number: u64,
    misses: u8,
}

impl Leads {
    /// The bytes of the lead that `text` begins with, if it is the one remembered for this place.
    #[inline]
    fn of(&self, place: usize, text: &[u8]) -> Option<usize> {
        self.list.get(place).filter(|lead| text.starts_with(lead.as_bytes())).map(String::len)
    }

    /// Notes an event whose names are others from this place on; true if they are to be remembered.
    #[cold]
    fn learns(&mut self, place: usize) -> bool {
        self.misses = (self.misses + 1) % LEARN_EVERY;
        let learns = self.list.is_empty() || self.misses == 0;
        if learns {
            self.list.truncate(place);
            self.number += 1;
        }
        learns
    }

    /// Remembers one more name; false if that would be too much.
    fn push(&mut self, name: &str) -> bool {
        let has_place = self.list.len() < LEADS_MAX && name.len() <= LEADS_MAX;
        if has_place {
            self.list.push([name, COLON].concat());
        }
        has_place
    }
}

/// Reads a plain frame into an empty event; none, with some of it read, where it is not plain.
pub(super) fn read<'a>(frame: &'a str, event: &mut Event<'a>, leads: &mut Leads) -> Option<()> {
    let mut cursor = Cursor { frame, at: 0 };
    let mut seen = 0_u8;
    cursor.object(|cursor, field| {
        let bit = match field {
            "accountId" => {
                event.account_id = id(cursor.string()?);
                1
            }
            "eventSourceId" => {
                event.event_source_id = id(cursor.string()?);
                1 << 1
            }
            "measureProducerId" => {
                event.producer_id = id(cursor.string()?);
                1 << 2
            }
            "eventAction" => {
                event.action = Some(match cursor.string()? {
                    "UPSERT" => Action::Upsert,
                    "DELETE" => Action::Delete,
                    _ => return None,
                });
                1 << 3
            }
            "payloadType" => {
                event.payload_type = Some(match cursor.string()? {
                    "LIVE" => PayloadType::Live,
                    "INITIALIZING" => PayloadType::Initializing,
                    _ => return None,
                });
                1 << 4
            }
            "keys" => {
                cursor.object(|cursor, name| {
                    let value = cursor.string()?;
                    let has_place = event.keys.len() < KEYS_MAX;
                    // An empty key is none.
                    if !value.is_empty() && has_place {
                        event.keys.push((Cow::Borrowed(name), Cow::Borrowed(value)));
                    }
                    has_place.then_some(())
                })?;
                1 << 5
            }
            "measures" => {
                event.names = cursor.measures(leads, |name, value| {
                    // Made where it stands: pushed, it would be put together on the stack and
                    // moved in other pieces, and the processor waits for these.
                    event.measures.extend(std::iter::once_with(|| {
                        (Cow::Borrowed(name), Scalar::Text(Cow::Borrowed(value)))
                    }));
                    (event.measures.len() <= MEASURES_MAX).then_some(())
                })?;
                1 << 6
            }
            _ => return None,
        };
        let is_first = seen & bit == 0;
        seen |= bit;
        is_first.then_some(())
    })?;
    cursor.mark().is_none().then_some(())
}

fn id(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

/// A place in a frame. Each method reads on from there; none where something else stands.
struct Cursor<'a> {
    frame: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// An object; `value` reads what stands behind each name.
    fn object(&mut self, mut value: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        if self.mark()? != b'{' {
            return None;
        }
        let mut mark = self.mark()?;
        if mark == b'}' {
            return Some(());
        }
        loop {
            if mark != b'"' {
                return None;
            }
            let name = self.rest_of_string()?;
            if self.mark()? != b':' {
                return None;
            }
            value(self, name)?;
            match self.mark()? {
                b',' => mark = self.mark()?,
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// An object of strings; the number of its names where they are remembered, or else 0.
    #[inline]
    fn measures(
        &mut self,
        leads: &mut Leads,
        mut take: impl FnMut(&'a str, &'a str) -> Option<()>,
    ) -> Option<u64> {
        if self.mark()? != b'{' {
            return None;
        }
        let mut mark = self.mark()?;
        if mark == b'}' {
            return Some(0);
        }
        let mut place = 0;
        while mark == b'"'
            && let Some(bytes) = leads.of(place, self.frame.as_bytes().get(self.at..)?)
        {
            let name = self.frame.get(self.at..self.at + bytes - COLON.len())?;
            self.at += bytes;
            take(name, self.rest_of_string()?)?;
            match self.mark()? {
                b',' => mark = self.mark()?,
                b'}' => return Some(leads.number),
                _ => return None,
            }
            place += 1;
        }
        let mut learns = leads.learns(place);
        loop {
            if mark != b'"' {
                return None;
            }
            let name = self.rest_of_string()?;
            learns = learns && leads.push(name);
            if self.mark()? != b':' {
                return None;
            }
            take(name, self.string()?)?;
            match self.mark()? {
                b',' => mark = self.mark()?,
                b'}' => return Some(if learns { leads.number } else { 0 }),
                _ => return None,
            }
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        if self.mark()? != b'"' {
            return None;
        }
        self.rest_of_string()
    }

    /// The next byte that is no white space; none at the end of the frame too.
    fn mark(&mut self) -> Option<u8> {
        loop {
            let byte = *self.frame.as_bytes().get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
        }
    }

    /// A string whose opening quote has been read.
    #[inline]
    fn rest_of_string(&mut self) -> Option<&'a str> {
        let (start, bytes) = (self.at, self.frame.as_bytes());
        let mut end = start;
        let end = loop {
            let rest = bytes.get(end..)?;
            let Some(word) = rest.first_chunk() else {
                break end + rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'))?;
            };
            let stops = stops(u64::from_le_bytes(*word));
            if stops != 0 {
                break end + stops.trailing_zeros() as usize / 8;
            }
            end += 8;
        };
        self.at = end + 1;
        // Only a quote ends a plain string.
        if *bytes.get(end)? == b'"' { self.frame.get(start..end) } else { None }
    }
}

/// The highest bit of each byte that is a quote, a backslash or a control character; above the
/// lowest of these others may be set in error.
const fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    /// Bytes below `limit`, of those whose highest bit is not set.
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word
    }
    // With this bit turned the quote follows the control characters, and the space does not.
    let quotes_and_controls = below(word ^ (ONES * 2), 0x21);
    let backslashes = below(word ^ (ONES * b'\\' as u64), 1);
    (quotes_and_controls | backslashes) & (ONES << 7)
}
