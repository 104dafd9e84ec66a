//! What a feed shows of its connection.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::{ByProducer, ByReconnect, ByStatus, Seconds, Telemetry, add};
use crate::ingest::link::{Status, Verdict};
use crate::ingest::session::Reason;

/// What one producer's connection shows.
#[derive(Debug, Clone)]
pub struct Feed {
    /// 1 while connected and authenticated.
    pub up: Gauge,
    /// How long the last answered ping took.
    pub ping: Seconds,
    /// When the subscription ends.
    pub subscription_expiry: Seconds,
    pub(super) subscription_status: [Gauge; Status::ALL.len()],
    pub(super) authentications: [Counter; Verdict::ALL.len()],
    pub(super) reconnects: [Counter; Reason::ALL.len()],
}

impl Feed {
    /// How many sessions ended, by the label of the reason.
    pub fn reconnects(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL.iter().zip(&self.reconnects).map(|(reason, count)| (reason.label(), count.get()))
    }

    /// A session ended.
    pub fn reconnect(&self, reason: Reason) {
        add(&self.reconnects, reason as usize, 1);
    }

    /// The websocket's server answered authentication.
    pub fn authentication(&self, verdict: Verdict) {
        add(&self.authentications, verdict as usize, 1);
    }

    /// There is no subscription.
    pub fn unsubscribed(&self) {
        self.subscription_expiry.set(0.0);
        self.subscription_stands(None);
    }

    /// How the subscription stands, none without one.
    pub fn subscription_stands(&self, stands: Option<Status>) {
        for (status, gauge) in Status::ALL.iter().zip(&self.subscription_status) {
            gauge.set(i64::from(stands == Some(*status)));
        }
    }
}

impl Telemetry {
    /// A fault of our own has ended a producer's feed.
    pub fn feed_fault(&self, producer_id: &str) {
        let by_producer = ByProducer { measure_producer_id: producer_id.to_owned() };
        self.feed_faults.get_or_create(&by_producer).inc();
        for gauges in [&self.feed_up, &self.feed_snapshot_complete] {
            gauges.get_or_create(&by_producer).set(0);
        }
    }

    /// The handles of one producer's connection.
    pub fn feed(&self, producer_id: &str) -> Feed {
        let by_producer = ByProducer { measure_producer_id: producer_id.to_owned() };
        let by_reason = |reason| ByReconnect { measure_producer_id: producer_id.to_owned(), reason };
        let _ = self.feed_faults.get_or_create(&by_producer);
        let by_status = |status| ByStatus { measure_producer_id: producer_id.to_owned(), status };
        Feed {
            subscription_status: Status::ALL
                .map(|status| self.subscription_status.get_or_create_owned(&by_status(status.label()))),
            authentications: Verdict::ALL
                .map(|verdict| self.authentications.get_or_create_owned(&by_status(verdict.label()))),
            up: self.feed_up.get_or_create_owned(&by_producer),
            ping: self.feed_ping.get_or_create_owned(&by_producer),
            subscription_expiry: self.subscription_expiry.get_or_create_owned(&by_producer),
            reconnects: Reason::ALL
                .map(|reason| self.reconnects.get_or_create_owned(&by_reason(reason.label()))),
        }
    }
}
