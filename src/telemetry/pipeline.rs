//! What a pipeline counts: handles resolved once, so that counting is an addition.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::{ByCause, ByEvent, ByOutcome, ByProducer, ByReason, Seconds, Telemetry, UNKNOWN, add};
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

    /// How many readings were refused so far.
    #[cfg(test)]
    pub(crate) fn all_readings_rejected(&self) -> u64 {
        self.readings_rejected_all.get()
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

impl Telemetry {
    /// The handles of one producer's pipeline.
    pub fn pipeline(&self, producer_id: &str) -> Pipeline {
        let producer = || producer_id.to_owned();
        let event = |payload_type, event_action| {
            let labels = ByEvent { measure_producer_id: producer(), payload_type, event_action };
            self.events.get_or_create_owned(&labels)
        };
        let by_reason =
            |family: &Family<ByReason, Counter>, reason| family.get_or_create_owned(&ByReason { reason });
        let by_outcome = |outcome| self.readings.get_or_create_owned(&ByOutcome { outcome });
        let by_producer = ByProducer { measure_producer_id: producer() };
        // Only scrapes know what is held; they create nothing, so that a forgotten producer stays so.
        for gauges in [&self.rows, &self.series] {
            let _ = gauges.get_or_create_owned(&by_producer);
        }
        Pipeline {
            events: PayloadType::ALL
                .map(|phase| Action::ALL.map(|action| event(phase.label(), action.label()))),
            events_unknown: event(UNKNOWN, UNKNOWN),
            events_applied: self.events_applied.get_or_create_owned(&by_producer),
            events_rejected: EventReject::ALL
                .iter()
                .map(|reason| by_reason(&self.events_rejected, reason.label()))
                .collect(),
            readings_applied: by_outcome("applied"),
            readings_absent: by_outcome("absent"),
            readings_denied: by_outcome("denied"),
            readings_rejected_all: by_outcome("rejected"),
            readings_rejected: ReadingReject::ALL
                .iter()
                .map(|reason| by_reason(&self.readings_rejected, reason.label()))
                .collect(),
            rows_refused: RowReject::ALL
                .iter()
                .map(|reason| by_reason(&self.rows_refused, reason.label()))
                .collect(),
            rows_retired: RetireCause::ALL
                .iter()
                .map(|cause| {
                    self.rows_retired.get_or_create_owned(&ByCause {
                        measure_producer_id: producer(),
                        cause: cause.label(),
                    })
                })
                .collect(),
            last_event: self.feed_last_event.get_or_create_owned(&by_producer),
            snapshot_complete: self.feed_snapshot_complete.get_or_create_owned(&by_producer),
        }
    }
}
