//! The backlog: the spool as a sink's task uses it, with the clock and the counters.
//!
//! Lines that were put in are on the disk after [`SYNC_INTERVAL`], whatever the sink waits for
//! meanwhile ([`Backlog::flushing`]); more often nothing is flushed. A disk that hangs is waited for as long as the pace
//! says, once, and does meanwhile what it was asked to: new lines go on to a target that takes them.
//! Whatever is waited for here may be given up: no line is lost by that.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};

use super::load::{Load, count_lines};
use super::spool::{Found, Losses, Spool, Unflushed};
use crate::blocking::Blocking;
use crate::config::Influx;
use crate::sink::alarm::Alarm;
use crate::sink::disk::is_mistake;
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
    /// What is being put in, as long as the disk may take.
    storing: Option<(Bytes, Work<()>)>,
    bytes: u64,
    patience: Patience,
    changed: Arc<Notify>,
    alarm: Arc<Mutex<Alarm>>,
    metrics: telemetry::Sink,
}

/// How long the disk is waited for.
#[derive(Debug)]
struct Patience {
    /// At most, where it was quick before.
    longest: Duration,
    /// Whether the last wait was given up.
    is_lost: bool,
}

impl Patience {
    /// Waits for what is done with the spool; not at all while that is at what was given up before.
    async fn wait<T>(&mut self, spool: &Blocking<Spool>, work: impl Future<Output = T>) -> Option<T> {
        let longest = if self.is_lost && spool.is_busy() { Duration::ZERO } else { self.longest };
        // Who waits for this may give it up, too.
        self.is_lost = true;
        let done = tokio::time::timeout(longest, work).await.ok()?;
        self.is_lost = false;
        Some(done)
    }
}

/// Something that is done with the spool; and the bytes it has then.
type Work<T> = JoinHandle<io::Result<(io::Result<T>, u64)>>;

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
    /// Opens the spool of a sink. A disk that does not let it be opened now is asked again. One that
    /// has not done within `patience` what somebody waits for is not waited for.
    ///
    /// # Errors
    /// Where it can never be used.
    pub(super) async fn open(
        config: &Influx,
        patience: Duration,
        metrics: telemetry::Sink,
    ) -> io::Result<Self> {
        let counts = metrics.spool();
        let losses = Losses { lines: metrics.dropped.clone(), files: counts.set_aside };
        let (bytes_max, age_max) = (config.spool_bytes.get(), config.spool_age.get());
        let spool = Blocking::new(Spool::new(&config.spool_dir, bytes_max, age_max, losses));
        let alarm = Alarm::new(&metrics.name, counts.up, "the spool can be used again");
        let (alarm, changed) = (Arc::new(Mutex::new(alarm)), Arc::new(Notify::new()));
        let (is_open, current, storing, bytes) = (false, None, None, 0);
        let patience = Patience { longest: patience, is_lost: false };
        let mut backlog = Self { spool, is_open, current, storing, bytes, patience, changed, alarm, metrics };
        let opened = backlog.run(OPENING, |spool| Ok(spool.open(unix_ms()))).await;
        match opened {
            Some(Err(err)) if is_mistake(&err) => return Err(err),
            Some(opened) => backlog.is_open = note(&backlog.alarm, OPENING, opened).is_some(),
            None => {}
        }
        Ok(backlog)
    }

    /// Flushes to the disk, a while after something was put in, and until it is there. To be done
    /// beside everything else, by who would be missed: lines that are flushed no more are missed by
    /// nobody.
    pub(super) fn flushing(&self) -> impl Future<Output = Infallible> + use<> {
        let (spool, longest) = (self.spool.clone(), self.patience.longest);
        let (alarm, changed) = (Arc::clone(&self.alarm), Arc::clone(&self.changed));
        async move {
            loop {
                changed.notified().await;
                tokio::time::sleep(SYNC_INTERVAL).await;
                while flush_patiently(&spool, &alarm, longest).await.is_none() {
                    tokio::time::sleep(SYNC_INTERVAL).await;
                }
            }
        }
    }

    /// Whether lines can be put in, for all that is known.
    pub(super) fn takes_lines(&self) -> bool {
        let alarm = lock(&self.alarm);
        ![OPENING, WRITING].iter().any(|what| alarm.is_raised(what))
    }

    /// Whether there is something to take, or the disk to be asked again.
    pub(super) fn has_work(&self) -> bool {
        let alarm = lock(&self.alarm);
        self.bytes > 0 || [OPENING, READING, WRITING].iter().any(|what| alarm.is_raised(what))
    }

    /// Bytes and lines that are being put in, and may be in memory only.
    pub(super) fn in_memory(&self) -> (usize, u64) {
        self.storing.as_ref().map_or((0, 0), |(piece, _)| (piece.len(), count_lines(piece)))
    }

    /// Puts a load in; what is left in it could not be written.
    pub(super) async fn store(&mut self, load: &mut Load) {
        if self.open_again().await.is_none() {
            return;
        }
        while self.is_stored(load).await
            && let Some(piece) = load.pop()
        {
            self.begin_storing(piece);
        }
    }

    fn begin_storing(&mut self, piece: Bytes) {
        let lines = piece.clone();
        self.storing = Some((piece, self.begin(move |spool| spool.append(&lines, unix_ms()))));
    }

    /// Whether what was to be put in is in the spool. It goes back to the load where it cannot be
    /// written; where the disk hangs, it is seen to the next time.
    async fn is_stored(&mut self, load: &mut Load) -> bool {
        let Some((piece, storing)) = &mut self.storing else { return true };
        let Some(stored) = self.patience.wait(&self.spool, storing).await else {
            note(&self.alarm, WRITING, hangs::<()>());
            return false;
        };
        let piece = std::mem::take(piece);
        self.storing = None;
        let is_stored = self.end(WRITING, stored).is_some();
        if is_stored {
            self.changed.notify_one();
        } else {
            load.push_front(&piece, piece.len());
        }
        is_stored
    }

    /// The oldest lines, in pieces of at most `piece_bytes`, to be given back; none where there
    /// are none, or the disk does not give them now.
    pub(super) async fn take(&mut self, piece_bytes: usize) -> Option<Taken> {
        if let Some(current) = self.current.take() {
            return Some(current);
        }
        self.open_again().await?;
        let mut late = Load::default();
        if !self.is_stored(&mut late).await {
            late.pop().into_iter().for_each(|piece| self.begin_storing(piece));
            return None;
        }
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
        // This must not be given up: what is settled would come again.
        let mut work = self.begin(move |spool| {
            if is_settled {
                spool.settle(&found);
            } else {
                spool.release(&found);
            }
            Ok(())
        });
        match self.patience.wait(&self.spool, &mut work).await {
            Some(done) => drop(self.end(READING, done)),
            None => drop(note(&self.alarm, READING, hangs::<()>())),
        }
    }

    /// Waits, at most so long, until everything is in the spool and flushed to the disk; what is in
    /// memory only then is dropped. What the target has left `unsent` is put in, too, and counts as
    /// what it was before.
    pub(super) async fn close(&mut self, mut unsent: Load, within: Duration) {
        let deadline = Instant::now() + within;
        let mut late = Load::default();
        let _ = timeout_at(deadline, self.is_stored(&mut late)).await;
        if let Some((piece, _)) = self.storing.take() {
            note(&self.alarm, WRITING, hangs::<()>());
            late.push_front(&piece, usize::MAX);
        }
        self.metrics.dropped.inc_by(late.lines());
        let _ = timeout_at(deadline, self.keep_rest()).await;
        let _ = timeout_at(deadline, self.keep(&mut unsent)).await;
        let flushed = timeout_at(deadline, flush(&self.spool)).await;
        note(&self.alarm, SYNCING, flushed.unwrap_or_else(|_| hangs()));
    }

    /// Of a load that was delivered in part only the rest is kept. Where it cannot be put in anew, all
    /// of it is.
    async fn keep_rest(&mut self) {
        if let Some(mut taken) = self.current.take()
            && taken.load.state().1 < taken.before.1
            && self.keep(&mut taken.load).await
        {
            self.give_back(taken).await;
        }
    }

    /// Puts a load in; whether all of it is there.
    async fn keep(&mut self, load: &mut Load) -> bool {
        self.store(load).await;
        load.is_empty() && self.is_stored(load).await
    }

    /// Opens the spool, unless it is open.
    async fn open_again(&mut self) -> Option<()> {
        if !self.is_open {
            self.run(OPENING, |spool| spool.open(unix_ms())).await?;
            self.is_open = true;
        }
        Some(())
    }

    /// Does something with the spool, in time or not, and notes how it went.
    async fn run<T: Send + 'static>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&mut Spool) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let work = self.spool.run(move |spool| (work(spool), spool.bytes()));
        match self.patience.wait(&self.spool, work).await {
            Some(done) => self.end(what, Ok(done)),
            None => note(&self.alarm, what, hangs()),
        }
    }

    /// Begins to do something with the spool, which goes on though nobody waits for it.
    fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> io::Result<T> + Send + 'static,
    ) -> Work<T> {
        let spool = self.spool.clone();
        tokio::spawn(async move { spool.run(|spool| (work(spool), spool.bytes())).await })
    }

    /// Notes how it went.
    fn end<T>(
        &mut self,
        what: &'static str,
        done: Result<io::Result<(io::Result<T>, u64)>, JoinError>,
    ) -> Option<T> {
        let done = done.map_err(io::Error::other).flatten();
        let (done, bytes) = done.unwrap_or_else(|err| (Err(err), self.bytes));
        self.bytes = bytes;
        self.metrics.spool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        note(&self.alarm, what, done)
    }
}

/// Flushes the spool, and notes how that went, and before that where it takes longer than `longest`.
async fn flush_patiently(spool: &Blocking<Spool>, alarm: &Mutex<Alarm>, longest: Duration) -> Option<()> {
    let mut flush = pin!(flush(spool));
    let flushed = if let Ok(flushed) = tokio::time::timeout(longest, &mut flush).await {
        flushed
    } else {
        note(alarm, SYNCING, hangs::<()>());
        flush.await
    };
    note(alarm, SYNCING, flushed)
}

/// Flushes the spool, which can be used meanwhile.
async fn flush(spool: &Blocking<Spool>) -> io::Result<()> {
    let unflushed = spool.run(|spool| spool.unflushed()).await?;
    let flush = tokio::task::spawn_blocking(|| unflushed.map(Unflushed::flush));
    let flushed = flush.await.map_err(io::Error::other)?;
    spool.run(|spool| spool.note_flushed(flushed)).await.flatten()
}

/// What is said of a disk that is not waited for any longer.
fn hangs<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::TimedOut, "the disk takes too long"))
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
mod tests;
