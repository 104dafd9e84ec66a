//! A column: one exported measure as the table keeps it.

use crate::config::Kind;
use crate::label::labels::write_pairs;
use crate::table::row::STATE_LABEL;

/// Most states of one measure: a state set is a handful, and each costs a series a row.
pub const STATES_MAX: usize = 32;

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
    /// Which cell of a row holds its value: a number, a state by its place in the list, a text
    /// by its id.
    pub slot: usize,
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
    pub fn new(spec: ColumnSpec, slot: usize) -> Self {
        let mut column = Self { states: Vec::new(), spec, slot, is_label: false, held: 0, shown: 0 };
        for state in column.spec.states.clone() {
            column.push_state(&state);
        }
        column
    }

    /// Series that one present value is.
    pub fn weight(&self) -> usize {
        match self.spec.kind {
            Kind::State => self.states.len(),
            Kind::Text => 0,
            _ => 1,
        }
    }

    /// Places that one present value takes: a text has no series of its own, but texts are what
    /// a row may hold most of. Those that are labels of the row are part of it.
    pub fn places(&self) -> usize {
        if self.is_text() { usize::from(!self.spec.promoted) } else { self.weight() }
    }

    /// True for texts.
    pub fn is_text(&self) -> bool {
        self.spec.kind == Kind::Text
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
        let mut pair = String::new();
        write_pairs(&mut pair, [(STATE_LABEL, name)]);
        self.states.push(State { name: name.into(), pair });
    }
}
