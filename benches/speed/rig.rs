//! A pipeline with its table, as `run` builds them, without a socket.

use axp_exporter::config::Producer;
use axp_exporter::pipeline::{Blueprint, Moment, Pipeline, SharedTable};
use axp_exporter::table::rows::Limits;
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
        let blueprint = Blueprint {
            account_id: "EZCLTR".to_owned(),
            limits: Limits::new(2_000_000),
            ..Blueprint::default()
        };
        let metrics = Telemetry::new(0).pipeline(producer_id);
        let (mut pipeline, table) = blueprint.pipeline(producer, Vec::new(), metrics);
        pipeline.session_opened(Moment::now());
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
