//! A pipeline with its table, as `run` builds them, without a socket.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axp_exporter::config::{Personal, Producer};
use axp_exporter::label::relabel::Rules;
use axp_exporter::parse::measures::Measures;
use axp_exporter::parse::privacy::Privacy;
use axp_exporter::pipeline::{Derivation, Moment, Pipeline, PipelineParts, SharedTable};
use axp_exporter::table::rows::{Limits, Table};
use axp_exporter::telemetry::Telemetry;

/// A pipeline and what it writes to.
pub(crate) struct Rig {
    pub(crate) pipeline: Pipeline,
    pub(crate) table: SharedTable,
}

impl Rig {
    /// A pipeline of this producer in its first session, with the default configuration.
    pub(crate) fn new(producer_id: &str) -> Self {
        let producer = Producer { id: producer_id.to_owned(), ..Producer::default() };
        let privacy = Privacy::new(Personal::Drop, &[], None);
        let measures = Measures::new(producer, privacy, Arc::default(), 1024);
        let table = Table::new(producer_id, measures.stem(), Limits::new(2_000_000));
        let table = Arc::new(RwLock::new(table));
        let mut pipeline = Pipeline::new(PipelineParts {
            metrics: Telemetry::new(0).pipeline(producer_id),
            derivation: Derivation { measures, rules: Arc::new(Rules::compile(&[]).unwrap()) },
            account_id: "EZCLTR".to_owned(),
            table: Arc::clone(&table),
            outputs: Vec::new(),
            snapshot_quiet: Duration::from_secs(10),
            stale_after: Duration::from_secs(300),
        });
        pipeline.session_opened(Instant::now());
        Self { pipeline, table }
    }

    /// Applies each frame.
    pub(crate) fn apply(&mut self, frames: &[String]) {
        let now = Moment::now();
        for frame in frames {
            self.pipeline.apply(frame, now).unwrap();
        }
    }
}
