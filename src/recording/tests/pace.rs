//! A replay loses nothing, whatever comes at once, and takes the time it took; a tap keeps what matters.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::harness::*;
use crate::config::{OnDelete, Personal};
use crate::pipeline::{LineOutput, Moment};
use crate::recording::{Recorder, Speed, Told};
use crate::sink::queue::{self, Batch, LineReceiver};

fn event(agent: u32) -> String {
    format!(
        r#"{{"keys":{{"agentId":"{agent}"}},"eventAction":"UPSERT","payloadType":"LIVE","measures":{{"n":"1"}}}}"#
    )
}

#[test]
fn a_replay_loses_no_line_however_many_one_moment_brings() {
    const ROWS: u32 = 50;
    let mut bench = Bench::new(Personal::Drop, 0);
    bench.pipeline.session_opened(bench.now);
    for agent in 0..ROWS {
        bench.apply(&event(agent));
    }
    bench.pass(Duration::from_secs(1));
    bench.pipeline.session_lost(bench.now);
    // All rows go at once.
    bench.pass(Duration::from_secs(100));
    let expected = bench.outcome();
    bench.end();
    let dropped = Counter::default();
    let (sender, lines) = queue::bounded(1 << 20, 400, dropped.clone());
    let output = LineOutput { sender, on_delete: OnDelete::Marker };
    let through =
        replay_through((output, lines), Speed::Max, &bench.files(), privacy(Personal::Drop), |_| ());
    let (replayed, _) = through.unwrap();
    assert_eq!(expected.lines.matches("retired=true").count(), ROWS as usize, "{}", expected.lines);
    assert_eq!((replayed.lines, dropped.get()), (expected.lines, 0));
}

#[test]
fn what_lies_between_two_recordings_is_waited_for_before_it_is_over() {
    const GAP: Duration = Duration::from_secs(40);
    const SPEED: f64 = 100.0;
    let later = START_NS + i64::try_from(GAP.as_nanos()).unwrap();
    let mut benches = [START_NS, later].map(|unix_ns| Bench::begun(unix_ns, Personal::Drop, 0));
    for bench in &mut benches {
        bench.pipeline.session_opened(bench.now);
        bench.apply(&event(1));
        bench.end();
    }
    let files = benches.each_ref().map(|bench| bench.files()[0].clone());
    // As a shell may give them.
    let files = [files[1].clone(), files[0].clone()];
    let dropped = Counter::default();
    let (sender, lines) = queue::lines(1 << 20, dropped);
    let output = LineOutput { sender, on_delete: OnDelete::Marker };
    let (began, mut heard) = (Instant::now(), 0);
    let hear = |progress: &crate::recording::Progress| {
        heard += 1;
        let passed = began.elapsed().as_secs_f64() * SPEED;
        assert!(progress.time.as_secs_f64() <= passed, "{progress:?} after {passed}");
    };
    let privacy = privacy(Personal::Drop);
    let (_, end) = replay_through((output, lines), Speed::Times(SPEED), &files, privacy, hear).unwrap();
    assert!(heard > 1);
    assert_eq!((end.progress.time, end.progress.tally.applied), (GAP, 2));
}

/// A tap's recorder with little room, what it drops, and where records come out.
fn recorder() -> (Recorder, Counter, LineReceiver) {
    let dropped = Counter::default();
    let (sender, records) = queue::bounded(1 << 20, 4096, dropped.clone());
    (Recorder::new(sender, Moment::now(), "EZCLTR"), dropped, records)
}

fn taken(records: &LineReceiver) -> Vec<String> {
    let mut batch = Batch::default();
    records.take(&mut batch);
    String::from_utf8(batch.bytes).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn events_leave_room_for_what_is_told_once() {
    let (recorder, dropped, records) = recorder();
    let mut bench = Bench::new(Personal::Drop, 0);
    recorder.begin(&privacy(Personal::Drop), bench.now);
    bench.pipeline.record(recorder.tap(PRODUCER, bench.now));
    while dropped.get() == 0 {
        bench.apply(&event(1));
    }
    bench.pipeline.session_lost(bench.now);
    recorder.begin(&privacy(Personal::Hash), bench.now);
    let lines = taken(&records);
    let [.., lost, header] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(lost.contains("\"lost\"") && header.contains("\"personal\":\"hash\""), "{lines:?}");
    assert_eq!(dropped.get(), 1);
}

#[test]
fn nothing_is_recorded_until_the_header_above_it_is() {
    let (recorder, dropped, records) = recorder();
    let now = Moment::now();
    recorder.begin(&privacy(Personal::Keep), now);
    let mut tap = recorder.tap(PRODUCER, now);
    while dropped.get() == 0 {
        tap.tell(Told::Lost, now);
    }
    recorder.begin(&privacy(Personal::Hash), now);
    tap.tell(Told::Lost, now);
    assert_eq!(dropped.get(), 2);
    assert!(taken(&records).iter().skip(1).all(|line| !line.contains("header")));
    let mut bench = Bench::new(Personal::Hash, 0);
    bench.pipeline.record(tap);
    bench.apply(&event(1));
    let lines = taken(&records);
    let [header, event] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(header.contains("\"personal\":\"hash\"") && event.contains("\"event\""), "{lines:?}");
    assert_eq!(dropped.get(), 2);
}
