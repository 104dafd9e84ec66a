//! A line of Influx line protocol out of a row's labels and an event's readings
//! ([syntax](https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/)).
//!
//! One writer for all servers, so it writes only what all of them read alike:
//!
//! - A backslash in a tag stands as it is before an ordinary character. Before `,`, `=`, a
//!   space, another backslash or the end servers differ: some take it for an escape, some
//!   count pairs, and what follows could become a tag or a field of its own. There it becomes
//!   `/`.
//! - Control characters become spaces, should a rule of the configuration bring one in; those
//!   of the feed are gone before.
//! - An empty tag value, a number that is not finite, a field that has a tag's name, and a
//!   line without fields are left out.
//! - Names that mean something of their own get a prefix, in tags and in fields alike.
//!
//! influxdb-line-protocol's builder would double each backslash, which InfluxDB 1 stores so;
//! its parser is what the tests read lines back with.

use std::borrow::Cow;

use crate::label::labels::Labels;
use crate::parse::number;

/// Names that InfluxDB keeps for itself, so that it may discard a point which uses one, and
/// the field of the line that a retired row leaves.
const RESERVED: [&str; 4] = ["time", "_field", "_measurement", RETIRED];

/// The one field of the line that a retired row leaves.
pub const RETIRED: &str = "retired";

/// What reserved names get in front, as Prometheus' own do.
const RESERVED_PREFIX: &str = "exported_";

/// A field's value; its type never changes for a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// A finite float.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A string.
    Text(&'a str),
}

/// Appends the line of an event; false, and nothing appended, where no field is left to write.
pub fn write<'a>(
    out: &mut Vec<u8>,
    measurement: &str,
    labels: &Labels,
    fields: impl Iterator<Item = (&'a str, Field<'a>)>,
    timestamp_ns: i64,
) -> bool {
    let labels = &*without_reserved(labels);
    let begin = out.len();
    write_series(out, measurement, labels);
    let mut separator = b' ';
    for (name, field) in fields {
        let name = exported(name);
        if labels.contains(&name) || matches!(field, Field::Number(value) if !value.is_finite()) {
            continue;
        }
        out.push(separator);
        separator = b',';
        write_field(out, &name, field);
    }
    if separator == b' ' {
        out.truncate(begin);
        return false;
    }
    close(out, timestamp_ns);
    true
}

/// Appends the last line of a retired row.
pub fn write_retired(out: &mut Vec<u8>, measurement: &str, labels: &Labels, timestamp_ns: i64) {
    write_series(out, measurement, &without_reserved(labels));
    out.push(b' ');
    write_field(out, RETIRED, Field::Boolean(true));
    close(out, timestamp_ns);
}

fn write_series(out: &mut Vec<u8>, measurement: &str, labels: &Labels) {
    write_name(out, measurement);
    for (name, value) in labels.iter() {
        out.push(b',');
        write_name(out, name);
        out.push(b'=');
        write_tag_value(out, value);
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, field: Field<'_>) {
    write_name(out, name);
    out.push(b'=');
    match field {
        Field::Number(value) => number::write(out, value),
        Field::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Field::Text(text) => write_string(out, text),
    }
}

fn close(out: &mut Vec<u8>, timestamp_ns: i64) {
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(timestamp_ns).as_bytes());
    out.push(b'\n');
}

/// A name, which is made of letters, digits and `_` by whoever makes names.
fn write_name(out: &mut Vec<u8>, name: &str) {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_tag_value(out, name);
    }
}

fn write_tag_value(out: &mut Vec<u8>, value: &str) {
    let mut bytes = value.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'=' | b' ' => out.extend_from_slice(&[b'\\', byte]),
            b'\\' if matches!(bytes.peek(), None | Some(b',' | b'=' | b' ' | b'\\' | ..b' ')) => {
                out.push(b'/');
            }
            byte if byte.is_ascii_control() => out.extend_from_slice(b"\\ "),
            byte => out.push(byte),
        }
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            byte if byte.is_ascii_control() => out.push(b' '),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// True for reserved names, and for what the prefix makes of them: so no two names come to the same.
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.strip_prefix(RESERVED_PREFIX).is_some_and(is_reserved)
}

/// A name as it may be written.
fn exported(name: &str) -> Cow<'_, str> {
    if is_reserved(name) { Cow::Owned(format!("{RESERVED_PREFIX}{name}")) } else { Cow::Borrowed(name) }
}

/// The labels under names that may be written, sorted still.
fn without_reserved(labels: &Labels) -> Cow<'_, Labels> {
    if labels.iter().any(|(name, _)| is_reserved(name)) {
        Cow::Owned(labels.iter().map(|(name, value)| (exported(name), value)).collect())
    } else {
        Cow::Borrowed(labels)
    }
}

#[cfg(test)]
mod tests {
    use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
    use proptest::prelude::*;

    use super::*;
    use crate::label::labels::clean_value;

    fn line(labels: &Labels, fields: &[(&str, Field<'_>)]) -> Option<String> {
        let mut out = b"before\n".to_vec();
        let written = write(&mut out, "stem", labels, fields.iter().copied(), 7);
        let out = String::from_utf8(out).unwrap().strip_prefix("before\n").unwrap().to_owned();
        assert_eq!(written, !out.is_empty());
        written.then_some(out)
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn a_line_has_sorted_tags_and_fields_in_order() {
        let labels = labels(&[("b", "2 3"), ("a", "1,=")]);
        let fields =
            [("n", Field::Number(2.0)), ("t", Field::Text("say \"hi\" \\")), ("f", Field::Boolean(false))];
        assert_eq!(
            line(&labels, &fields).unwrap(),
            "stem,a=1\\,\\=,b=2\\ 3 n=2,t=\"say \\\"hi\\\" \\\\\",f=false 7\n"
        );
    }

    #[test]
    fn what_servers_refuse_is_left_out() {
        let labels = labels(&[("a", "x")]);
        let fields = [("a", Field::Number(1.0)), ("nan", Field::Number(f64::NAN)), ("n", Field::Number(1.5))];
        assert_eq!(line(&labels, &fields).unwrap(), "stem,a=x n=1.5 7\n");
        assert_eq!(line(&labels, &fields[..2]), None);
        assert_eq!(line(&labels, &[]), None);
    }

    #[test]
    fn names_with_a_meaning_of_their_own_get_a_prefix() {
        let labels = labels(&[("exported_time", "1"), ("time", "2"), ("_field", "3"), ("z", "4")]);
        let fields = [("retired", Field::Number(1.0)), ("_measurement", Field::Number(2.0))];
        assert_eq!(
            line(&labels, &fields).unwrap(),
            "stem,exported__field=3,exported_exported_time=1,exported_time=2,z=4 exported_retired=1,exported__measurement=2 7\n"
        );
        let mut out = Vec::new();
        write_retired(&mut out, "stem", &labels, 8);
        assert!(String::from_utf8(out).unwrap().ends_with(",z=4 retired=true 8\n"));
    }

    #[test]
    fn a_name_never_becomes_that_of_another_tag_or_field() {
        let labels = labels(&[("exported_retired", "1"), ("exported_x", "2")]);
        let fields = ["time", "exported_time"].map(|name| (name, Field::Boolean(true)));
        assert_eq!(
            line(&labels, &fields).unwrap(),
            "stem,exported_exported_retired=1,exported_x=2 exported_time=true,exported_exported_time=true 7\n"
        );
    }

    #[test]
    fn a_backslash_in_a_tag_never_stands_where_servers_differ() {
        for (value, written) in [
            (r"DOMAIN\user", r"DOMAIN\user"),
            (r"a\,evil=1", r"a/\,evil\=1"),
            (r"a\ x=5 1", r"a/\ x\=5\ 1"),
            (r"\\server\share\", r"/\server\share/"),
            ("a\nb\\\n", r"a\ b/\ "),
        ] {
            let expected = format!("stem,t={written} n=1 7\n");
            assert_eq!(line(&labels(&[("t", value)]), &[("n", Field::Number(1.0))]).unwrap(), expected);
        }
    }

    fn tags(line: &ParsedLine<'_>) -> usize {
        line.series.tag_set.iter().flatten().count()
    }

    /// A tag's value as it is read back: see the top of the file.
    fn readable(value: &str) -> String {
        let mut read = String::new();
        let mut characters = value.chars().peekable();
        while let Some(character) = characters.next() {
            let is_doubtful = matches!(characters.peek(), None | Some(',' | '=' | ' ' | '\\'));
            read.push(if character == '\\' && is_doubtful { '/' } else { character });
        }
        read
    }

    proptest! {
        #[test]
        fn every_line_reads_back(
            tag in "\\PC{0,12}|[ ,=\\\\\"#na\n]{0,6}",
            text in "\\PC{0,12}|[ ,=\\\\\"#na\n]{0,6}",
            number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            timestamp: i64,
        ) {
            let (tag, text) = (clean_value(&tag, 1024), clean_value(&text, 1024));
            let mut out = Vec::new();
            let fields = [("n", Field::Number(number)), ("t", Field::Text(&text)), ("b", Field::Boolean(true))];
            prop_assert!(write(&mut out, "stem", &labels(&[("tag", &tag)]), fields.into_iter(), timestamp));
            let out = String::from_utf8(out).unwrap();
            prop_assert_eq!(out.matches('\n').count(), 1);
            let parsed: Vec<_> = parse_lines(&out).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(parsed.len(), 1);
            prop_assert_eq!(tags(&parsed[0]), usize::from(!tag.is_empty()));
            prop_assert_eq!(parsed[0].tag_value("tag").map(ToString::to_string), (!tag.is_empty()).then(|| readable(&tag)));
            prop_assert_eq!(parsed[0].field_set.len(), 3);
            prop_assert_eq!(parsed[0].field_value("n"), Some(&FieldValue::F64(number)));
            prop_assert_eq!(parsed[0].field_value("b"), Some(&FieldValue::Boolean(true)));
            match parsed[0].field_value("t") {
                Some(FieldValue::String(read)) => prop_assert_eq!(read.to_string(), text.into_owned()),
                other => prop_assert!(false, "{other:?}"),
            }
            prop_assert_eq!(parsed[0].timestamp, Some(timestamp));
        }

        #[test]
        fn whatever_stands_in_names_and_values_a_line_is_one_line(name in "\\PC{1,5}|[ ,=\\\\\n\ta]{1,5}", value in "[ ,=\\\\\"\n\r\0a]{1,6}") {
            let out = line(&labels(&[(&name, &value)]), &[("a_field", Field::Text(&value))]).unwrap();
            prop_assert_eq!(out.matches('\n').count(), 1);
            let parsed: Vec<_> = parse_lines(&out).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!((parsed.len(), parsed[0].field_set.len(), parsed[0].timestamp), (1, 1, Some(7)));
            prop_assert_eq!(tags(&parsed[0]), 1);
        }
    }
}
