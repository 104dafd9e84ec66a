//! What a sink counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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
    families: Families,
}

/// What the spool of a sink counts, if it has one.
#[derive(Debug, Clone)]
pub struct Spool {
    /// 1 while the spool can be written, read and flushed to the disk.
    pub up: Gauge,
    /// Files that could not be used and were set aside.
    pub set_aside: Counter,
}

impl Sink {
    /// The handles of its spool, which are there from now on.
    pub fn spool(&self) -> Spool {
        let by_sink = BySink { sink: self.name.clone() };
        Spool {
            up: self.families.spool_up.get_or_create_owned(&by_sink),
            set_aside: self.families.spool_set_aside.get_or_create_owned(&by_sink),
        }
    }
}

impl Telemetry {
    /// The handles of one sink.
    pub fn sink(&self, sink: &str) -> Sink {
        let families = self.influx.clone();
        let outcome =
            |outcome| families.lines.get_or_create_owned(&BySinkOutcome { sink: sink.to_owned(), outcome });
        let by_sink = BySink { sink: sink.to_owned() };
        Sink {
            name: sink.to_owned(),
            written: outcome("written"),
            rejected: outcome("rejected"),
            dropped: outcome("dropped"),
            queue_bytes: families.queue_bytes.get_or_create_owned(&by_sink),
            spool_bytes: families.spool_bytes.get_or_create_owned(&by_sink),
            up: families.up.get_or_create_owned(&by_sink),
            families,
        }
    }
}

/// The families of all sinks.
#[derive(Debug, Clone, Default)]
pub(super) struct Families {
    lines: Family<BySinkOutcome, Counter>,
    queue_bytes: Family<BySink, Gauge>,
    spool_bytes: Family<BySink, Gauge>,
    spool_up: Family<BySink, Gauge>,
    spool_set_aside: Family<BySink, Counter>,
    up: Family<BySink, Gauge>,
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "axp_exporter_influx_lines",
            "Lines made, by what became of them; what is missing waits",
            self.lines.clone(),
        );
        registry.register(
            "axp_exporter_influx_queue_bytes",
            "Bytes of lines waiting in memory",
            self.queue_bytes.clone(),
        );
        registry.register(
            "axp_exporter_influx_spool_bytes",
            "Bytes of files of lines waiting on disk",
            self.spool_bytes.clone(),
        );
        registry.register(
            "axp_exporter_influx_spool_up",
            "1 while the spool can be written, read and flushed to the disk",
            self.spool_up.clone(),
        );
        registry.register(
            "axp_exporter_influx_spool_set_aside",
            "Files of the spool that could not be used and were set aside",
            self.spool_set_aside.clone(),
        );
        registry.register("axp_exporter_influx_up", "1 while the last write went through", self.up.clone());
    }
}
