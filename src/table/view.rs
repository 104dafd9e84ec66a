//! A view of a table: what a scrape shows, copied value by value and written down after.
//!
//! Rendering a million series takes long enough for events to pile up. So a scrape copies the
//! values shown, eight bytes each, and renders without a lock. It copies in bites of
//! `BITE_ROWS` rows, between which the lock is free, so that an event waits for a bite and not
//! for a copy. A row lies in one bite, so each shows all of an event or nothing of it.
//!
//! The text of their labels is there already (`table/order.rs`). Where rows come or go between two
//! bites, or a column comes that the rows copied lack, the copy begins anew, and after a few times
//! takes all rows in one bite.
//!
//! Of families that nobody wants nothing is copied.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Kind;
use crate::table::column::Column;
use crate::table::order::{Lines, Order};
use crate::table::pick::Pick;
use crate::table::rows::Table;

/// Rows copied under one lock: some 50 µs.
const BITE_ROWS: usize = 512;
/// How often a copy may begin anew before it takes the whole table at once.
const ATTEMPTS_MAX: usize = 3;
/// Rows of which the values of all columns stay in the fastest cache while they are copied.
const BLOCK_ROWS: usize = 64;

/// A column with the values of the rows shown.
#[derive(Debug)]
pub struct Shown {
    /// The metric's name.
    pub metric: String,
    /// One line of help, without escapes.
    pub help: String,
    /// What it is.
    pub kind: Kind,
    /// The labels of its states, `state="…"`, in the order of the states' numbers.
    pub states: Vec<String>,
    /// How many values are present.
    pub count: usize,
    slot: usize,
    /// Row by row; NaN where a value is absent.
    cells: Vec<f64>,
}

/// What a table shows.
#[derive(Debug)]
pub struct View {
    /// The producer's id.
    pub producer_id: String,
    /// The family of its info series, whose samples add `_info` to it.
    pub info_family: String,
    /// The table's version before the first value was copied.
    pub version: u64,
    /// Rows that the table held, shown or not.
    pub rows_held: usize,
    /// The columns wanted that have series to show.
    pub columns: Vec<Shown>,
    /// How many columns there were, wanted or not, when the first value was copied.
    known: usize,
    order: Arc<Order>,
    has_infos: bool,
    infos: Lines,
}

impl View {
    /// What is picked of the table as it stands, bite by bite.
    pub fn of(table: &RwLock<Table>, pick: &Pick) -> Self {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(view) = Self::take(table, pick, BITE_ROWS, || ()) {
                return view;
            }
        }
        let table = table.read().unwrap_or_else(PoisonError::into_inner);
        let mut view = Self::begin(&table, pick);
        view.copy(&table, 0, usize::MAX);
        view.finish(&table);
        view
    }

    /// Copies `bite` rows a lock; none where rows or columns came or went in between.
    fn take(table: &RwLock<Table>, pick: &Pick, bite: usize, between: impl Fn()) -> Option<Self> {
        let mut begun: Option<Self> = None;
        let mut from = 0;
        loop {
            let table = table.read().unwrap_or_else(PoisonError::into_inner);
            let mut view = begun.take().unwrap_or_else(|| Self::begin(&table, pick));
            if !Arc::ptr_eq(&view.order, table.order()) || table.columns().len() != view.known {
                return None;
            }
            view.copy(&table, from, bite);
            from += bite;
            if from >= view.order.rows.len() {
                view.finish(&table);
                return Some(view);
            }
            begun = Some(view);
            drop(table);
            between();
        }
    }

    fn begin(table: &Table, pick: &Pick) -> Self {
        let order = Arc::clone(table.order());
        let info_family = format!("axp_{}", table.stem());
        let columns = table.columns().iter();
        // Texts have no family of their own.
        let columns = columns.filter(|column| column.spec.kind != Kind::Text);
        let wanted = columns.filter(|column| pick.wants(&column.spec.metric, &[]));
        let column = |column: &Column| Shown {
            metric: column.spec.metric.clone(),
            help: column.spec.help.clone(),
            kind: column.spec.kind,
            states: Vec::new(),
            count: 0,
            slot: column.slot,
            cells: Vec::with_capacity(order.rows.len()),
        };
        Self {
            producer_id: table.producer_id().to_owned(),
            version: table.version(),
            rows_held: 0,
            // Those without a value too: an event may give them one while others are copied.
            columns: wanted.map(column).collect(),
            known: table.columns().len(),
            order,
            has_infos: pick.wants(&info_family, &["_info"]),
            infos: Lines::default(),
            info_family,
        }
    }

    /// Takes the values of so many rows.
    fn copy(&mut self, table: &Table, from: usize, rows: usize) {
        let Self { columns, order, has_infos, infos, .. } = self;
        let rows = order.rows.get(from..from.saturating_add(rows).min(order.rows.len())).unwrap_or_default();
        for block in rows.chunks(BLOCK_ROWS) {
            for column in &mut *columns {
                let cells = block.iter().map(|id| table.cell(*id, column.slot));
                column.cells.extend(cells.inspect(|cell| column.count += usize::from(!cell.is_nan())));
            }
        }
        if *has_infos && table.infos() > 0 {
            let rows = rows.iter().filter_map(|id| table.row(*id));
            rows.filter(|row| row.info_texts > 0).for_each(|row| infos.push(&row.face.info));
        }
    }

    /// Takes the states as they are with the last row: those that came late are among them.
    fn finish(&mut self, table: &Table) {
        for column in &mut self.columns {
            let states = table.columns().get(column.slot).map_or(&[][..], |column| &column.states);
            column.states = states.iter().map(|state| state.pair.clone()).collect();
        }
        self.columns.retain(|column| column.count > 0);
        self.rows_held = table.rows_held();
    }

    /// Series shown.
    pub fn series(&self) -> usize {
        let weight = |column: &Shown| match column.kind {
            Kind::State => column.count * column.states.len(),
            _ => column.count,
        };
        self.columns.iter().map(weight).sum::<usize>() + self.infos.len()
    }

    /// The samples of a column by their labels, as text up to the value.
    pub fn samples<'v>(&'v self, column: &'v Shown) -> impl Iterator<Item = (&'v str, f64)> {
        let all = self.order.labels.iter().zip(column.cells.iter().copied());
        all.filter(|(_, value)| !value.is_nan())
    }

    /// The same for a column of states: the labels in two parts, a `state` label to go between.
    pub fn state_samples<'v>(&'v self, column: &'v Shown) -> impl Iterator<Item = ([&'v str; 2], f64)> {
        let state_at = self.order.state_at.iter();
        let all = self.order.labels.iter().zip(state_at).zip(column.cells.iter().copied());
        all.filter(|(_, value)| !value.is_nan()).map(|((labels, state_at), value)| {
            let inner = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix("} ")).unwrap_or("");
            let (before, after) = inner.split_at_checked(*state_at).unwrap_or((inner, ""));
            ([before, after.trim_start_matches(',')], value)
        })
    }

    /// The label texts of the info series, as those of samples.
    pub fn infos(&self) -> impl Iterator<Item = &str> {
        self.infos.iter()
    }
}

#[cfg(test)]
mod tests;
