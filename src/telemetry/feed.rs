//! What a feed shows of its connection.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::{Seconds, add};

/// What one producer's connection shows.
#[derive(Debug, Clone)]
pub struct Feed {
    /// 1 while connected and authenticated.
    pub up: Gauge,
    /// How long the last answered ping took.
    pub ping: Seconds,
    /// When the subscription ends.
    pub subscription_expiry: Seconds,
    pub(super) reconnects: Vec<Counter>,
}

impl Feed {
    /// How many sessions ended, in the order of the reasons.
    pub fn reconnects(&self) -> impl Iterator<Item = u64> {
        self.reconnects.iter().map(Counter::get)
    }

    /// A session ended for the reason of this index.
    pub fn reconnect(&self, reason: usize) {
        add(&self.reconnects, reason, 1);
    }
}
