//! A replay whose outcome goes to stdout: nothing is served, and no sink is opened.
//!
//! Lines are written as they come, those before a fault of the recording too. Where stdout is full the
//! replay waits, though a signal does not wait long for it.

use std::io::{self, Write};
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use super::{sum_up, tell};
use crate::app::{Outcome, Recordings};
use crate::command::kit::write_series;
use crate::command::stdout::{self, Output};
use crate::command::{Exit, refuse};
use crate::config::{Loaded, OnDelete};
use crate::ingest::feeds::Feeds;
use crate::pipeline::LineOutput;
use crate::recording::{Progress, Replay};
use crate::signals::Stop;
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;

/// Lines that are written in one go; they are taken from time to time in any case.
const WRITE_BYTES: usize = 64 << 10;

/// What a thread has written, and what came of the replay.
type Written = (Outcome, io::Result<()>);

/// Replays, and writes what comes of it.
pub(super) async fn replay(
    loaded: &Loaded,
    recordings: Recordings,
    (output, markers): (Output, bool),
    stop: Stop,
    file: &str,
) -> Exit {
    let series = loaded.config.limits.series;
    let feeds = Arc::new(Feeds::new(Limits::new(series)));
    let telemetry = Arc::new(Telemetry::new(series));
    let (sender, receiver) = queue::lines(WRITE_BYTES, Counter::default());
    let on_delete = if markers { OnDelete::Marker } else { OnDelete::None };
    let outputs = if output == Output::Lines { vec![LineOutput { sender, on_delete }] } else { Vec::new() };
    let player = match recordings.player(loaded, outputs, (telemetry, Arc::clone(&feeds))) {
        Ok(player) => player,
        Err(err) => return refuse(file, &err),
    };
    let replay = recordings.replay(player);
    let (stop_replay, stopped) = watch::channel(false);
    let mut running = tokio::task::spawn_blocking(move || run(replay, &receiver, &feeds, output, &stopped));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = stop.wait() => {
            stop_replay.send_replace(true);
            match tokio::time::timeout(stdout::STOP_TIMEOUT, running).await {
                Ok(ended) => ended,
                Err(_) => return stdout::unread("replay"),
            }
        }
    };
    match ended {
        Ok((outcome, Ok(()))) => sum_up(Some(outcome)),
        Ok((_, Err(err))) => stdout::failed("replay", &err),
        Err(_) => sum_up(None),
    }
}

fn run(
    replay: Replay,
    receiver: &LineReceiver,
    feeds: &Feeds,
    output: Output,
    stopped: &watch::Receiver<bool>,
) -> Written {
    let (mut out, mut written) = (io::stdout().lock(), Ok(()));
    let (mut batch, mut tell) = (Batch::default(), tell());
    let mut take = || {
        batch.bytes.clear();
        receiver.take(&mut batch);
        if written.is_ok() {
            written = out.write_all(&batch.bytes);
        }
        written.is_ok()
    };
    let outcome = replay.run(stopped, |progress: &Progress| take() && tell(progress));
    // Where it failed on the way, what came before that.
    take();
    drop(tell);
    if output == Output::Prometheus && outcome.is_ok() && written.is_ok() {
        written = write_series(&mut out, &feeds.tables()).1;
    }
    (Ok(outcome), written.and_then(|()| out.flush()))
}
