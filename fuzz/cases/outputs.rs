//! What has to hold of both outputs, whatever came in.

use std::sync::PoisonError;

use axp_exporter::config::{OnDelete, Producer};
use axp_exporter::pipeline::{Blueprint, LineOutput, Pipeline, SharedTable};
use axp_exporter::sink::exposition::{self, Format};
use axp_exporter::sink::queue::{self, LineReceiver};
use axp_exporter::telemetry::Telemetry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::legal::{self, Syntax};
use super::lines;

/// A pipeline in its first session, and both its outputs.
pub(crate) struct Bench {
    pub(crate) pipeline: Pipeline,
    table: SharedTable,
    receiver: LineReceiver,
}

impl Bench {
    pub(crate) fn new(blueprint: &Blueprint, producer: Producer) -> Self {
        let (sender, receiver) = queue::lines(1, Counter::default());
        let output = LineOutput { sender, on_delete: OnDelete::Marker };
        let metrics = Telemetry::new(0).pipeline(&producer.id);
        let (pipeline, table) = blueprint.pipeline(producer, vec![output], metrics);
        Self { pipeline, table, receiver }
    }

    /// Reads both outputs; panics on what is not legal.
    pub(crate) fn check(&self) {
        check_exposition(&self.table);
        lines::check(&self.receiver);
    }
}

/// Reads the exposition in both formats: it is legal, shows the same in both, and as many series as
/// are counted.
fn check_exposition(table: &SharedTable) {
    let counted = table.read().unwrap_or_else(PoisonError::into_inner).series();
    let read = |format, syntax| {
        let mut body = Vec::new();
        exposition::render(&mut body, std::slice::from_ref(table), &Registry::default(), format);
        let body = String::from_utf8(body).expect("UTF-8");
        legal::read(syntax, &body).unwrap_or_else(|what| panic!("{what}\nin\n{body}"))
    };
    let text = read(Format::Text, Syntax::Text);
    assert_eq!(text.len(), counted, "what is counted is what is shown");
    assert_eq!(text, read(Format::OpenMetrics, Syntax::OpenMetrics), "the same in both formats");
}
