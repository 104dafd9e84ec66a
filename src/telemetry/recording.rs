//! What a recording counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Alone, ByOutcome, Telemetry};

/// What a recording counts.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Records handed over to the file.
    pub written: Counter,
    /// Records given up, as the queue was full or the disk took nothing.
    pub dropped: Counter,
    /// 1 while the last write went through.
    pub up: Gauge,
}

impl Telemetry {
    /// The handles of the recording, which are there from now on.
    pub fn recording(&self) -> Recording {
        let Families { records, up } = &self.recording;
        let outcome = |outcome| records.get_or_create_owned(&ByOutcome { outcome });
        Recording {
            written: outcome("written"),
            dropped: outcome("dropped"),
            up: up.get_or_create_owned(&Alone {}),
        }
    }
}

/// The families of the recording, without series where there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Families {
    records: Family<ByOutcome, Counter>,
    up: Family<Alone, Gauge>,
}

impl Families {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "axp_exporter_record_records",
            "Records made of the feeds, by what became of them; what is missing waits",
            self.records.clone(),
        );
        registry.register(
            "axp_exporter_record_up",
            "1 while the last write to the recording went through",
            self.up.clone(),
        );
    }
}
