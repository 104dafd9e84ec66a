//! A column: one exported measure as the table keeps it.

use crate::config::Kind;
use crate::label::labels::write_escaped_value;

/// Where a row keeps a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// In the cell of this index: numbers, and states by their place in the list.
    Cell(usize),
    /// Among the row's texts, at this index.
    Text(usize),
}

/// What a measure brings into the table.
#[derive(Debug, Clone)]
pub struct ColumnSpec {
    /// The metric's full name.
    pub metric: String,
    /// `<measure>[_<unit>]`: the name of a text's label.
    pub field: String,
    /// One line of help, without escapes.
    pub help: String,
    /// What the measure is.
    pub kind: Kind,
    /// True for a text that is a label of all of its row's series.
    pub promoted: bool,
}

/// One exported measure.
#[derive(Debug)]
pub struct Column {
    /// What the measure brought.
    pub spec: ColumnSpec,
    /// Where rows keep its value.
    pub slot: Slot,
    /// The label pairs of the states, `state="…"`, escaped; empty but for states.
    pub states: Vec<String>,
    /// Shown rows that have a value.
    pub present: usize,
}

impl Column {
    /// A column without a value in any row.
    pub const fn new(spec: ColumnSpec, slot: Slot) -> Self {
        Self { spec, slot, states: Vec::new(), present: 0 }
    }

    /// Series that one present value costs.
    pub fn weight(&self) -> usize {
        match self.slot {
            Slot::Cell(_) if self.spec.kind == Kind::State => self.states.len(),
            Slot::Cell(_) => 1,
            Slot::Text(_) => 0,
        }
    }

    /// Learns a state.
    pub fn push_state(&mut self, state: &str) {
        let mut pair = String::from("state=\"");
        write_escaped_value(&mut pair, state);
        pair.push('"');
        self.states.push(pair);
    }
}
