//! One scrape as the exporter counts it.

use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;

use super::Telemetry;

/// Counts a scrape when it begins, so that it sees itself, and times it until it is dropped.
#[derive(Debug)]
pub struct ScrapeTimer {
    started: Instant,
    duration: Histogram,
}

impl ScrapeTimer {
    /// A scrape in this format begins.
    pub fn start(telemetry: &Telemetry, format: &'static str) -> Self {
        telemetry.scrapes(format).inc();
        Self { started: Instant::now(), duration: telemetry.scrape_duration() }
    }
}

impl Drop for ScrapeTimer {
    fn drop(&mut self) {
        self.duration.observe(self.started.elapsed().as_secs_f64());
    }
}
