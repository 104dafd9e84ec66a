//! Any bytes as frames, one a line; an empty line begins a session. Whatever comes, both outputs stay
//! legal.

use std::time::{Duration, Instant};

use axp_exporter::config::Producer;
use axp_exporter::pipeline::{Blueprint, Moment};
use axp_exporter::table::rows::Limits;

use super::outputs::Bench;

/// Takes the frames.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let blueprint = Blueprint { limits: Limits::new(60), label_value_bytes: 32, ..Blueprint::default() };
    let producer = Producer {
        id: "Queue_itd_1.0.0".to_owned(),
        labels: vec!["queueName".to_owned()],
        ..Producer::default()
    };
    let mut bench = Bench::new(&blueprint, producer);
    let mut now = Moment { instant: Instant::now(), unix_ns: 0 };
    bench.pipeline.session_opened(now);
    for frame in text.split('\n') {
        now = now.later(now.instant + Duration::from_secs(4));
        if frame.is_empty() {
            bench.pipeline.session_lost(now);
            bench.pipeline.session_opened(now);
        } else {
            let _ = bench.pipeline.apply(frame, now);
        }
        bench.pipeline.tick(now.instant);
    }
    bench.check();
}
