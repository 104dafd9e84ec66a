//! Markers: the last line of a row that is retired, for the outputs that wish for one.

use super::{LineOutput, Moment, PipelineParts, SharedTable, read_table, write_table};
use crate::config::OnDelete;
use crate::reject::RetireCause;
use crate::sink::line;
use crate::table::row::{Row, Standing};

impl PipelineParts {
    /// Retires the rows that `goes` says yes to, and counts them.
    pub(super) fn retire_where(&self, cause: RetireCause, now: Moment, goes: impl Fn(&Row) -> bool) {
        let mut markers = Vec::new();
        let mut table = write_table(&self.table);
        let stem = self.wants_markers().then(|| table.stem().to_owned());
        let count = table.retire_where(|row| {
            let goes = goes(row);
            if goes && let Some(stem) = &stem {
                write_marker(&mut markers, stem, row, now);
            }
            goes
        });
        drop(table);
        self.send_markers(&markers);
        self.metrics.rows_retired(cause, count);
    }

    /// Whether any output wishes for markers.
    fn wants_markers(&self) -> bool {
        self.outputs.iter().any(|output| output.on_delete == OnDelete::Marker)
    }

    /// Sends markers, a line each, to those who wish for them.
    pub(super) fn send_markers(&self, markers: &[u8]) {
        send(&self.outputs, markers);
    }
}

/// Sends the markers of all rows of a table that nobody writes any more.
pub fn retire_all(outputs: &[LineOutput], table: &SharedTable, now: Moment) {
    let mut markers = Vec::new();
    let table = read_table(table);
    table.shown().for_each(|(_, row)| write_marker(&mut markers, table.stem(), row, now));
    send(outputs, &markers);
}

fn send(outputs: &[LineOutput], markers: &[u8]) {
    for output in outputs.iter().filter(|output| output.on_delete == OnDelete::Marker) {
        markers.split_inclusive(|byte| *byte == b'\n').for_each(|marker| output.sender.send(marker));
    }
}

/// Appends a row's marker, if the row is shown: others have written no lines.
pub(super) fn write_marker(out: &mut Vec<u8>, stem: &str, row: &Row, now: Moment) {
    if row.standing == Standing::Shown {
        let timestamp = now.unix_ns.max(row.line_ns.saturating_add(1));
        line::write_retired(out, stem, &row.face.labels, timestamp);
    }
}
