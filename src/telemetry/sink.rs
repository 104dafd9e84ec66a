//! What a sink counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::{BySink, BySinkOutcome, Telemetry};

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

impl Telemetry {
    /// The handles of one sink.
    pub fn sink(&self, sink: &str) -> Sink {
        let outcome = |outcome| {
            self.influx_lines.get_or_create_owned(&BySinkOutcome { sink: sink.to_owned(), outcome })
        };
        let by_sink = BySink { sink: sink.to_owned() };
        Sink {
            name: sink.to_owned(),
            written: outcome("written"),
            rejected: outcome("rejected"),
            dropped: outcome("dropped"),
            queue_bytes: self.influx_queue_bytes.get_or_create_owned(&by_sink),
            spool_bytes: self.influx_spool_bytes.get_or_create_owned(&by_sink),
            up: self.influx_up.get_or_create_owned(&by_sink),
        }
    }
}
