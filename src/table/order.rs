//! The order of a table's rows, with the text of their labels.
//!
//! Labels change only when rows come and go, so their text is prepared once and shared by all
//! scrapes until then.

use crate::table::rows::{RowId, Table};

/// The rows shown, in the order of their label text.
#[derive(Debug, Default)]
pub struct Order {
    pub(super) rows: Vec<RowId>,
    pub(super) labels: Lines,
    /// Where in a row's label text a `state` label belongs.
    pub(super) state_at: Vec<usize>,
}

/// Pieces of text, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    /// Adds `{labels} `, or ` ` for a row whose rules left it no label.
    pub(super) fn push(&mut self, labels: &str) {
        if labels.is_empty() {
            self.text.push(' ');
        } else {
            self.text.extend(["{", labels, "} "]);
        }
        self.ends.push(self.text.len());
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |end| self.text.get(std::mem::replace(&mut start, *end)..*end).unwrap_or(""))
    }
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
