//! A row: one entity of one producer, with the label text of its series ready to print.

use std::sync::Arc;

use crate::label::labels::{Labels, write_pairs};
use crate::parse::measure::MeasureId;
use crate::parse::measures::MEASURES_MAX;

/// The label that states use.
pub const STATE_LABEL: &str = "state";

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

/// One row: what every event on it reads or writes, and nothing else. Rows are many and lie
/// side by side, so that an event finds all of one in two or three lines of the cache.
#[derive(Debug)]
pub struct Row {
    /// Account, event source and keys, encoded so that no two rows share it.
    pub identity: Arc<str>,
    /// How it is shown.
    pub face: Box<Face>,
    /// The timestamp of its last line, nanoseconds since the epoch.
    pub line_ns: i64,
    /// The measures that LIVE events of the session set, a bit each.
    live_measures: [u64; MEASURES_MAX / 64],
    /// That session.
    live_session: u32,
    /// The generation that saw it last.
    pub generation: u32,
    /// Texts present that are not promoted: with any, there is an info series.
    pub info_texts: u32,
    /// Whether its series are shown.
    pub standing: Standing,
    /// True if `state` is one of its own labels, which leaves none for states.
    pub has_state_label: bool,
}

/// How a row is shown: made when it appears or its texts change, read when it is rendered.
#[derive(Debug, Default)]
pub struct Face {
    /// Its labels after the rules.
    pub labels: Labels,
    /// The same as text: `name="value",…`, sorted, escaped.
    pub text: Arc<str>,
    /// Where in `text` a `state` label belongs.
    pub state_at: usize,
    /// The label text of its info series; empty without one.
    pub info: String,
    /// While it waits for its labels, its turn: of those that do, the lowest is next.
    pub turn: u64,
}

impl Row {
    /// A row without values, not shown yet.
    pub fn new(identity: Arc<str>) -> Self {
        Self {
            identity,
            face: Box::default(),
            line_ns: i64::MIN,
            live_measures: [0; MEASURES_MAX / 64],
            live_session: 0,
            generation: 0,
            info_texts: 0,
            standing: Standing::Dropped,
            has_state_label: false,
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

    /// Takes over what another row of this identity knows of the feed: not its values, nor how it
    /// is shown.
    pub fn inherit(&mut self, other: &Self) {
        self.line_ns = other.line_ns;
        self.live_measures = other.live_measures;
        self.live_session = other.live_session;
        self.generation = other.generation;
    }

    /// True if it is shown under the labels of another.
    pub fn is_shown_as(&self, other: &Self) -> bool {
        self.standing == Standing::Shown && self.face.labels == other.face.labels
    }

    /// Takes new labels and their text.
    pub fn set_labels(&mut self, mut labels: Labels) {
        labels.shrink_to_fit();
        let mut text = String::new();
        labels.write_text(&mut text);
        let mut head = String::new();
        write_pairs(&mut head, labels.iter().filter(|(name, _)| *name < STATE_LABEL));
        self.has_state_label = labels.contains(STATE_LABEL);
        self.face.state_at = head.len();
        self.face.text = Arc::from(text);
        self.face.labels = labels;
    }

    /// Builds the label text of the info series anew, out of the row's texts by their names.
    ///
    /// A text that falls on one of the row's own labels is there already.
    pub fn rebuild_info<'t>(&mut self, texts: impl Iterator<Item = (&'t str, &'t str)>) {
        let Face { labels, info, .. } = &mut *self.face;
        info.clear();
        if self.info_texts == 0 {
            return;
        }
        let mut pairs: Vec<(&str, &str)> = labels.iter().collect();
        for pair in texts.filter(|(name, _)| !labels.contains(name)) {
            pairs.push(pair);
        }
        pairs.sort_unstable();
        write_pairs(info, pairs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_live_events_set_is_noted_for_their_session_alone() {
        let mut row = Row::new("1".into());
        let noted = [0, 1, 63, 64, 130, 255];
        for measure in noted {
            row.note_live(1, measure);
        }
        let is_live = |row: &Row, session| {
            (0..MEASURES_MAX).filter(|measure| row.is_live(session, *measure)).collect::<Vec<_>>()
        };
        assert_eq!(is_live(&row, 1), noted);
        assert!(is_live(&row, 2).is_empty());
        row.note_live(2, 5);
        assert_eq!(is_live(&row, 2), [5]);
        assert!(is_live(&row, 1).is_empty());
        let mut heir = Row::new("1".into());
        heir.inherit(&row);
        assert_eq!(is_live(&heir, 2), [5]);
    }
}
