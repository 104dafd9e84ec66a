//! What a sink counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// What one sink counts.
#[derive(Debug, Clone)]
pub struct Sink {
    /// What it is called in the configuration.
    pub name: String,
    /// Lines that arrived.
    pub written: Counter,
    /// Lines that the target refused for good.
    pub rejected: Counter,
    /// Lines given up.
    pub dropped: Counter,
    /// Bytes waiting in memory.
    pub queue_bytes: Gauge,
    /// Bytes waiting on disk.
    pub spool_bytes: Gauge,
    /// 1 while the last write went through.
    pub up: Gauge,
}
