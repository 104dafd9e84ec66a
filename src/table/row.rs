//! A row: one entity of one producer, with the label text of its series ready to print.

use std::sync::Arc;

use crate::label::labels::{Labels, write_escaped_value};
use crate::parse::measure::MeasureId;
use crate::parse::measures::MEASURES_MAX;
use crate::table::column::{Column, Slot};

/// Whether a row's series are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are.
    Shown,
    /// Another row has the same labels; this one waits for it to be retired.
    Waiting,
    /// The rules drop it.
    Dropped,
    /// Its keys make no label set.
    Refused,
}

impl Standing {
    /// True where the row holds values: those of a row that is neither shown nor waits for
    /// it would only cost memory.
    pub const fn holds_values(self) -> bool {
        matches!(self, Self::Shown | Self::Waiting)
    }
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Account, event source and keys, encoded so that no two rows share it.
    pub identity: Box<str>,
    /// Its labels after the rules.
    pub labels: Labels,
    /// The same as text: `name="value",…`, sorted, escaped.
    pub text: Arc<str>,
    /// Where in `text` a `state` label belongs.
    pub state_at: usize,
    /// The label text of its info series; empty without one.
    pub info: String,
    /// Whether its series are shown.
    pub standing: Standing,
    /// Its texts, by the text slots of the columns.
    pub texts: Vec<Option<Box<str>>>,
    /// Texts present that are not promoted: with any, there is an info series.
    pub info_texts: usize,
    /// The generation that saw it last.
    pub generation: u32,
    /// The session whose LIVE events set it last.
    live_session: u32,
    /// The measures that they set, a bit each.
    live_measures: [u64; MEASURES_MAX / 64],
    /// The timestamp of its last line, nanoseconds since the epoch.
    pub line_ns: i64,
}

impl Row {
    /// A row without values, not shown yet.
    pub fn new(identity: &str) -> Self {
        Self {
            identity: identity.into(),
            labels: Labels::new(),
            text: Arc::from(""),
            state_at: 0,
            info: String::new(),
            standing: Standing::Dropped,
            texts: Vec::new(),
            info_texts: 0,
            generation: 0,
            live_session: 0,
            live_measures: [0; MEASURES_MAX / 64],
            line_ns: i64::MIN,
        }
    }

    /// Notes that a LIVE event of the session sets a measure.
    pub fn note_live(&mut self, session: u32, measure: MeasureId) {
        if self.live_session != session {
            self.live_session = session;
            self.live_measures = [0; MEASURES_MAX / 64];
        }
        if let Some(word) = self.live_measures.get_mut(measure / 64) {
            *word |= 1 << (measure % 64);
        }
    }

    /// True if a LIVE event of the session has set a measure.
    pub fn is_live(&self, session: u32, measure: MeasureId) -> bool {
        let word = self.live_measures.get(measure / 64).copied().unwrap_or_default();
        self.live_session == session && word & (1 << (measure % 64)) != 0
    }

    /// Takes new labels and their text.
    pub fn set_labels(&mut self, labels: Labels) {
        let mut text = String::new();
        labels.write_text(&mut text);
        let mut before_state = Labels::new();
        for (name, value) in labels.iter().filter(|(name, _)| *name < "state") {
            before_state.set(name, value);
        }
        let mut head = String::new();
        before_state.write_text(&mut head);
        self.state_at = head.len();
        self.text = Arc::from(text);
        self.labels = labels;
    }

    /// A text of the row by its slot.
    pub fn text_at(&self, slot: usize) -> Option<&str> {
        self.texts.get(slot)?.as_deref()
    }

    /// Builds the label text of the info series anew.
    ///
    /// A text that falls on one of the row's own labels is there already.
    pub fn rebuild_info(&mut self, columns: &[Column]) {
        self.info.clear();
        if self.info_texts == 0 {
            return;
        }
        let mut pairs: Vec<(&str, &str)> = self.labels.iter().collect();
        for column in columns.iter().filter(|column| !column.spec.promoted) {
            if let Slot::Text(slot) = column.slot
                && let Some(Some(text)) = self.texts.get(slot)
                && !self.labels.contains(&column.spec.field)
            {
                pairs.push((&column.spec.field, text));
            }
        }
        pairs.sort_unstable();
        let mut info = std::mem::take(&mut self.info);
        for (index, (name, value)) in pairs.into_iter().enumerate() {
            if index > 0 {
                info.push(',');
            }
            info.push_str(name);
            info.push_str("=\"");
            write_escaped_value(&mut info, value);
            info.push('"');
        }
        self.info = info;
    }
}
