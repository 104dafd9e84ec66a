//! A line of Influx line protocol out of a row's labels and an event's readings.
//!
//! The line itself is written by influxdb-line-protocol; this is the guard before it, for
//! what that builder lets through and servers refuse or misread: a tag value that ends in
//! a backslash (it would escape what follows), an empty tag value, a field that has a
//! tag's name or one that InfluxDB reserves, a line without fields
//! ([syntax](https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/)).
//! Control characters never come here: texts are cleaned where they are read.

use influxdb_line_protocol::LineProtocolBuilder;

use crate::label::labels::Labels;

/// Names that InfluxDB keeps for itself; a point that uses one may be discarded.
const RESERVED: [&str; 3] = ["time", "_field", "_measurement"];

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

/// Appends one line; false, and nothing appended, where no field is left to write.
pub fn write<'a>(
    out: &mut Vec<u8>,
    measurement: &str,
    labels: &Labels,
    fields: impl Iterator<Item = (&'a str, Field<'a>)>,
    timestamp_ns: i64,
) -> bool {
    let mut fields = fields.filter(|(name, field)| {
        let finite = !matches!(field, Field::Number(value) if !value.is_finite());
        finite && !labels.contains(name) && !RESERVED.contains(name)
    });
    let Some((name, first)) = fields.next() else {
        return false;
    };
    let mut head = LineProtocolBuilder::new_with(std::mem::take(out)).measurement(measurement);
    for (name, value) in labels.iter() {
        let value = value.trim_end_matches('\\');
        if !value.is_empty() && !RESERVED.contains(&name) {
            head = head.tag(name, value);
        }
    }
    let mut line = match first {
        Field::Number(value) => head.field(name, value),
        Field::Boolean(value) => head.field(name, value),
        Field::Text(value) => head.field(name, value),
    };
    for (name, field) in fields {
        line = match field {
            Field::Number(value) => line.field(name, value),
            Field::Boolean(value) => line.field(name, value),
            Field::Text(value) => line.field(name, value),
        };
    }
    *out = line.timestamp(timestamp_ns).close_line().build();
    true
}

#[cfg(test)]
mod tests {
    use influxdb_line_protocol::{FieldValue, parse_lines};
    use proptest::prelude::*;

    use super::*;
    use crate::label::labels::clean_value;

    fn line(labels: &Labels, fields: &[(&str, Field<'_>)]) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out, "stem", labels, fields.iter().copied(), 7).then(|| String::from_utf8(out).unwrap())
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let mut labels = Labels::new();
        for (name, value) in pairs {
            labels.set(name, *value);
        }
        labels
    }

    #[test]
    fn a_line_has_sorted_tags_and_fields_in_order() {
        let labels = labels(&[("b", "2 3"), ("a", "1,=")]);
        let fields =
            [("n", Field::Number(2.0)), ("t", Field::Text("say \"hi\"")), ("f", Field::Boolean(false))];
        assert_eq!(
            line(&labels, &fields).unwrap(),
            "stem,a=1\\,\\=,b=2\\ 3 n=2,t=\"say \\\"hi\\\"\",f=false 7\n"
        );
    }

    #[test]
    fn what_servers_refuse_is_left_out() {
        let labels = labels(&[("a", "x\\"), ("only", "\\\\"), ("time", "now")]);
        let fields = [
            ("a", Field::Number(1.0)),
            ("time", Field::Number(1.0)),
            ("nan", Field::Number(f64::NAN)),
            ("n", Field::Number(1.5)),
        ];
        assert_eq!(line(&labels, &fields).unwrap(), "stem,a=x n=1.5 7\n");
        assert_eq!(line(&labels, &fields[..3]), None);
        assert_eq!(line(&labels, &[]), None);
    }

    proptest! {
        #[test]
        fn every_line_reads_back(tag in "\\PC{0,12}|[ ,=\\\\\"#\n]{0,6}", text in "\\PC{0,12}|[ ,=\\\\\"#\n]{0,6}", number in proptest::num::f64::NORMAL) {
            let (tag, text) = (clean_value(&tag, 1024), clean_value(&text, 1024));
            let labels = labels(&[("tag", &tag)]);
            let out = line(&labels, &[("n", Field::Number(number)), ("t", Field::Text(&text))]).unwrap();
            prop_assert_eq!(out.matches('\n').count(), 1);
            let parsed: Vec<_> = parse_lines(&out).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(parsed.len(), 1);
            let kept = tag.trim_end_matches('\\');
            prop_assert_eq!(parsed[0].tag_value("tag").map(ToString::to_string), (!kept.is_empty()).then(|| kept.to_owned()));
            prop_assert_eq!(parsed[0].field_value("n"), Some(&FieldValue::F64(number)));
            match parsed[0].field_value("t") {
                Some(FieldValue::String(read)) => prop_assert_eq!(read.to_string(), text.into_owned()),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
