//! The backlog: the spool as a sink's task uses it, with the clock, the counters, and a task
//! of its own that flushes to the disk.
//!
//! Lines that were put in are on the disk after [`SYNC_INTERVAL`], whatever the sink waits for
//! meanwhile; more often nothing is flushed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::warn;

use super::blocking::Blocking;
use super::load::Load;
use super::spool::{Found, Spool};
use crate::telemetry;

/// How long lines may be in the spool and not on the disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// Lines on disk that wait for the target.
#[derive(Debug)]
pub(super) struct Backlog {
    spool: Blocking<Spool>,
    /// What was taken out and is on its way still.
    current: Option<Taken>,
    bytes: u64,
    changed: Arc<Notify>,
    syncing: JoinHandle<()>,
    metrics: telemetry::Sink,
}

/// A load out of the spool, where it stays until all of it is settled.
#[derive(Debug)]
pub(super) struct Taken {
    /// What is not settled yet.
    pub(super) load: Load,
    found: Found,
    /// How many lines it had.
    lines: u64,
}

impl Backlog {
    /// Opens the spool in a folder.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub(super) async fn open(
        folder: &Path,
        bytes_max: u64,
        age_max: Duration,
        metrics: telemetry::Sink,
    ) -> io::Result<Self> {
        let folder = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || Spool::open(&folder, bytes_max, age_max));
        let spool = opened.await.map_err(io::Error::other)??;
        let bytes = spool.bytes();
        let (spool, changed) = (Blocking::new(spool), Arc::new(Notify::new()));
        let syncing = tokio::spawn(sync(spool.clone(), Arc::clone(&changed)));
        let mut backlog = Self { spool, current: None, bytes, changed, syncing, metrics };
        backlog.show(bytes);
        Ok(backlog)
    }

    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Puts a load in; what is left in it could not be written.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn store(&mut self, load: &mut Load) -> io::Result<()> {
        while let Some(piece) = load.front().cloned() {
            let work = move |spool: &mut Spool| (spool.append(&piece, unix_ms()), spool.bytes());
            let ((dropped, appended), bytes) = self.spool.run(work).await?;
            self.show(bytes);
            self.metrics.dropped.inc_by(dropped);
            appended?;
            load.pop();
            self.changed.notify_one();
        }
        Ok(())
    }

    /// The oldest lines, in pieces of at most `piece_bytes`; to be given back.
    ///
    /// # Errors
    /// Why the disk does not give them now.
    pub(super) async fn take(&mut self, piece_bytes: usize) -> io::Result<Option<Taken>> {
        if let Some(current) = self.current.take() {
            return Ok(Some(current));
        }
        let work = move |spool: &mut Spool| (spool.read(piece_bytes, unix_ms()), spool.bytes());
        let ((dropped, found), bytes) = self.spool.run(work).await?;
        self.metrics.dropped.inc_by(dropped);
        self.show(bytes);
        let Some(mut found) = found? else { return Ok(None) };
        let load = Load::new(std::mem::take(&mut found.lines), piece_bytes);
        let lines = load.lines();
        Ok(Some(Taken { load, found, lines }))
    }

    /// Takes back what was taken. What is under way, some of it settled or lines isolated, is
    /// given out again as it is now; what is not may grow old in the spool.
    pub(super) async fn give_back(&mut self, taken: Taken, is_under_way: bool) {
        let lines = taken.load.lines();
        if lines > 0 && (is_under_way || lines < taken.lines) {
            self.current = Some(taken);
            return;
        }
        let found = taken.found;
        let work = move |spool: &mut Spool| {
            if lines == 0 {
                spool.settle(&found);
            } else {
                spool.release();
            }
            spool.bytes()
        };
        if let Ok(bytes) = self.spool.run(work).await {
            self.show(bytes);
        }
    }

    /// Flushes to the disk what is in the spool.
    pub(super) async fn close(&mut self) {
        self.syncing.abort();
        // Of a load that was delivered in part only the rest is kept.
        if let Some(mut taken) = self.current.take()
            && taken.load.lines() < taken.lines
            && self.store(&mut taken.load).await.is_ok()
        {
            self.give_back(taken, false).await;
        }
        if let Err(err) = self.spool.run(Spool::sync).await.flatten() {
            warn!(err = %err, "the spool cannot be flushed to the disk");
        }
    }

    fn show(&mut self, bytes: u64) {
        self.bytes = bytes;
        self.metrics.spool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.syncing.abort();
    }
}

/// Flushes to the disk, a while after something was put in.
async fn sync(spool: Blocking<Spool>, changed: Arc<Notify>) {
    let mut worked = true;
    loop {
        changed.notified().await;
        tokio::time::sleep(SYNC_INTERVAL).await;
        let synced = spool.run(Spool::sync).await.flatten();
        if let Err(err) = &synced
            && worked
        {
            warn!(err = %err, "the spool cannot be flushed to the disk");
        }
        worked = synced.is_ok();
    }
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
        let opened = Backlog::open(folder.path(), 1 << 20, Duration::from_secs(60), metrics.clone()).await;
        let mut backlog = opened.unwrap();
        for _ in 0..3 {
            for _ in 0..4 {
                let mut load = Load::new(b"a x=1 1\n".to_vec(), 100);
                backlog.store(&mut load).await.unwrap();
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
