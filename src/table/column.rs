//! A column: one exported measure as the table keeps it.

use crate::config::Kind;
use crate::label::labels::write_escaped_value;

/// Most states of one measure: a state set is a handful, and each costs a series a row.
pub const STATES_MAX: usize = 32;

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
    /// The states there are; none where they are learned.
    pub states: Vec<Box<str>>,
}

/// One exported measure.
#[derive(Debug, Clone)]
pub struct Column {
    /// What the measure brought.
    pub spec: ColumnSpec,
    /// Where rows keep its value.
    pub slot: Slot,
    /// The states known, in the order in which they came.
    pub states: Vec<State>,
    /// True for a text whose name is, or was, a label of some row: no row has it as a text.
    pub is_label: bool,
    /// Rows that hold a value, shown or waiting.
    pub held: usize,
    /// Rows shown that hold a value.
    pub shown: usize,
}

/// A state of a column.
#[derive(Debug, Clone)]
pub struct State {
    /// Its name.
    pub name: Box<str>,
    /// Its label, `state="…"`, escaped.
    pub pair: String,
}

impl Column {
    /// A column without a value in any row.
    pub fn new(spec: ColumnSpec, slot: Slot) -> Self {
        let mut column = Self { states: Vec::new(), spec, slot, is_label: false, held: 0, shown: 0 };
        for state in column.spec.states.clone() {
            column.push_state(&state);
        }
        column
    }

    /// Series that one present value costs.
    pub fn weight(&self) -> usize {
        match self.slot {
            Slot::Cell(_) if self.spec.kind == Kind::State => self.states.len(),
            Slot::Cell(_) => 1,
            Slot::Text(_) => 0,
        }
    }

    /// A state's place in the list.
    pub fn state(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|state| &*state.name == name)
    }

    /// True if a state that is not in the list may join it.
    pub fn learns(&self) -> bool {
        self.spec.states.is_empty() && self.states.len() < STATES_MAX
    }

    /// Adds a state to the list.
    pub fn push_state(&mut self, name: &str) {
        let mut pair = String::from("state=\"");
        write_escaped_value(&mut pair, name);
        pair.push('"');
        self.states.push(State { name: name.into(), pair });
    }
}
