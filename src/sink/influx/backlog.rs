//! The backlog: the spool as a sink's task uses it, with the clock, the counters, and a task
//! of its own that flushes to the disk.
//!
//! Lines that were put in are on the disk after [`SYNC_INTERVAL`], whatever the sink waits for
//! meanwhile; more often nothing is flushed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::alarm::Alarm;
use super::blocking::Blocking;
use super::disk::is_mistake;
use super::load::Load;
use super::spool::{Found, Losses, Spool};
use crate::config::Influx;
use crate::telemetry;

/// How long lines may be in the spool and not on the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// What can go wrong with a spool.
const OPENING: &str = "the spool cannot be opened";
const READING: &str = "lines cannot be read from the spool";
const WRITING: &str = "lines cannot be put in the spool";
const SYNCING: &str = "the spool cannot be flushed to the disk";

/// Lines on disk that wait for the target.
#[derive(Debug)]
pub(super) struct Backlog {
    spool: Blocking<Spool>,
    is_open: bool,
    /// What was taken out and is on its way still.
    current: Option<Taken>,
    bytes: u64,
    changed: Arc<Notify>,
    syncing: JoinHandle<()>,
    alarm: Arc<Mutex<Alarm>>,
    metrics: telemetry::Sink,
}

/// A load out of the spool, where it stays until all of it is settled.
#[derive(Debug)]
pub(super) struct Taken {
    /// What is not settled yet.
    pub(super) load: Load,
    found: Found,
    /// What it was like then, see [`Load::state`].
    before: (usize, usize),
}

impl Backlog {
    /// Opens the spool of a sink. A disk that does not let it be opened now is asked again.
    ///
    /// # Errors
    /// Where it can never be used.
    pub(super) async fn open(config: &Influx, metrics: telemetry::Sink) -> io::Result<Self> {
        let counts = metrics.spool();
        let losses = Losses { lines: metrics.dropped.clone(), files: counts.set_aside };
        let (bytes_max, age_max) = (config.spool_bytes.get(), config.spool_age.get());
        let spool = Blocking::new(Spool::new(&config.spool_dir, bytes_max, age_max, losses));
        let alarm = Alarm::new(&metrics.name, counts.up, "the spool can be used again");
        let (alarm, changed) = (Arc::new(Mutex::new(alarm)), Arc::new(Notify::new()));
        let syncing = tokio::spawn(sync(spool.clone(), Arc::clone(&alarm), Arc::clone(&changed)));
        let mut backlog =
            Self { spool, is_open: false, current: None, bytes: 0, changed, syncing, alarm, metrics };
        let opened = backlog.run(OPENING, |spool| Ok(spool.open())).await;
        match opened {
            Some(Err(err)) if is_mistake(&err) => return Err(err),
            Some(opened) => backlog.is_open = note(&backlog.alarm, OPENING, opened).is_some(),
            None => {}
        }
        Ok(backlog)
    }

    /// Whether there is something to take, or the disk to be asked again.
    pub(super) fn has_work(&self) -> bool {
        let alarm = lock(&self.alarm);
        self.bytes > 0 || [OPENING, READING, WRITING].iter().any(|what| alarm.is_raised(what))
    }

    /// Puts a load in; what is left in it could not be written.
    pub(super) async fn store(&mut self, load: &mut Load) {
        if self.open_again().await.is_none() {
            return;
        }
        while let Some(piece) = load.front().cloned() {
            let stored = self.run(WRITING, move |spool| spool.append(&piece, unix_ms())).await;
            if stored.is_none() {
                return;
            }
            load.pop();
            self.changed.notify_one();
        }
    }

    /// The oldest lines, in pieces of at most `piece_bytes`, to be given back; none where there
    /// are none, or the disk does not give them now.
    pub(super) async fn take(&mut self, piece_bytes: usize) -> Option<Taken> {
        if let Some(current) = self.current.take() {
            return Some(current);
        }
        self.open_again().await?;
        let was_full = lock(&self.alarm).is_raised(WRITING);
        if was_full {
            self.run(WRITING, Spool::prepare).await;
        }
        let mut found = self.run(READING, move |spool| spool.read(piece_bytes, unix_ms())).await??;
        let load = Load::new(std::mem::take(&mut found.lines), piece_bytes);
        let before = load.state();
        Some(Taken { load, found, before })
    }

    /// Takes back what was taken. What is under way, some of it settled or lines isolated, is
    /// given out again as it is now; what is not may grow old in the spool.
    pub(super) async fn give_back(&mut self, taken: Taken) {
        let is_settled = taken.load.is_empty();
        if !is_settled && taken.load.state() != taken.before {
            self.current = Some(taken);
            return;
        }
        let found = taken.found;
        let work = move |spool: &mut Spool| {
            if is_settled {
                spool.settle(&found);
            } else {
                spool.release();
            }
            Ok(())
        };
        self.run(READING, work).await;
    }

    /// Flushes to the disk what is in the spool.
    pub(super) async fn close(&mut self) {
        self.syncing.abort();
        // Of a load that was delivered in part only the rest is kept.
        if let Some(mut taken) = self.current.take()
            && taken.load.state().1 < taken.before.1
        {
            self.store(&mut taken.load).await;
            if taken.load.is_empty() {
                self.give_back(taken).await;
            }
        }
        note(&self.alarm, SYNCING, self.spool.run(Spool::sync).await.flatten());
    }

    /// Opens the spool, unless it is open.
    async fn open_again(&mut self) -> Option<()> {
        if !self.is_open {
            self.run(OPENING, Spool::open).await?;
            self.is_open = true;
        }
        Some(())
    }

    /// Does something with the spool, and notes how it went.
    async fn run<T: Send + 'static>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut Spool) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let work = move |spool: &mut Spool| (work(spool), spool.bytes());
        let (done, bytes) = self.spool.run(work).await.unwrap_or_else(|err| (Err(err), self.bytes));
        self.bytes = bytes;
        self.metrics.spool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        note(&self.alarm, what, done)
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.syncing.abort();
    }
}

/// Flushes to the disk, a while after something was put in, and until it is there.
async fn sync(spool: Blocking<Spool>, alarm: Arc<Mutex<Alarm>>, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        loop {
            tokio::time::sleep(SYNC_INTERVAL).await;
            if note(&alarm, SYNCING, spool.run(Spool::sync).await.flatten()).is_some() {
                break;
            }
        }
    }
}

/// Notes how something went; gives what came of it.
fn note<T>(alarm: &Mutex<Alarm>, what: &'static str, done: io::Result<T>) -> Option<T> {
    let mut alarm = lock(alarm);
    done.inspect(|_| alarm.clear(what)).inspect_err(|err| alarm.raise(what, err)).ok()
}

fn lock(alarm: &Mutex<Alarm>) -> MutexGuard<'_, Alarm> {
    alarm.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    #[tokio::test(start_paused = true)]
    async fn lines_are_on_the_disk_after_half_a_second_and_nothing_is_flushed_more_often() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Telemetry::new(1).sink("main");
        let config = Influx { spool_dir: folder.path().to_owned(), ..Influx::default() };
        let mut backlog = Backlog::open(&config, metrics.clone()).await.unwrap();
        for _ in 0..3 {
            for _ in 0..4 {
                let mut load = Load::new(b"a x=1 1\n".to_vec(), 100);
                backlog.store(&mut load).await;
                assert!(load.is_empty());
                assert!(!backlog.spool.run(|spool| spool.is_synced()).await.unwrap());
                tokio::time::sleep(SYNC_INTERVAL / 5).await;
            }
            tokio::time::sleep(SYNC_INTERVAL / 4).await;
            assert!(backlog.spool.run(|spool| spool.is_synced()).await.unwrap());
        }
        assert_eq!(metrics.spool_bytes.get(), 16 + 12 * (16 + 8));
    }
}
