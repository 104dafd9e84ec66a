//! From a file to the events in it: one as people write it, over many lines, or several, one after
//! the other. What is no event is told of with the place and with what is missing.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::StreamDeserializer;
use serde_json::de::StrRead;
use serde_json::value::RawValue;

use crate::reject::EventReject;

/// What an event cannot be without.
const REQUIRED: [&str; 3] = ["keys", "eventAction", "payloadType"];

/// Where an event stands, in words, and its text; or what stands there instead.
type Found<'a> = Result<(String, &'a str), String>;

/// Each event of a text; ends after the first place that is not JSON.
pub(super) fn events(bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}')),
        Err(err) => Err(Some(format!("byte {}: not UTF-8", err.valid_up_to() + 1))),
    };
    let mut events = text.map(|text| Events {
        text,
        documents: serde_json::Deserializer::from_str(text).into_iter(),
        count: 0,
        ended: false,
    });
    std::iter::from_fn(move || match &mut events {
        Ok(events) => events.next(),
        Err(problem) => problem.take().map(Err),
    })
}

struct Events<'a> {
    text: &'a str,
    documents: StreamDeserializer<'a, StrRead<'a>, &'a RawValue>,
    count: usize,
    ended: bool,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Option<Found<'a>> {
        if self.ended {
            return None;
        }
        let begin = self.documents.byte_offset();
        match self.documents.next() {
            None if self.count == 0 => {
                self.ended = true;
                Some(Err("nothing in it".to_owned()))
            }
            None => None,
            Some(Ok(document)) => {
                self.count += 1;
                let between = self.text.get(begin..).unwrap_or_default();
                let begin = begin + (between.len() - between.trim_start().len());
                let before = self.text.get(..begin).unwrap_or_default();
                Some(Ok((format!("line {}", before.matches('\n').count() + 1), document.get())))
            }
            Some(Err(err)) => {
                self.ended = true;
                Some(Err(format!("not JSON: {err}")))
            }
        }
    }
}

/// Why a text that is JSON is no event, with what it lacks.
pub(super) fn why_no_event(document: &str, reject: EventReject) -> String {
    let mut words = format!("no event, {}: {}", reject.label(), reject.words());
    match document.as_bytes().first() {
        Some(b'{') => {}
        Some(b'[') => return "an array, not an event; give its elements one after the other".to_owned(),
        _ => return "a bare value, not an event, which is an object".to_owned(),
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(document).unwrap_or_default();
    let missing: Vec<&str> =
        REQUIRED.into_iter().filter(|field| !fields.is_empty() && !fields.contains_key(*field)).collect();
    if !missing.is_empty() {
        let _ = write!(words, "; missing: {}", missing.join(", "));
    }
    for name in ["keys", "measures"] {
        if fields.get(name).is_some_and(|value| !value.get().starts_with(['{', 'n'])) {
            let _ = write!(words, "; {name} is not an object");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Result<(String, &str), String>> {
        events(text.as_bytes()).collect()
    }

    #[test]
    fn events_stand_over_many_lines_or_one_behind_the_other() {
        let event = |line: u32, text| Ok((format!("line {line}"), text));
        assert_eq!(found("\u{feff}\n{\n\"a\": 1\n}\n"), [event(2, "{\n\"a\": 1\n}")]);
        assert_eq!(found("{}\n\n[1] 2\n"), [event(1, "{}"), event(3, "[1]"), event(3, "2")]);
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for (text, said) in [
            ("", "nothing in it"),
            (" \n", "nothing in it"),
            ("{\"a\":\n \"b}", "not JSON: EOF while parsing a string at line 2 column 4"),
            ("ping", "not JSON: expected value at line 1 column 1"),
        ] {
            assert_eq!(found(text), [Err(said.to_owned())], "{text}");
        }
        assert_eq!(found("{}\nping").len(), 2, "what came before it counts");
        let said = events(b"{\"a\":\"\xff\"}").collect::<Vec<_>>();
        assert_eq!(said, [Err("byte 7: not UTF-8".to_owned())]);
    }

    #[test]
    fn what_is_no_event_is_told_with_what_it_lacks() {
        for (text, reject, said) in [
            ("[{}]", EventReject::NotJson, "an array, not an event; give its elements one after the other"),
            ("7", EventReject::NotJson, "a bare value, not an event, which is an object"),
            (
                r#"{"keys":{"a":"b"},"eventAction":"UPSERT"}"#,
                EventReject::UnknownPayloadType,
                "no event, unknown_payload_type: `payloadType` is neither `INITIALIZING` nor `LIVE`; \
                 missing: payloadType",
            ),
            (
                r#"{"keys":["a"],"eventAction":"UPSERT","payloadType":"LIVE"}"#,
                EventReject::Malformed,
                "no event, malformed: Not one JSON object of the documented shape; keys is not an object",
            ),
        ] {
            assert_eq!(why_no_event(text, reject), said, "{text}");
        }
    }
}
