//! A still: the rows of a table as they stood, for a scrape to render while events go on.
//!
//! It is copied in bites of [`BITE_ROWS`] rows, between which the lock is free, so that an
//! event waits for a bite and not for a rendering. A row lies in one bite, so each shows all
//! of an event or nothing of it. Rows are copied in the order of their labels: one that
//! comes or goes meanwhile is in it or not. One that moves to other labels could be in it
//! twice, or not at all; then the copy begins anew, and after a few times takes all rows in
//! one bite. So it does where the rows became wider.

use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::Table;
use crate::config::Kind;
use crate::table::column::{Column, Slot};

/// Rows copied under one lock: some 50 µs.
const BITE_ROWS: usize = 512;
/// How often a copy may begin anew before it takes the whole table at once.
const ATTEMPTS_MAX: usize = 3;

/// The rows shown of one table.
#[derive(Debug)]
pub struct Still {
    producer_id: String,
    stem: String,
    version: u64,
    columns: Vec<Column>,
    rows_held: usize,
    stride: usize,
    cells: Vec<f64>,
    texts: String,
    rows: Vec<Mark>,
}

/// Where a row's texts begin; they follow each other.
#[derive(Debug, Clone, Copy)]
struct Mark {
    labels: usize,
    info: usize,
    /// Within the labels.
    state: usize,
}

/// One row of a still.
#[derive(Debug, Clone, Copy)]
pub struct StillRow<'s> {
    /// The label text of its series.
    pub labels: &'s str,
    /// Where in it a `state` label belongs.
    pub state_at: usize,
    /// The label text of its info series; empty without one.
    pub info: &'s str,
    cells: &'s [f64],
}

impl StillRow<'_> {
    /// A cell; NaN where it is absent.
    pub fn cell(&self, slot: usize) -> f64 {
        self.cells.get(slot).copied().unwrap_or(f64::NAN)
    }
}

impl Still {
    /// The table as it stands, or as it stood in turn.
    pub fn of(table: &RwLock<Table>) -> Self {
        let mut bites = (0..ATTEMPTS_MAX).map(|_| BITE_ROWS).chain(std::iter::repeat(usize::MAX));
        bites.find_map(|rows| Self::take(table, rows, || ())).unwrap_or_else(Self::empty)
    }

    /// Copies `bite` rows a lock; none where the table changed its shape in between.
    fn take(table: &RwLock<Table>, bite: usize, between: impl Fn()) -> Option<Self> {
        let mut still = Self::empty();
        let mut shape = None;
        let mut last: Option<Arc<str>> = None;
        loop {
            let table: RwLockReadGuard<'_, Table> = table.read().unwrap_or_else(PoisonError::into_inner);
            if shape.is_none() {
                (shape, still.version, still.stride) = (Some(table.shape), table.version, table.stride);
            } else if shape != Some(table.shape) {
                return None;
            }
            let after = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut taken = 0;
            for (labels, id) in table.shown.range::<str, _>((after, Bound::Unbounded)).take(bite) {
                still.push(&table, *id);
                last = Some(Arc::clone(labels));
                taken += 1;
            }
            if taken < bite {
                still.finish(&table);
                return Some(still);
            }
            drop(table);
            between();
        }
    }

    const fn empty() -> Self {
        Self {
            producer_id: String::new(),
            stem: String::new(),
            version: 0,
            columns: Vec::new(),
            rows_held: 0,
            stride: 0,
            cells: Vec::new(),
            texts: String::new(),
            rows: Vec::new(),
        }
    }

    fn push(&mut self, table: &Table, id: usize) {
        let (Some(row), begin) = (table.row(id), id * self.stride) else { return };
        let labels = self.texts.len();
        self.texts.push_str(&row.text);
        self.rows.push(Mark { labels, info: self.texts.len(), state: row.state_at });
        self.texts.push_str(if row.info_texts > 0 { &row.info } else { "" });
        self.cells.extend_from_slice(table.cells.get(begin..begin + self.stride).unwrap_or_default());
    }

    /// Takes the columns as they are with the last row: those that came late are among them.
    fn finish(&mut self, table: &Table) {
        self.producer_id.clone_from(&table.producer_id);
        self.stem.clone_from(&table.stem);
        self.columns.clone_from(&table.columns);
        self.rows_held = table.rows_held();
    }

    /// The rows, in the order of their labels.
    pub fn rows(&self) -> impl Iterator<Item = StillRow<'_>> {
        let ends = self.rows.iter().skip(1).map(|mark| mark.labels).chain([self.texts.len()]);
        let row = |(index, (mark, end)): (usize, (&Mark, usize))| {
            let begin = index * self.stride;
            Some(StillRow {
                labels: self.texts.get(mark.labels..mark.info)?,
                state_at: mark.state,
                info: self.texts.get(mark.info..end)?,
                cells: self.cells.get(begin..begin + self.stride)?,
            })
        };
        self.rows.iter().zip(ends).enumerate().filter_map(row)
    }

    /// The columns, in the order in which they came; what they count is of the table.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// True where a row has a value in this cell.
    pub fn shows(&self, slot: usize) -> bool {
        self.values_of(slot).next().is_some()
    }

    /// True where a row has an info series.
    pub fn has_infos(&self) -> bool {
        self.rows().any(|row| !row.info.is_empty())
    }

    fn values_of(&self, slot: usize) -> impl Iterator<Item = &f64> {
        self.cells.iter().skip(slot).step_by(self.stride.max(1)).filter(|cell| !cell.is_nan())
    }

    /// Series that the rows have.
    pub fn series(&self) -> usize {
        let weight = |column: &Column| match column.slot {
            Slot::Cell(slot) if column.spec.kind == Kind::State => {
                self.values_of(slot).count() * column.states.len()
            }
            Slot::Cell(slot) => self.values_of(slot).count(),
            Slot::Text(_) => 0,
        };
        let infos = self.rows().filter(|row| !row.info.is_empty()).count();
        self.columns.iter().map(weight).sum::<usize>() + infos
    }

    /// Rows that the table held, shown or not.
    pub const fn rows_held(&self) -> usize {
        self.rows_held
    }

    /// The table's version before the first row was copied.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The producer's metric stem.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The producer's id.
    pub fn producer_id(&self) -> &str {
        &self.producer_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::labels::Labels;
    use crate::table::column::ColumnSpec;
    use crate::table::rows::{Limits, RowId};

    fn labels(queue: &str) -> Labels {
        [("queue", queue)].into_iter().collect()
    }

    fn spec(kind: Kind, name: &str) -> ColumnSpec {
        let (metric, field) = (format!("axp_t_{name}"), name.to_owned());
        ColumnSpec { metric, field, help: String::new(), kind, promoted: false, states: Vec::new() }
    }

    /// A table with a row each for `a` to `e`.
    fn table() -> (RwLock<Table>, Vec<RowId>) {
        let mut table = Table::new("T_1", "t", Limits::new(100));
        let column = table.add_column(spec(Kind::Number, "n"));
        let row = |queue: &str| {
            let id = table.insert(queue).unwrap();
            table.place(id, Ok(labels(queue))).unwrap();
            table.set_cell(id, column, 1.0).unwrap();
            id
        };
        let ids = ["a", "b", "c", "d", "e"].map(row).to_vec();
        (RwLock::new(table), ids)
    }

    fn queues(still: &Still) -> Vec<&str> {
        still.rows().map(|row| row.labels.trim_start_matches("queue=\"").trim_end_matches('"')).collect()
    }

    #[test]
    fn however_small_the_bites_every_row_is_in_it_once_with_its_cells() {
        let (table, ids) = table();
        let mut changed = table.write().unwrap();
        let text = changed.add_column(spec(Kind::Text, "name"));
        changed.set_text(ids[1], text, "x").unwrap();
        changed.rebuild_info(ids[1]);
        changed.set_cell(ids[4], 0, 5.0).unwrap();
        drop(changed);
        for bite in 1..7 {
            let still = Still::take(&table, bite, || ()).unwrap();
            assert_eq!(queues(&still), ["a", "b", "c", "d", "e"]);
            assert_eq!(still.rows().map(|row| row.cell(0)).collect::<Vec<_>>(), [1.0, 1.0, 1.0, 1.0, 5.0]);
            let infos: Vec<_> = still.rows().map(|row| row.info).collect();
            assert_eq!(infos, ["", r#"name="x",queue="b""#, "", "", ""]);
            assert_eq!((still.series(), still.rows_held()), (table.read().unwrap().series(), 5));
        }
    }

    #[test]
    fn what_comes_and_goes_between_bites_costs_no_other_row() {
        let (table, ids) = table();
        let still = Still::take(&table, 2, || {
            let mut table = table.write().unwrap();
            table.retire(ids[1]);
            table.retire(ids[2]);
            if table.find("cc").is_none() {
                let id = table.insert("cc").unwrap();
                table.place(id, Ok(labels("cc"))).unwrap();
            }
        });
        assert_eq!(queues(&still.unwrap()), ["a", "b", "cc", "d", "e"]);
    }

    #[test]
    fn a_row_that_moves_to_other_labels_is_neither_lost_nor_twice_there() {
        let (table, ids) = table();
        let move_first = || {
            let mut table = table.write().unwrap();
            table.place(ids[0], Ok(labels("z"))).unwrap();
        };
        assert!(Still::take(&table, 2, move_first).is_none(), "the copy has to begin anew");
        assert_eq!(queues(&Still::of(&table)), ["b", "c", "d", "e", "z"]);
        let mut name = 0;
        let mover = std::thread::scope(|scope| {
            let moving = scope.spawn(|| {
                for _ in 0..2000 {
                    name += 1;
                    table.write().unwrap().place(ids[1], Ok(labels(&format!("{}", name % 7)))).unwrap();
                }
            });
            while !moving.is_finished() {
                assert_eq!(Still::of(&table).rows().count(), 5);
            }
            moving.join()
        });
        mover.unwrap();
    }

    #[test]
    fn a_table_that_becomes_wider_meanwhile_is_copied_anew() {
        let (table, _) = table();
        let widen = || {
            let mut table = table.write().unwrap();
            for name in ["b", "c", "d", "e"] {
                table.add_column(spec(Kind::Number, name));
            }
        };
        assert!(Still::take(&table, 2, widen).is_none());
        assert!(Still::take(&table, 2, || ()).is_some());
    }
}
