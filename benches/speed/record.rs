//! What recording costs a feed, beside the same events without: each is written anew into the queue of the
//! recording, without what privacy keeps back. Compressing them is the work of another thread.

use axp_exporter::config::Personal;
use axp_exporter::parse::privacy::Privacy;
use axp_exporter::pipeline::Moment;
use axp_exporter::recording::Recorder;
use axp_exporter::sink::queue::{self, Batch};
use prometheus_client::metrics::counter::Counter;

use crate::frames;
use crate::ingest::{ROWS, known};
use crate::report::{Report, Target, per_second, versus};

const ROUNDS: usize = 10;
/// Events between two looks into the queue, far from filling it.
const TAKEN: usize = 1000;

pub(crate) fn measure(report: &mut Report) {
    let frames = frames::agents(ROWS);
    let mut plain = known(frames::AGENTS, &frames);
    let mut tapped = known(frames::AGENTS, &frames);
    let dropped = Counter::default();
    let (sender, receiver) = queue::lines(1 << 20, dropped.clone());
    let recorder = Recorder::new(sender, Moment::now(), "EZCLTR");
    recorder.begin(&Privacy::new(Personal::Drop, &[], None), Moment::now());
    tapped.pipeline.record(recorder.tap(frames::AGENTS, Moment::now()));
    let mut batch = Batch::default();
    let (without, with) = versus(
        ROUNDS,
        || plain.apply(&frames),
        || {
            for some in frames.chunks(TAKEN) {
                tapped.apply(some);
                receiver.take(&mut batch);
                batch.bytes.clear();
            }
        },
    );
    assert_eq!(dropped.get(), 0, "all events are recorded");
    report.add(
        "frame to table and record: 14 measures",
        per_second(frames.len(), with),
        format!("without a recording {}", per_second(frames.len(), without)),
        without.as_secs_f64() / with.as_secs_f64(),
        Target::None,
    );
}
