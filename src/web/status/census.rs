//! Which labels have how many values.
//!
//! To know it every row has to be looked at, so it is counted once in [`INTERVAL`] at most, and the
//! less often the longer it takes. Values are counted by a hash of 64 bits and nothing of them
//! is kept; that two of a million share theirs has a chance of one in thirty million.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::document::LabelDocument;
use crate::ingest::api::unix_seconds;
use crate::pipeline::{SharedTable, read_table};
use crate::table::column::Column;
use crate::table::row::Standing;
use crate::table::rows::ColumnId;

/// How often labels are counted.
const INTERVAL: Duration = Duration::from_secs(10);
/// What counting may take of the time, as a divisor.
const SHARE: u32 = 100;
/// Rows looked at under one lock.
pub(super) const BITE_ROWS: usize = 512;
/// Labels named.
pub(super) const TOP: usize = 10;

/// The last count.
#[derive(Debug, Default)]
pub(super) struct Census {
    due: Option<Instant>,
    counted_at: f64,
    labels: Vec<LabelDocument>,
}

impl Census {
    /// The labels with the most values, and when they were counted: now, if it is time.
    pub(super) fn labels(&mut self, tables: &[SharedTable]) -> (Vec<LabelDocument>, f64) {
        let now = Instant::now();
        if self.due.is_none_or(|due| now >= due) {
            self.labels = count(tables);
            self.counted_at = unix_seconds();
            self.due = Some(Instant::now() + INTERVAL.max(now.elapsed() * SHARE));
        }
        (self.labels.clone(), self.counted_at)
    }
}

/// Values by label, hashed.
#[derive(Default)]
struct Values {
    hasher: RandomState,
    by_label: HashMap<String, HashSet<u64>>,
}

impl Values {
    fn add(&mut self, label: &str, value: &str) {
        let hash = self.hasher.hash_one(value);
        if let Some(values) = self.by_label.get_mut(label) {
            values.insert(hash);
        } else {
            self.by_label.insert(label.to_owned(), HashSet::from([hash]));
        }
    }
}

fn count(tables: &[SharedTable]) -> Vec<LabelDocument> {
    let mut values = Values::default();
    for table in tables {
        let mut begin = 0;
        while let Some(next) = count_bite(table, begin, &mut values) {
            begin = next;
        }
    }
    let mut labels: Vec<LabelDocument> = values
        .by_label
        .into_iter()
        .map(|(label, values)| LabelDocument { label, values: values.len() })
        .collect();
    labels.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.label.cmp(&b.label)));
    labels.truncate(TOP);
    labels
}

/// Counts some rows; gives where the next begin, if there are any.
fn count_bite(table: &SharedTable, begin: usize, values: &mut Values) -> Option<usize> {
    let table = read_table(table);
    let is_text = |column: &Column| column.is_text() && !column.spec.promoted;
    let columns = (0..).zip(table.columns()).filter(|(_, column)| is_text(column));
    let texts: Vec<(&str, ColumnId)> = columns.map(|(id, column)| (&*column.spec.field, id)).collect();
    let end = (begin + BITE_ROWS).min(table.places_end());
    let rows = (begin..end).filter_map(|id| Some((id, table.row(id)?)));
    for (id, row) in rows.filter(|(_, row)| row.standing == Standing::Shown) {
        row.face.labels.iter().for_each(|(label, value)| values.add(label, value));
        for (label, column) in &texts {
            if let Some(value) = table.text(id, *column) {
                values.add(label, value);
            }
        }
    }
    (end < table.places_end()).then_some(end)
}
