//! A pipeline that is recorded, and what a replay of the recording gives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::config::{OnDelete, Personal, Producer};
use crate::ingest::feeds::Feeds;
use crate::parse::privacy::Privacy;
use crate::pipeline::{Blueprint, LineOutput, Moment, Pipeline, SharedTable};
use crate::recording::parts::Parts;
use crate::recording::replay::{End, Progress};
use crate::recording::{Error, Player, Reader, Recorder, Replay, Speed, Stage, in_order};
use crate::sink::exposition::{self, Format};
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;

pub(super) const PRODUCER: &str = "Agent_itd_1.0.0";
pub(super) const START_NS: i64 = 1_643_645_393_849_000_000;

/// What comes of events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) series: String,
    pub(super) lines: String,
    /// The exporter's own counters of events, readings and rows.
    pub(super) counted: Vec<String>,
}

/// A folder with a recording, and the pipeline that is recorded.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) pipeline: Pipeline,
    pub(super) recorder: Recorder,
    pub(super) now: Moment,
    parts: Parts,
    records: LineReceiver,
    telemetry: Telemetry,
    table: SharedTable,
    lines: LineReceiver,
}

pub(super) fn privacy(personal: Personal) -> Privacy {
    let key = SecretString::from("a key".to_owned());
    Privacy::new(personal, &["badge".to_owned()], Some(&key))
}

pub(super) fn blueprint(privacy: Privacy) -> Blueprint {
    Blueprint {
        account_id: "EZCLTR".to_owned(),
        privacy,
        limits: Limits::new(1000),
        snapshot_quiet: Duration::from_secs(10),
        stale_after: Duration::from_secs(60),
        ..Blueprint::default()
    }
}

pub(super) fn producer() -> Producer {
    Producer {
        id: PRODUCER.to_owned(),
        labels: vec!["site".to_owned(), "badge".to_owned()],
        deny: vec!["denied*".to_owned()],
        ..Producer::default()
    }
}

fn output() -> (LineOutput, LineReceiver) {
    let (sender, receiver) = queue::lines(1 << 20, Counter::default());
    (LineOutput { sender, on_delete: OnDelete::Marker }, receiver)
}

fn take(receiver: &LineReceiver) -> Vec<u8> {
    let mut batch = Batch::default();
    receiver.take(&mut batch);
    batch.bytes
}

fn outcome(table: &[SharedTable], lines: &LineReceiver, telemetry: &Telemetry) -> Outcome {
    let (mut series, mut counted) = (Vec::new(), String::new());
    exposition::render(&mut series, table, &Registry::default(), Format::Text);
    prometheus_client::encoding::text::encode(&mut counted, telemetry.registry()).unwrap();
    let is_of_pipelines = |line: &&str| {
        ["events", "readings", "rows_re", "feed_last", "feed_snapshot"]
            .iter()
            .any(|name| line.starts_with(&format!("axp_exporter_{name}")))
    };
    let is_counted = |line: &&str| is_of_pipelines(line) && !line.ends_with(" 0");
    let mut counted: Vec<String> = counted.lines().filter(is_counted).map(str::to_owned).collect();
    counted.sort_unstable();
    Outcome {
        series: String::from_utf8(series).unwrap(),
        lines: String::from_utf8(take(lines)).unwrap(),
        counted,
    }
}

impl Bench {
    pub(super) fn new(personal: Personal, rotate_bytes: u64) -> Self {
        Self::begun(START_NS, personal, rotate_bytes)
    }

    /// One that began at this time by the wall.
    pub(super) fn begun(unix_ns: i64, personal: Personal, rotate_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let began = Moment { instant: Instant::now(), unix_ns };
        let parts = Parts::new(&folder.path().join("r"), rotate_bytes, 1000, began);
        let (sender, records) = queue::lines(1 << 20, Counter::default());
        let recorder = Recorder::new(sender, began, "EZCLTR");
        let blueprint = blueprint(privacy(personal));
        recorder.begin(&blueprint.privacy, began);
        let telemetry = Telemetry::new(1000);
        let (output, lines) = output();
        let (mut pipeline, table) =
            blueprint.pipeline(producer(), vec![output], telemetry.pipeline(PRODUCER));
        pipeline.record(recorder.tap(PRODUCER, began));
        let _ = telemetry.feed(PRODUCER);
        Self { folder, pipeline, recorder, now: began, parts, records, telemetry, table, lines }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.later(self.now.instant + time);
    }

    pub(super) fn apply(&mut self, frame: &str) {
        let _ = self.pipeline.apply(frame, self.now);
    }

    /// Writes what was recorded, as the writer does now and then.
    pub(super) fn write(&mut self) {
        self.try_write().unwrap();
    }

    pub(super) fn try_write(&mut self) -> io::Result<()> {
        self.parts.append(&take(&self.records), 0, self.now)
    }

    /// Ends the recording.
    pub(super) fn end(&mut self) {
        self.write();
        self.parts.end(self.now).unwrap();
    }

    /// What came of it so far.
    pub(super) fn outcome(&mut self) -> Outcome {
        self.pipeline.tick(self.now.instant);
        outcome(std::slice::from_ref(&self.table), &self.lines, &self.telemetry)
    }

    /// The files, the oldest first.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let path = self.folder.path().join("r");
        let numbered = |number| PathBuf::from(format!("{}.{number}", path.display()));
        let mut files: Vec<PathBuf> = (1..1000).map(numbered).take_while(|path| path.exists()).collect();
        files.reverse();
        files.extend(Some(path).filter(|path| path.exists()));
        files
    }
}

/// Replays these files by a configuration with this privacy.
pub(super) fn replay(files: &[PathBuf], privacy: Privacy) -> Result<(Outcome, End), Error> {
    replay_through(output(), Speed::Max, files, privacy, |_| ())
}

/// The same at a pace, through this output; `hear` is told how far it is.
pub(super) fn replay_through(
    (output, lines): (LineOutput, LineReceiver),
    speed: Speed,
    files: &[PathBuf],
    privacy: Privacy,
    mut hear: impl FnMut(&Progress),
) -> Result<(Outcome, End), Error> {
    let read = Arc::new(AtomicU64::new(0));
    let open = |path: &PathBuf| Reader::open(path, 1 << 20, Arc::clone(&read));
    let readers = in_order(files.iter().map(open).collect::<Result<Vec<_>, _>>()?)?;
    let privacy = privacy.after(readers[0].header().privacy.clone());
    let (telemetry, feeds) = (Arc::new(Telemetry::new(1000)), Arc::new(Feeds::new(Limits::new(1000))));
    let player = Player::new(Stage {
        blueprint: blueprint(privacy),
        producers: vec![producer()],
        outputs: vec![output],
        telemetry: Arc::clone(&telemetry),
        feeds: Arc::clone(&feeds),
    });
    let (_stop, stopped) = watch::channel(false);
    let mut taken = Vec::new();
    let end = Replay::new(player, readers, speed, read).run(&stopped, |progress| {
        hear(progress);
        taken.extend(take(&lines));
        true
    })?;
    let outcome = outcome(&feeds.tables(), &lines, &telemetry);
    let lines = String::from_utf8(taken).unwrap() + &outcome.lines;
    Ok((Outcome { lines, ..outcome }, end))
}

/// All that a file says, unpacked.
pub(super) fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    let _ = std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text);
    text
}
