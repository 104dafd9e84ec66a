//! A view of a table: what a scrape shows, taken at one moment and written down after.
//!
//! Rendering a million series takes long enough for events to pile up. So a scrape copies the
//! values shown, eight bytes each, while it holds the read lock, and renders without it. Labels
//! change only when rows come and go, so their text is prepared once and shared by all scrapes
//! until then.

use std::sync::Arc;

use crate::config::Kind;
use crate::table::rows::{RowId, Table};

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
    /// The columns that have series to show.
    pub columns: Vec<Shown>,
    order: Arc<Order>,
    infos: Lines,
}

impl View {
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

impl Table {
    /// What the table shows now.
    pub fn view(&self) -> View {
        let order = Arc::clone(self.order());
        let shown: Vec<_> = self.columns().iter().filter(|column| column.shown > 0).collect();
        let mut columns: Vec<Shown> = shown
            .iter()
            .map(|column| Shown {
                metric: column.spec.metric.clone(),
                help: column.spec.help.clone(),
                kind: column.spec.kind,
                states: column.states.iter().map(|state| state.pair.clone()).collect(),
                count: column.shown,
                cells: Vec::with_capacity(order.rows.len()),
            })
            .collect();
        for block in order.rows.chunks(BLOCK_ROWS) {
            for (to, from) in columns.iter_mut().zip(&shown) {
                to.cells.extend(block.iter().map(|id| self.cell(*id, from.slot)));
            }
        }
        let mut infos = Lines::default();
        if self.infos() > 0 {
            let rows = order.rows.iter().filter_map(|id| self.row(*id));
            rows.filter(|row| row.info_texts > 0).for_each(|row| infos.push(&row.face.info));
        }
        View {
            producer_id: self.producer_id().to_owned(),
            stem: self.stem().to_owned(),
            columns,
            order,
            infos,
        }
    }

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
