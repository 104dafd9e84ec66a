//! A view of a table: what a scrape shows, copied value by value and written down after.
//!
//! Rendering a million series takes long enough for events to pile up. So a scrape copies the
//! values shown, eight bytes each, and renders without a lock. It copies in bites of
//! `BITE_ROWS` rows, between which the lock is free, so that an event waits for a bite and not
//! for a copy. A row lies in one bite, so each shows all of an event or nothing of it.
//!
//! Labels change only when rows come and go, so their text is prepared once and shared by all
//! scrapes until then. Where that happens between two bites, or a column comes that the rows copied
//! lack, the copy begins anew, and after a few times takes all rows in one bite.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Kind;
use crate::table::column::Column;
use crate::table::rows::{RowId, Table};

/// Rows copied under one lock: some 50 µs.
const BITE_ROWS: usize = 512;
/// How often a copy may begin anew before it takes the whole table at once.
const ATTEMPTS_MAX: usize = 3;
/// Rows of which the values of all columns stay in the fastest cache while they are copied.
const BLOCK_ROWS: usize = 64;

/// The rows shown, in the order of their label text.
#[derive(Debug, Default)]
pub struct Order {
    rows: Vec<RowId>,
    labels: Lines,
    /// Where in a row's label text a `state` label belongs.
    state_at: Vec<usize>,
}

/// Pieces of text, one behind the other.
#[derive(Debug, Default)]
struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    /// Adds `{labels} `, or ` ` for a row whose rules left it no label.
    fn push(&mut self, labels: &str) {
        if labels.is_empty() {
            self.text.push(' ');
        } else {
            self.text.extend(["{", labels, "} "]);
        }
        self.ends.push(self.text.len());
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |end| self.text.get(std::mem::replace(&mut start, *end)..*end).unwrap_or(""))
    }
}

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
    /// The producer's metric stem.
    pub stem: String,
    /// The table's version before the first value was copied.
    pub version: u64,
    /// Rows that the table held, shown or not.
    pub rows_held: usize,
    /// The columns that have series to show.
    pub columns: Vec<Shown>,
    order: Arc<Order>,
    infos: Lines,
}

impl View {
    /// The table as it stands, bite by bite.
    pub fn of(table: &RwLock<Table>) -> Self {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(view) = Self::take(table, BITE_ROWS, || ()) {
                return view;
            }
        }
        let table = table.read().unwrap_or_else(PoisonError::into_inner);
        let mut view = Self::begin(&table);
        view.copy(&table, 0, usize::MAX);
        view.finish(&table);
        view
    }

    /// Copies `bite` rows a lock; none where rows or columns came or went in between.
    fn take(table: &RwLock<Table>, bite: usize, between: impl Fn()) -> Option<Self> {
        let mut begun: Option<Self> = None;
        let mut from = 0;
        loop {
            let table = table.read().unwrap_or_else(PoisonError::into_inner);
            let mut view = begun.take().unwrap_or_else(|| Self::begin(&table));
            let are_all_there = columns(&table).count() == view.columns.len();
            if !Arc::ptr_eq(&view.order, table.order()) || !are_all_there {
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

    fn begin(table: &Table) -> Self {
        let order = Arc::clone(table.order());
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
            stem: table.stem().to_owned(),
            version: table.version(),
            rows_held: 0,
            // Those without a value too: an event may give them one while others are copied.
            columns: columns(table).map(column).collect(),
            order,
            infos: Lines::default(),
        }
    }

    /// Takes the values of so many rows.
    fn copy(&mut self, table: &Table, from: usize, rows: usize) {
        let Self { columns, order, infos, .. } = self;
        let rows = order.rows.get(from..from.saturating_add(rows).min(order.rows.len())).unwrap_or_default();
        for block in rows.chunks(BLOCK_ROWS) {
            for column in &mut *columns {
                let cells = block.iter().map(|id| table.cell(*id, column.slot));
                column.cells.extend(cells.inspect(|cell| column.count += usize::from(!cell.is_nan())));
            }
        }
        if table.infos() > 0 {
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
        self.columns.iter().map(weight).sum::<usize>() + self.infos.ends.len()
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

    /// About how many bytes its samples take: labels as they are, and some digits.
    pub fn bytes(&self) -> usize {
        const VALUE_BYTES: usize = 8;
        let rows = self.order.rows.len().max(1);
        let column = |column: &Shown| {
            let labels = self.order.labels.text.len() / rows + column.metric.len() + VALUE_BYTES;
            labels * column.count * column.states.len().max(1)
        };
        self.columns.iter().map(column).sum::<usize>() + 2 * self.infos.text.len()
    }
}

/// The columns that are families of their own.
fn columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns().iter().filter(|column| column.spec.kind != Kind::Text)
}

impl Table {
    /// The rows shown with their label text, as they are now.
    pub(super) fn new_order(&self) -> Order {
        let mut order = Order::default();
        for (id, row) in self.shown() {
            order.rows.push(id);
            order.labels.push(&row.face.text);
            order.state_at.push(row.face.state_at);
        }
        order.labels.text.shrink_to_fit();
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::labels::Labels;
    use crate::table::column::ColumnSpec;
    use crate::table::rows::Limits;

    fn labels(queue: &str) -> Labels {
        [("queue", queue)].into_iter().collect()
    }

    fn spec(kind: Kind, name: &str) -> ColumnSpec {
        let (metric, field) = (format!("axp_t_{name}"), name.to_owned());
        ColumnSpec { metric, field, help: String::new(), kind, promoted: false, states: Vec::new() }
    }

    fn add_row(table: &mut Table, queue: &str) -> RowId {
        let id = table.insert(queue).unwrap();
        table.place(id, Ok(labels(queue))).unwrap();
        table.set_cell(id, 0, 1.0).unwrap();
        id
    }

    /// A table with a row each for `a` to `e`.
    fn table() -> (RwLock<Table>, Vec<RowId>) {
        let mut table = Table::new("T_1", "t", Limits::new(100));
        table.add_column(spec(Kind::Number, "n"));
        let ids = ["a", "b", "c", "d", "e"].map(|queue| add_row(&mut table, queue)).to_vec();
        (RwLock::new(table), ids)
    }

    fn samples(view: &View) -> Vec<(String, f64)> {
        let plain = |labels: &str| labels.replace("{queue=\"", "").replace("\"} ", "");
        let samples = view.columns.iter().flat_map(|column| view.samples(column));
        samples.map(|(labels, value)| (plain(labels), value)).collect()
    }

    fn queues(view: &View) -> String {
        samples(view).into_iter().map(|(queue, _)| queue).collect()
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
            let view = View::take(&table, bite, || ()).unwrap();
            let values = [("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0), ("e", 5.0)];
            assert_eq!(samples(&view), values.map(|(queue, value)| (queue.to_owned(), value)));
            assert_eq!(view.infos().collect::<Vec<_>>(), [r#"{name="x",queue="b"} "#]);
            assert_eq!((view.series(), view.rows_held), (table.read().unwrap().series(), 5));
        }
    }

    #[test]
    fn a_row_that_comes_goes_or_moves_meanwhile_is_neither_lost_nor_twice_there() {
        type Change = fn(&mut Table, RowId);
        let changes: [(Change, &str); 3] = [
            (|table, id| table.retire(id), "bcde"),
            (|table, _| assert!(add_row(table, "x") > 0), "abcdex"),
            (|table, id| table.place(id, Ok(labels("z"))).unwrap(), "bcdez"),
        ];
        for (change, expected) in changes {
            let (table, ids) = table();
            let once = std::cell::Cell::new(true);
            let between = || {
                if once.take() {
                    change(&mut table.write().unwrap(), ids[0]);
                }
            };
            assert!(View::take(&table, 2, between).is_none(), "the copy has to begin anew");
            assert_eq!(queues(&View::of(&table)), expected);
        }
    }

    #[test]
    fn of_an_event_between_two_bites_a_first_value_is_shown_with_the_others() {
        for comes_late in [false, true] {
            let (table, ids) = table();
            let add = || table.write().unwrap().add_column(spec(Kind::Number, "first"));
            let early = (!comes_late).then(add);
            let once = std::cell::Cell::new(true);
            let between = || {
                if once.take() {
                    let first = early.unwrap_or_else(add);
                    let mut table = table.write().unwrap();
                    table.set_cell(ids[4], 0, 5.0).unwrap();
                    table.set_cell(ids[4], first, 6.0).unwrap();
                }
            };
            let view = View::take(&table, 2, between);
            assert_eq!(view.is_none(), comes_late);
            let view = view.unwrap_or_else(|| View::of(&table));
            let last = |column: &Shown| view.samples(column).last().unwrap().1;
            assert_eq!(view.columns.iter().map(last).collect::<Vec<_>>(), [5.0, 6.0]);
        }
    }

    #[test]
    fn a_table_whose_rows_never_rest_is_copied_at_once() {
        let (table, ids) = table();
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| {
                for name in 0..2000 {
                    table.write().unwrap().place(ids[1], Ok(labels(&format!("{}", name % 7)))).unwrap();
                }
            });
            while !moving.is_finished() {
                assert_eq!(samples(&View::of(&table)).len(), 5);
            }
        });
    }

    #[test]
    fn columns_and_states_that_come_meanwhile_do_no_harm() {
        let (table, ids) = table();
        let state = table.write().unwrap().add_column(spec(Kind::State, "s"));
        table.write().unwrap().set_state(ids[0], state, "READY").unwrap();
        let between = || {
            let mut table = table.write().unwrap();
            for name in ["b", "c", "d", "e"] {
                table.add_column(spec(Kind::Number, name));
            }
            table.set_state(ids[4], state, "BUSY").unwrap();
        };
        assert!(View::take(&table, 3, between).is_none(), "the copy has to begin anew");
        let view = View::of(&table);
        let states = view.columns.iter().find(|column| column.kind == Kind::State).unwrap();
        assert_eq!((states.count, states.states.len()), (2, 2));
        assert_eq!(view.state_samples(states).map(|(_, value)| value).collect::<Vec<_>>(), [0.0, 1.0]);
        assert_eq!(view.series(), table.read().unwrap().series());
    }
}
