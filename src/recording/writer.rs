//! The writer: the task that takes records from the taps' queue and writes them to files.
//!
//! It hands over what it has once a second, or sooner where there is much. While the disk takes
//! nothing (full, read-only, broken) the recording is suspended: its records are dropped and counted,
//! an alarm says so, and each batch tries again with a file anew. Neither the feeds nor anything else
//! waits for it. It ends, with the file closed in good order, when the last tap is gone.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::parts::Parts;
use super::tap::Recorder;
use crate::blocking::Blocking;
use crate::config;
use crate::pipeline::Moment;
use crate::sink::alarm::Alarm;
use crate::sink::disk::is_mistake;
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::telemetry;

/// How long records wait at most before they are handed over.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// From so many bytes on they do not wait.
const BATCH_BYTES: usize = 1 << 20;
/// What can go wrong.
const WRITING: &str = "the recording cannot be written";

/// Why there can be no recording.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "record to {} (record.path)", self.path.display())
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes what the taps tell.
#[derive(Debug)]
pub struct Writer {
    receiver: LineReceiver,
    parts: Blocking<Parts>,
    metrics: telemetry::Recording,
    alarm: Alarm,
    /// Records dropped for a full queue that a file tells of.
    told_missing: u64,
}

impl Writer {
    /// A recording as it is configured, and where pipelines find their taps.
    ///
    /// # Errors
    /// Where the path is a mistake. A disk that recovers is none.
    pub async fn open(
        config: &config::Record,
        account_id: &str,
        metrics: telemetry::Recording,
    ) -> Result<(Self, Recorder), OpenError> {
        let (sender, receiver) = queue::lines(BATCH_BYTES, metrics.dropped.clone());
        let began = Moment::now();
        let parts = Parts::new(&config.path, config.rotate_bytes.get(), config.rotate_keep, began);
        let parts = Blocking::new(parts);
        let mut alarm = Alarm::new("record", metrics.up.clone(), "the recording is written again");
        match parts.run(Parts::check).await.flatten() {
            Ok(()) => alarm.clear(WRITING),
            Err(source) if is_mistake(&source) => {
                return Err(OpenError { path: config.path.clone(), source });
            }
            Err(err) => alarm.raise(WRITING, err),
        }
        let writer = Self { receiver, parts, metrics, alarm, told_missing: 0 };
        Ok((writer, Recorder::new(sender, began, account_id)))
    }

    /// Writes until the last tap is gone.
    pub async fn run(mut self) {
        let mut batch = Batch::default();
        while self.receiver.receive(&mut batch, FLUSH_INTERVAL).await {
            let bytes = std::mem::take(&mut batch.bytes);
            batch.bytes = self.write(bytes, std::mem::take(&mut batch.lines)).await;
        }
        if let Err(err) = self.parts.run(|parts| parts.end(Moment::now())).await.flatten() {
            self.alarm.raise(WRITING, err);
        }
    }

    /// Writes records, counts what became of them, and gives their memory back.
    async fn write(&mut self, bytes: Vec<u8>, records: u64) -> Vec<u8> {
        let missing = self.metrics.dropped.get() - self.told_missing;
        let append = move |parts: &mut Parts| {
            let written = parts.append(&bytes, missing, Moment::now());
            (written, bytes)
        };
        let (written, mut bytes) = match self.parts.run(append).await {
            Ok(done) => done,
            Err(err) => (Err(err), Vec::new()),
        };
        bytes.clear();
        match written {
            Ok(()) => {
                self.told_missing += missing;
                self.metrics.written.inc_by(records);
                self.alarm.clear(WRITING);
            }
            Err(err) => {
                self.metrics.dropped.inc_by(records);
                self.alarm.raise(WRITING, err);
            }
        }
        bytes
    }
}
