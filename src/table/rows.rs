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
mod values;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::reject::RowReject;
use crate::table::column::{Column, ColumnSpec};
use crate::table::order::Order;
use crate::table::places::Places;
use crate::table::row::{Row, Standing};
use crate::table::texts::Texts;

/// A row's place in the table; given to another row after it is retired.
pub type RowId = usize;
/// A column's place in the table, for life.
pub type ColumnId = u32;

/// Bytes of a row's identity, which are its keys and their values, for which it takes one place. Most rows have
/// fewer; without this, a million rows of the longest keys would be gigabytes.
const PLACE_BYTES: usize = 256;

/// Cells a row grows by, so that learning columns one by one does not move every row.
const STRIDE_STEP: usize = 4;

/// What all tables share.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Places for series, and for the texts of info series: those of rows that wait for
    /// their labels count too, so that they lose nothing when their turn comes.
    pub series: Arc<Places>,
    /// Places for rows held, shown or not: one for each, and more for those with long keys.
    pub rows: Arc<Places>,
}

impl Limits {
    /// `limits.series` places for series, and as many for rows: a shown row has at least
    /// one series, and those not shown must not grow without bound either.
    pub fn new(series: usize) -> Self {
        Self { series: Arc::new(Places::new(series)), rows: Arc::new(Places::new(series)) }
    }
}

/// A row by its identity, which stands here too, so that finding one row takes the caches one
/// step less.
#[derive(Debug)]
struct Known {
    identity: Arc<str>,
    id: RowId,
}

/// The rows of one producer.
#[derive(Debug)]
pub struct Table {
    producer_id: String,
    stem: String,
    columns: Vec<Column>,
    stride: usize,
    cells: Vec<f64>,
    texts: Texts,
    rows: Vec<Option<Row>>,
    free: Vec<RowId>,
    by_identity: HashTable<Known>,
    /// The row that the next event names if rows come in the order in which they were added.
    guess: Option<RowId>,
    /// The row found last.
    last: RowId,
    hasher: DefaultHashBuilder,
    shown: BTreeMap<Arc<str>, RowId>,
    /// What a scrape prepared of the rows shown, until these change.
    order: OnceLock<Arc<Order>>,
    /// The rows that wait, by the text of their labels and their turns.
    waiting: BTreeMap<(Arc<str>, u64), RowId>,
    /// The last turn given to a row that waits.
    last_turn: u64,
    limits: Limits,
    series: usize,
    infos: usize,
    version: u64,
}

impl Table {
    /// An empty table.
    pub fn new(producer_id: &str, stem: &str, limits: Limits) -> Self {
        Self {
            producer_id: producer_id.to_owned(),
            stem: stem.to_owned(),
            columns: Vec::new(),
            stride: 0,
            cells: Vec::new(),
            texts: Texts::default(),
            rows: Vec::new(),
            free: Vec::new(),
            by_identity: HashTable::new(),
            guess: None,
            last: 0,
            hasher: DefaultHashBuilder::default(),
            shown: BTreeMap::new(),
            order: OnceLock::new(),
            waiting: BTreeMap::new(),
            last_turn: 0,
            limits,
            series: 0,
            infos: 0,
            version: 0,
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
    ///
    /// AXP names the rows of a snapshot one after the other, so where the last row found was the
    /// one behind its predecessor, the one behind it is tried first.
    pub fn find(&mut self, identity: &str) -> Option<RowId> {
        let guess = self.guess.filter(|id| self.row(*id).is_some_and(|row| &*row.identity == identity));
        let found = guess.or_else(|| {
            let hash = self.hasher.hash_one(identity);
            self.by_identity.find(hash, |known| &*known.identity == identity).map(|known| known.id)
        })?;
        self.guess = (self.last + 1 == found).then_some(found + 1);
        self.last = found;
        Some(found)
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
        if !self.limits.rows.take(places_of(identity)) {
            return Err(RowReject::RowLimit);
        }
        let identity: Arc<str> = identity.into();
        let row = Some(Row::new(Arc::clone(&identity)));
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
        let Self { by_identity, hasher, .. } = self;
        let hash = hasher.hash_one(&*identity);
        by_identity.insert_unique(hash, Known { identity, id }, |known| hasher.hash_one(&*known.identity));
        Ok(id)
    }

    /// Removes a row, its values and its places; the next in line for its labels is shown.
    pub fn retire(&mut self, id: RowId) {
        self.leave(id);
        self.clear_where(id, |_| true);
        let Some(row) = self.rows.get_mut(id).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(&*row.identity);
        if let Ok(entry) = self.by_identity.find_entry(hash, |known| known.id == id) {
            entry.remove();
        }
        self.free.push(id);
        self.limits.rows.give_back(places_of(&row.identity));
    }

    /// Removes every row that `goes`; returns how many went.
    pub fn retire_where(&mut self, mut goes: impl FnMut(&Row) -> bool) -> usize {
        let ids: Vec<RowId> =
            (0..self.rows.len()).filter(|id| self.row(*id).is_some_and(&mut goes)).collect();
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
        let slot = self.columns.len();
        if slot == self.stride {
            self.widen();
        }
        let mut column = Column::new(spec, slot);
        column.is_label = self.rows.iter().flatten().any(|row| row.face.labels.contains(&column.spec.field));
        self.columns.push(column);
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

    /// All rows: those shown, then those that wait, the longest first, then the others. Who places them
    /// anew in this order gives no row's labels to one that has waited for them.
    pub fn in_precedence(&self) -> impl Iterator<Item = (RowId, &Row)> {
        let at = |id: RowId| Some((id, self.row(id)?));
        let are = |shown| {
            let ids = 0..self.rows.len();
            ids.filter_map(at).filter(move |(_, row)| {
                row.standing != Standing::Waiting && (row.standing == Standing::Shown) == shown
            })
        };
        let waiting = self.waiting.values().filter_map(move |id| at(*id));
        are(true).chain(waiting).chain(are(false))
    }

    /// The rows shown, prepared to be printed; made anew when they have changed.
    pub(super) fn order(&self) -> &Arc<Order> {
        self.order.get_or_init(|| Arc::new(self.new_order()))
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
        let places = self.columns.iter().map(|column| column.held * column.places()).sum();
        self.limits.series.give_back(places);
        self.limits.rows.give_back(self.rows.iter().flatten().map(|row| places_of(&row.identity)).sum());
    }
}

/// The places that a row of this identity takes.
const fn places_of(identity: &str) -> usize {
    let places = identity.len().div_ceil(PLACE_BYTES);
    if places == 0 { 1 } else { places }
}

#[cfg(test)]
mod tests;
