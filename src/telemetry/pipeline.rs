//! What a pipeline counts: handles resolved once, so that counting is an addition.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::{Seconds, add};
use crate::ingest::event::{Action, PayloadType};
use crate::reject::{EventReject, ReadingReject, RetireCause, RowReject};

/// What one producer's pipeline counts.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(super) events: [[Counter; 2]; 2],
    pub(super) events_unknown: Counter,
    pub(super) events_applied: Counter,
    pub(super) events_rejected: Vec<Counter>,
    /// Readings that took effect.
    pub readings_applied: Counter,
    /// Readings without a value.
    pub readings_absent: Counter,
    /// Readings that the allowlist, a rule or privacy leaves out.
    pub readings_denied: Counter,
    pub(super) readings_rejected_all: Counter,
    pub(super) readings_rejected: Vec<Counter>,
    pub(super) rows_refused: Vec<Counter>,
    pub(super) rows_retired: Vec<Counter>,
    /// When the last event came.
    pub last_event: Seconds,
    /// Whether a snapshot of the session has closed.
    pub snapshot_complete: Gauge,
}

impl Pipeline {
    /// An event came that was read far enough to know what it is.
    pub fn event(&self, payload_type: PayloadType, action: Action) {
        let [initializing, live] = &self.events;
        let [upsert, delete] = match payload_type {
            PayloadType::Initializing => initializing,
            PayloadType::Live => live,
        };
        match action {
            Action::Upsert => upsert.inc(),
            Action::Delete => delete.inc(),
        };
    }

    /// An event came that could not be read.
    pub fn event_unreadable(&self) {
        self.events_unknown.inc();
    }

    /// The event took effect.
    pub fn event_applied(&self) {
        self.events_applied.inc();
    }

    /// The event was refused.
    pub fn event_rejected(&self, reject: EventReject) {
        add(&self.events_rejected, reject as usize, 1);
    }

    /// `count` readings were refused.
    pub fn readings_rejected(&self, reject: ReadingReject, count: u64) {
        self.readings_rejected_all.inc_by(count);
        add(&self.readings_rejected, reject as usize, count);
    }

    /// A row was not shown when it came.
    pub fn row_refused(&self, reject: RowReject) {
        add(&self.rows_refused, reject as usize, 1);
    }

    /// `count` rows were removed.
    pub fn rows_retired(&self, cause: RetireCause, count: usize) {
        add(&self.rows_retired, cause as usize, count as u64);
    }
}
