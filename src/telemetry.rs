//! The exporter's own metrics, all `axp_exporter_`, served by prometheus-client.
//!
//! Labels come from closed sets or from the configuration, never from the feed, and every
//! series is there from the start, at 0. Parts resolve their handles once ([`Pipeline`],
//! [`Feed`], [`Sink`]) and then only add. The books balance: events = applied +
//! rejected, readings = applied + absent + denied + rejected, lines made = written +
//! rejected + dropped + waiting.

mod dial;
mod feed;
mod forget;
mod pipeline;
mod process;
mod recording;
mod register;
mod scrape;
mod sink;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::ingest::api::unix_seconds;
use crate::ingest::dial::TlsError;

pub use dial::TlsErrors;
pub use feed::Feed;
pub use pipeline::Pipeline;
pub use recording::Recording;
pub use scrape::ScrapeTimer;
pub use sink::{Sink, Spool};

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The revision it was built from, or `unknown`.
pub const REVISION: &str = env!("BUILD_REVISION");
/// The compiler it was built with.
pub const RUSTC: &str = env!("BUILD_RUSTC");
/// All of it, for people.
pub const BUILD: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BUILD_REVISION"),
    ", rustc ",
    env!("BUILD_RUSTC"),
    ")"
);
/// The label value for what an unreadable event did not say.
const UNKNOWN: &str = "unknown";

/// A gauge of seconds.
pub type Seconds = Gauge<f64, AtomicU64>;

macro_rules! labels {
    ($($name:ident { $($field:ident: $kind:ty),+ })+) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
            struct $name { $($field: $kind),+ }
        )+
    };
}

labels! {
    ByProducer { measure_producer_id: String }
    ByEvent { measure_producer_id: String, payload_type: &'static str, event_action: &'static str }
    ByReason { reason: &'static str }
    ByOutcome { outcome: &'static str }
    ByCause { measure_producer_id: String, cause: &'static str }
    ByStatus { measure_producer_id: String, status: &'static str }
    ByReconnect { measure_producer_id: String, reason: &'static str }
    ByCall { operation: &'static str, outcome: &'static str }
    ByFormat { format: &'static str }
    BySink { sink: String }
    BySinkOutcome { sink: String, outcome: &'static str }
}

/// No label at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Alone {}

/// All families, registered.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    feed_up: Family<ByProducer, Gauge>,
    feed_last_event: Family<ByProducer, Seconds>,
    feed_snapshot_complete: Family<ByProducer, Gauge>,
    feed_ping: Family<ByProducer, Seconds>,
    subscription_expiry: Family<ByProducer, Seconds>,
    subscription_status: Family<ByStatus, Gauge>,
    authentications: Family<ByStatus, Counter>,
    token_expiry: Seconds,
    reconnects: Family<ByReconnect, Counter>,
    feed_faults: Family<ByProducer, Counter>,
    api_requests: Family<ByCall, Counter>,
    tls_errors: Family<ByReason, Counter>,
    events: Family<ByEvent, Counter>,
    events_applied: Family<ByProducer, Counter>,
    events_rejected: Family<ByReason, Counter>,
    readings: Family<ByOutcome, Counter>,
    readings_rejected: Family<ByReason, Counter>,
    rows: Family<ByProducer, Gauge>,
    series: Family<ByProducer, Gauge>,
    rows_retired: Family<ByCause, Counter>,
    rows_refused: Family<ByReason, Counter>,
    scrapes: Family<ByFormat, Counter>,
    scrapes_refused: Family<ByReason, Counter>,
    http_refused: Family<ByReason, Counter>,
    scrape_duration: Histogram,
    influx: sink::Families,
    recording: recording::Families,
    series_limit: Gauge,
    reload_successful: Gauge,
    reload_success_at: Seconds,
}

impl Telemetry {
    /// All families; `series_limit` is what the metric of that name shows.
    pub fn new(series_limit: usize) -> Self {
        let mut registry = Registry::default();
        let telemetry = Self {
            feed_up: Family::default(),
            feed_last_event: Family::default(),
            feed_snapshot_complete: Family::default(),
            feed_ping: Family::default(),
            subscription_expiry: Family::default(),
            subscription_status: Family::default(),
            authentications: Family::default(),
            token_expiry: Seconds::default(),
            reconnects: Family::default(),
            feed_faults: Family::default(),
            api_requests: Family::default(),
            tls_errors: Family::default(),
            events: Family::default(),
            events_applied: Family::default(),
            events_rejected: Family::default(),
            readings: Family::default(),
            readings_rejected: Family::default(),
            rows: Family::default(),
            series: Family::default(),
            rows_retired: Family::default(),
            rows_refused: Family::default(),
            scrapes: Family::default(),
            scrapes_refused: Family::default(),
            http_refused: Family::default(),
            // From a handful of series to a million over a slow disk's worth of waiting.
            scrape_duration: Histogram::new([
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            ]),
            influx: sink::Families::default(),
            recording: recording::Families::default(),
            series_limit: Gauge::default(),
            reload_successful: Gauge::default(),
            reload_success_at: Seconds::default(),
            registry: Registry::default(),
        };
        let build = [("version", VERSION), ("revision", REVISION), ("rustc", RUSTC)];
        registry.register("axp_exporter_build", "The program that runs", Info::new(build.to_vec()));
        let limit = telemetry.series_limit.clone();
        registry.register("axp_exporter_series_limit", "Most series that are shown", limit);
        telemetry.set_series_limit(series_limit);
        registry.register(
            "axp_exporter_config_last_reload_successful",
            "1 if the configuration could be used when it was read last",
            telemetry.reload_successful.clone(),
        );
        registry.register(
            "axp_exporter_config_last_reload_success_timestamp_seconds",
            "When a configuration that could be used was read last",
            telemetry.reload_success_at.clone(),
        );
        telemetry.reloaded(true);
        telemetry.register_feeds(&mut registry);
        telemetry.register_events(&mut registry);
        telemetry.register_outputs(&mut registry);
        registry.register_collector(Box::new(process::ProcessCollector));
        telemetry.prepare();
        Self { registry, ..telemetry }
    }

    /// The registry, to encode.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Most series that are shown.
    pub fn set_series_limit(&self, limit: usize) {
        self.series_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// The configuration was read: it is used, or of no use.
    pub fn reloaded(&self, successful: bool) {
        self.reload_successful.set(i64::from(successful));
        if successful {
            self.reload_success_at.set(unix_seconds());
        }
    }

    /// How many rows a producer holds and how many series it shows; nothing of one that was
    /// forgotten, which a rendering that began before may still name.
    pub fn set_held(&self, producer_id: &str, rows: usize, series: usize) {
        let by_producer = ByProducer { measure_producer_id: producer_id.to_owned() };
        let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
        for (gauges, count) in [(&self.rows, rows), (&self.series, series)] {
            if let Some(gauge) = gauges.get(&by_producer) {
                gauge.set(whole(count));
            }
        }
    }

    /// When the access token ends.
    pub fn token_expiry(&self) -> Seconds {
        self.token_expiry.clone()
    }

    /// The counter of one kind of request with one outcome.
    pub fn api_requests(&self, operation: &'static str, outcome: &'static str) -> Counter {
        self.api_requests.get_or_create_owned(&ByCall { operation, outcome })
    }

    /// The counters of connections that TLS kept from being made.
    pub fn tls_errors(&self) -> TlsErrors {
        let counter =
            |reason: TlsError| self.tls_errors.get_or_create_owned(&ByReason { reason: reason.label() });
        TlsErrors(TlsError::ALL.map(counter).into())
    }

    /// The counter of scrapes in one format.
    pub fn scrapes(&self, format: &'static str) -> Counter {
        self.scrapes.get_or_create_owned(&ByFormat { format })
    }

    /// The counter of scrapes refused as there were too many (`busy`) or the time was over (`timeout`),
    /// or cut off, as they were read slowly while others waited for room (`slow`).
    pub fn scrapes_refused(&self, reason: &'static str) -> Counter {
        self.scrapes_refused.get_or_create_owned(&ByReason { reason })
    }

    /// The counter of failed accepts (`accept`) or of requests that the door turned away: for their
    /// rate (`rate`), without a password that is right (`unauthorized`), or unchecked, as too many
    /// were being checked (`busy`).
    pub fn http_refused(&self, reason: &'static str) -> Counter {
        self.http_refused.get_or_create_owned(&ByReason { reason })
    }

    /// How long rendering takes.
    pub fn scrape_duration(&self) -> Histogram {
        self.scrape_duration.clone()
    }
}

/// Adds to the counter of this index.
fn add(counters: &[Counter], index: usize, count: u64) {
    if let Some(counter) = counters.get(index) {
        counter.inc_by(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start() {
        let telemetry = Telemetry::new(7);
        let _ = (
            telemetry.pipeline("Q_1"),
            telemetry.feed("Q_1"),
            telemetry.sink("main").spool(),
            telemetry.sink("without"),
            telemetry.recording(),
            telemetry.tls_errors(),
        );
        let _ = telemetry.api_requests("token", "ok");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, telemetry.registry()).unwrap();
        for line in [
            "axp_exporter_series_limit 7",
            r#"axp_exporter_rows{measure_producer_id="Q_1"} 0"#,
            r#"axp_exporter_series{measure_producer_id="Q_1"} 0"#,
            r#"axp_exporter_feed_up{measure_producer_id="Q_1"} 0"#,
            r#"axp_exporter_reconnects_total{measure_producer_id="Q_1",reason="closed"} 0"#,
            r#"axp_exporter_api_requests_total{operation="token",outcome="ok"} 0"#,
            r#"axp_exporter_tls_errors_total{reason="unknown_issuer"} 0"#,
            r#"axp_exporter_events_total{measure_producer_id="Q_1",payload_type="live",event_action="delete"} 0"#,
            r#"axp_exporter_events_rejected_total{reason="unknown_row"} 0"#,
            r#"axp_exporter_readings_total{outcome="absent"} 0"#,
            r#"axp_exporter_readings_rejected_total{reason="series_limit"} 0"#,
            r#"axp_exporter_rows_retired_total{measure_producer_id="Q_1",cause="stale"} 0"#,
            r#"axp_exporter_rows_refused_total{reason="label_collision"} 0"#,
            r#"axp_exporter_scrapes_total{format="openmetrics"} 0"#,
            r#"axp_exporter_influx_lines_total{sink="main",outcome="written"} 0"#,
            r#"axp_exporter_influx_spool_bytes{sink="main"} 0"#,
            r#"axp_exporter_influx_spool_up{sink="main"} 0"#,
            r#"axp_exporter_influx_spool_set_aside_total{sink="main"} 0"#,
            r#"axp_exporter_record_records_total{outcome="dropped"} 0"#,
            "axp_exporter_record_up{} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
        assert!(text.contains(&format!("version=\"{VERSION}\"")));
        assert!(!text.contains(r#"influx_spool_up{sink="without"}"#), "a sink without a spool has none");
    }
}
