//! What has to hold of lines, whatever came in.

use axp_exporter::sink::queue::{Batch, LineReceiver};

/// Reads the lines that wait, with the parser of InfluxDB 3: each is one point with a time.
pub(crate) fn check(receiver: &LineReceiver) {
    let mut batch = Batch::default();
    receiver.take(&mut batch);
    let lines = String::from_utf8(batch.bytes).expect("UTF-8");
    let mut count = 0;
    for line in influxdb_line_protocol::parse_lines(&lines) {
        let line = line.unwrap_or_else(|what| panic!("{what}\nin\n{lines}"));
        assert!(line.timestamp.is_some() && !line.field_set.is_empty(), "{lines}");
        count += 1;
    }
    assert_eq!((count, lines.matches('\n').count() as u64), (batch.lines, batch.lines), "{lines}");
}
