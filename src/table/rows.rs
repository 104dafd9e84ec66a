//! The table of one producer: rows by columns, one writer, any number of readers.
//!
//! Cells lie row by row in one vector, absent ones as NaN (an accepted reading is always
//! finite). Labels are rendered when a row appears, so that a scrape only appends. Rows
//! shown are kept in the order of their label text, which is also how two rows with equal
//! labels are found: the first owns them, the other waits until the first is retired.
//!
//! Nothing here blocks, reads a clock or does I/O. Bounds: series and rows by the shared
//! [`Places`]; past them the new is refused and the old goes on.

mod placing;
mod still;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::config::Kind;
use crate::reject::{ReadingReject, RowReject};
use crate::table::column::{Column, ColumnSpec, Slot};
use crate::table::places::Places;
use crate::table::row::{Row, Standing};

pub use still::{Still, StillRow};

/// A row's place in the table; given to another row after it is retired.
pub type RowId = usize;
/// A column's place in the table, for life.
pub type ColumnId = u32;

/// The label that states use.
const STATE_LABEL: &str = "state";
/// Cells a row grows by, so that learning columns one by one does not move every row.
const STRIDE_STEP: usize = 4;

/// What all tables share.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Places for series, and for the texts of info series: those of rows that wait for
    /// their labels count too, so that they lose nothing when their turn comes.
    pub series: Arc<Places>,
    /// Places for rows held, shown or not.
    pub rows: Arc<Places>,
}

impl Limits {
    /// `limits.series` places for series, and as many for rows: a shown row has at least
    /// one series, and those not shown must not grow without bound either.
    pub fn new(series: usize) -> Self {
        Self { series: Arc::new(Places::new(series)), rows: Arc::new(Places::new(series)) }
    }
}

/// The rows of one producer.
#[derive(Debug)]
pub struct Table {
    producer_id: String,
    stem: String,
    columns: Vec<Column>,
    text_slots: usize,
    cell_slots: usize,
    stride: usize,
    cells: Vec<f64>,
    rows: Vec<Option<Row>>,
    free: Vec<RowId>,
    by_identity: HashTable<RowId>,
    hasher: DefaultHashBuilder,
    shown: BTreeMap<Arc<str>, RowId>,
    waiting: BTreeMap<Arc<str>, Vec<RowId>>,
    limits: Limits,
    series: usize,
    infos: usize,
    version: u64,
    shape: u64,
}

impl Table {
    /// An empty table.
    pub fn new(producer_id: &str, stem: &str, limits: Limits) -> Self {
        Self {
            producer_id: producer_id.to_owned(),
            stem: stem.to_owned(),
            columns: Vec::new(),
            text_slots: 0,
            cell_slots: 0,
            stride: 0,
            cells: Vec::new(),
            rows: Vec::new(),
            free: Vec::new(),
            by_identity: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            shown: BTreeMap::new(),
            waiting: BTreeMap::new(),
            limits,
            series: 0,
            infos: 0,
            version: 0,
            shape: 0,
        }
    }

    /// Notes that something is about to change; every writer says so before it writes.
    pub const fn touch(&mut self) {
        self.version += 1;
    }

    /// Differs from before where something may have changed since.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The row of this identity.
    pub fn find(&self, identity: &str) -> Option<RowId> {
        let hash = self.hasher.hash_one(identity);
        let is_it = |id: &RowId| self.row(*id).is_some_and(|row| &*row.identity == identity);
        self.by_identity.find(hash, is_it).copied()
    }

    /// A row by its place.
    pub fn row(&self, id: RowId) -> Option<&Row> {
        self.rows.get(id)?.as_ref()
    }

    /// A row by its place, for what the pipeline notes of it.
    pub fn row_mut(&mut self, id: RowId) -> Option<&mut Row> {
        self.rows.get_mut(id)?.as_mut()
    }

    /// Adds a row without values, shown nowhere until [`Self::place`].
    ///
    /// # Errors
    /// [`RowReject::RowLimit`] when all rows' places are taken.
    pub fn insert(&mut self, identity: &str) -> Result<RowId, RowReject> {
        if !self.limits.rows.take(1) {
            return Err(RowReject::RowLimit);
        }
        let row = Some(Row::new(identity));
        let id = if let Some(id) = self.free.pop() {
            if let Some(slot) = self.rows.get_mut(id) {
                *slot = row;
            }
            id
        } else {
            self.rows.push(row);
            self.cells.resize(self.rows.len() * self.stride, f64::NAN);
            self.rows.len() - 1
        };
        let Self { by_identity, rows, hasher, .. } = self;
        by_identity.insert_unique(hasher.hash_one(identity), id, |id| {
            hasher.hash_one(rows.get(*id).and_then(Option::as_ref).map_or("", |row| &*row.identity))
        });
        Ok(id)
    }

    /// Removes a row, its values and its places; the next in line for its labels is shown.
    pub fn retire(&mut self, id: RowId) {
        self.leave(id);
        self.clear_values(id);
        let Some(row) = self.rows.get_mut(id).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(&*row.identity);
        if let Ok(entry) = self.by_identity.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.free.push(id);
        self.limits.rows.give_back(1);
    }

    /// Removes every row that `goes`; returns how many went.
    pub fn retire_where(&mut self, goes: impl Fn(&Row) -> bool) -> usize {
        let ids: Vec<RowId> = (0..self.rows.len()).filter(|id| self.row(*id).is_some_and(&goes)).collect();
        for id in &ids {
            self.retire(*id);
        }
        ids.len()
    }

    /// Gives the rows of one generation to another; returns how many there were.
    pub fn move_generation(&mut self, from: u32, to: u32) -> usize {
        let rows = self.rows.iter_mut().flatten().filter(|row| row.generation == from);
        rows.map(|row| row.generation = to).count()
    }

    /// Adds a column for a measure.
    pub fn add_column(&mut self, spec: ColumnSpec) -> ColumnId {
        let slot = if spec.kind == Kind::Text {
            self.text_slots += 1;
            Slot::Text(self.text_slots - 1)
        } else {
            self.cell_slots += 1;
            Slot::Cell(self.cell_slots - 1)
        };
        if self.cell_slots > self.stride {
            self.shape += 1;
            self.widen();
        }
        self.columns.push(Column::new(spec, slot));
        u32::try_from(self.columns.len() - 1).unwrap_or(u32::MAX)
    }

    fn widen(&mut self) {
        let (old, new) = (self.stride, self.stride + STRIDE_STEP);
        let mut cells = vec![f64::NAN; self.rows.len() * new];
        if old > 0 {
            for (to, from) in cells.chunks_exact_mut(new).zip(self.cells.chunks_exact(old)) {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
        self.cells = cells;
        self.stride = new;
    }

    /// Sets a cell to a number.
    ///
    /// A row that is neither shown nor waiting keeps no values, so nothing is set there.
    ///
    /// # Errors
    /// [`ReadingReject::SeriesLimit`] where the series is new and there is no place for it.
    pub fn set_cell(&mut self, id: RowId, column: ColumnId, value: f64) -> Result<(), ReadingReject> {
        let (Some(Some(row)), Some(column)) = (self.rows.get(id), self.columns.get_mut(column as usize))
        else {
            return Ok(());
        };
        let Slot::Cell(slot) = column.slot else { return Ok(()) };
        let Some(cell) = self.cells.get_mut(id * self.stride + slot) else { return Ok(()) };
        if !row.standing.holds_values() {
            return Ok(());
        }
        if cell.is_nan() {
            if !self.limits.series.take(column.weight()) {
                return Err(ReadingReject::SeriesLimit);
            }
            column.held += 1;
            if row.standing == Standing::Shown {
                column.shown += 1;
                self.series += column.weight();
            }
        }
        *cell = value;
        Ok(())
    }

    /// Sets a cell to a state, learning it if the column does; each new state costs a
    /// series in every row that has a value.
    ///
    /// # Errors
    /// [`ReadingReject::TooManyStates`] for a state that may not be learned,
    /// [`ReadingReject::SeriesLimit`] where there is no place for it, and
    /// [`ReadingReject::LabelCollision`] in a row that has a `state` label of its own.
    pub fn set_state(&mut self, id: RowId, column_id: ColumnId, name: &str) -> Result<(), ReadingReject> {
        let (Some(Some(row)), Some(column)) = (self.rows.get(id), self.columns.get_mut(column_id as usize))
        else {
            return Ok(());
        };
        if !row.standing.holds_values() {
            return Ok(());
        }
        if row.labels.contains(STATE_LABEL) {
            return Err(ReadingReject::LabelCollision);
        }
        let index = match column.state(name) {
            Some(index) => index,
            None if !column.learns() => return Err(ReadingReject::TooManyStates),
            None if !self.limits.series.take(column.held) => return Err(ReadingReject::SeriesLimit),
            None => {
                self.series += column.shown;
                column.push_state(name);
                column.states.len() - 1
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "at most 32 states")]
        self.set_cell(id, column_id, index as f64)
    }

    /// Sets a text; true if it differs from the one before.
    ///
    /// A promoted text is kept whatever the row's standing, since that may depend on it.
    /// Any other takes a place of its own: texts are what a row may hold most of.
    ///
    /// # Errors
    /// [`ReadingReject::SeriesLimit`] where it is new and there is no place for it,
    /// [`ReadingReject::LabelCollision`] where the row has a label of this name with
    /// another value.
    pub fn set_text(&mut self, id: RowId, column: ColumnId, text: &str) -> Result<bool, ReadingReject> {
        let Some(Column { spec, slot: Slot::Text(slot), .. }) = self.columns.get(column as usize) else {
            return Ok(false);
        };
        let Some(Some(row)) = self.rows.get_mut(id) else { return Ok(false) };
        if row.text_at(*slot) == Some(text) || !(spec.promoted || row.standing.holds_values()) {
            return Ok(false);
        }
        if !spec.promoted && row.labels.contains(&spec.field) && row.labels.get(&spec.field) != text {
            return Err(ReadingReject::LabelCollision);
        }
        if row.texts.len() <= *slot {
            row.texts.resize(self.text_slots, None);
        }
        let Some(place) = row.texts.get_mut(*slot) else { return Ok(false) };
        if place.is_none() && !spec.promoted {
            if !self.limits.series.take(1) {
                return Err(ReadingReject::SeriesLimit);
            }
            row.info_texts += 1;
            if row.info_texts == 1 && row.standing == Standing::Shown {
                self.series += 1;
                self.infos += 1;
            }
        }
        *place = Some(text.into());
        Ok(true)
    }

    /// Removes a value; true if it was a text that was there.
    pub fn clear(&mut self, id: RowId, column: ColumnId) -> bool {
        let (Some(Some(row)), Some(column)) = (self.rows.get_mut(id), self.columns.get_mut(column as usize))
        else {
            return false;
        };
        match column.slot {
            Slot::Cell(slot) => {
                let Some(cell) = self.cells.get_mut(id * self.stride + slot) else { return false };
                if !cell.is_nan() {
                    self.limits.series.give_back(column.weight());
                    column.held -= 1;
                    if row.standing == Standing::Shown {
                        column.shown -= 1;
                        self.series -= column.weight();
                    }
                }
                *cell = f64::NAN;
                false
            }
            Slot::Text(slot) => {
                let was = row.texts.get_mut(slot).is_some_and(|text| text.take().is_some());
                if was && !column.spec.promoted {
                    self.limits.series.give_back(1);
                    row.info_texts -= 1;
                    if row.info_texts == 0 && row.standing == Standing::Shown {
                        self.series -= 1;
                        self.infos -= 1;
                    }
                }
                was
            }
        }
    }

    /// Builds a row's info text anew, after its texts changed.
    pub fn rebuild_info(&mut self, id: RowId) {
        if let Some(Some(row)) = self.rows.get_mut(id) {
            row.rebuild_info(&self.columns);
        }
    }

    /// The columns, in the order in which they came.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A cell of a row; NaN where it is absent.
    pub fn cell(&self, id: RowId, slot: usize) -> f64 {
        self.cells.get(id * self.stride + slot).copied().unwrap_or(f64::NAN)
    }

    /// The rows shown, in the order of their label text.
    pub fn shown(&self) -> impl Iterator<Item = (RowId, &Row)> {
        self.shown.values().filter_map(|id| Some((*id, self.row(*id)?)))
    }

    /// One past the last place that a row may be at.
    pub const fn places_end(&self) -> RowId {
        self.rows.len()
    }

    /// Rows held, shown or not.
    pub fn rows_held(&self) -> usize {
        self.by_identity.len()
    }

    /// Series shown.
    pub const fn series(&self) -> usize {
        self.series
    }

    /// Info series shown.
    pub const fn infos(&self) -> usize {
        self.infos
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

impl Drop for Table {
    /// A table that goes gives all its places back.
    fn drop(&mut self) {
        let held = |column: &Column| column.held * column.weight();
        let texts = |row: &Row| row.info_texts;
        let places = self.columns.iter().map(held).sum::<usize>()
            + self.rows.iter().flatten().map(texts).sum::<usize>();
        self.limits.series.give_back(places);
        self.limits.rows.give_back(self.rows_held());
    }
}

#[cfg(test)]
mod tests;
