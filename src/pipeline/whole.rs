//! Whole rows: what a table shows, as a line a row, for whoever has to hear what has not changed.
//!
//! A table is walked bite by bite, and each bite is sent under the table's lock, as lines of events
//! are: so the lines of a row come in the order of their times, and none after the row is retired.
//! Between two bites the lock is free, and events wait for a bite at most. Rows that come while a
//! table is walked may be left out: their events say all there is.

use std::sync::PoisonError;

use super::values::{field_of, value_of};
use super::{Moment, SharedTable};
use crate::sink::line;
use crate::sink::queue::LineSender;
use crate::table::column::Column;
use crate::table::row::Standing;
use crate::table::rows::{RowId, Table};

/// Places looked at under one lock: some 100 µs where all hold rows of twenty values.
const BITE_ROWS: usize = 64;

/// Sends the line of each row shown at the next places from `from` on; gives the place to go on
/// from, or none at the end.
///
/// A line has all values that are shown of its row, in the order in which the measures came, and the
/// time `now`, unless the row has a line of that time or later: then the next nanosecond after it.
pub fn send_rows(table: &SharedTable, from: RowId, sender: &LineSender, now: Moment) -> Option<RowId> {
    // Only times of lines are written, which no scrape shows: what it keeps of the table still holds.
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    let to = from.saturating_add(BITE_ROWS).min(table.places_end());
    let mut line = Vec::new();
    for id in from..to {
        let Some(row) = table.row_mut(id).filter(|row| row.standing == Standing::Shown) else { continue };
        row.line_ns = now.unix_ns.max(row.line_ns.saturating_add(1));
        line.clear();
        if write_row(&mut line, &table, id) {
            sender.send(&line);
        }
    }
    (to < table.places_end()).then_some(to)
}

/// Appends the line of a row; false where it has no values.
fn write_row(out: &mut Vec<u8>, table: &Table, id: RowId) -> bool {
    let Some(row) = table.row(id) else { return false };
    let columns = table.columns().iter().filter(|column| !column.spec.promoted);
    let values: Vec<_> = columns.filter_map(|column| Some((column, value_of(table, id, column)?))).collect();
    let fields = values
        .iter()
        .filter_map(|(Column { spec, .. }, value)| Some((&*spec.field, field_of(Some(spec.kind), value)?)));
    line::write(out, table.stem(), &row.face.labels, fields, row.line_ns)
}
