//! The task of one line protocol sink: takes lines from its queue and delivers them.
//!
//! ```text
//! line ─► queue ─► load ─────────────────► target
//!                    └─► backlog (spool) ──┘
//! ```
//!
//! Lines are gathered for `flush_interval` or until `batch_bytes`. When the target fails they
//! are tried again, after pauses that grow, or when the server says, or rarely where somebody
//! has to put something right. Meanwhile lines wait in the backlog, on disk, if there is one;
//! else the load waits in memory and the queue behind it, which drops new lines when it is full.
//!
//! When the target is back, new lines go to it at once, and the backlog between them, one step
//! after another (a request of HTTP, a piece elsewhere) with a pause as long as the last one took:
//! it has half of the target's time at most, and new lines wait for one step of it. Each sink is a
//! task with a queue of its own, so a slow one holds up nothing else.
//!
//! A disk that is full, read-only or broken when a file or the spool is opened is no reason not
//! to start: see `sink/disk.rs`.
//!
//! It ends, with everything delivered, put in the backlog or counted as dropped, soon after its
//! queue has ended. Every line is counted once: as written, rejected (by the server, for good)
//! or dropped; those that are not counted yet wait.

mod backlog;
mod datagrams;
mod file;
mod http;
mod load;
mod output;
mod pace;
mod spool;
mod stream;
mod target;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Influx, InfluxSecrets, Target as Kind};
use crate::failure::describe;
use crate::ingest::dial::{self, Dialer};
use crate::ingest::pause::Pauses;
use crate::sink::alarm::Alarm;
use crate::sink::disk::is_mistake;
use crate::sink::queue::{Batch, LineReceiver};
use crate::telemetry;

use backlog::Backlog;
use load::Load;
pub use pace::Pace;
use spool::Spool;
#[cfg(any(test, fuzzing))]
pub use spool::drill::Drill;
use target::{Again, Target, Trouble, timed};

/// What can go wrong with a target.
const DELIVERY: &str = "lines cannot be delivered";

/// Why a sink cannot be opened.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be opened for writing.
    Open(PathBuf, io::Error),
    /// The spool cannot be used.
    Spool(PathBuf, io::Error),
    /// The server's address is none.
    Url(String, url::ParseError),
    /// The way out cannot be set up.
    Dial(dial::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(path, _) => write!(formatter, "open {} for lines", path.display()),
            Self::Spool(path, _) => write!(formatter, "use {} as a spool", path.display()),
            Self::Url(url, _) => write!(formatter, "use {url} as an address"),
            Self::Dial(err) => write!(formatter, "{err}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(_, err) | Self::Spool(_, err) => Some(err),
            Self::Url(_, err) => Some(err),
            Self::Dial(err) => err.source(),
        }
    }
}

/// One sink, open.
#[derive(Debug)]
pub struct Sink {
    target: Target,
    backlog: Option<Backlog>,
    flush_interval: Duration,
    piece_bytes: usize,
    pace: Pace,
    pauses: Pauses,
    /// When the target may be tried again; in the past while all is well.
    resume_at: Instant,
    /// When the backlog's turn is.
    drain_at: Instant,
    /// Whether the target has taken the last new lines that it was given.
    takes_new_lines: bool,
    /// How the target fares.
    alarm: Alarm,
    metrics: telemetry::Sink,
}

impl Sink {
    /// Opens a configured sink, which calls servers by `way_out` as it is then. Files are opened
    /// now; servers and peers are called when there are lines for them, and looked up anew for each
    /// connection.
    ///
    /// # Errors
    /// Why it cannot be opened, unless that may pass by itself.
    pub async fn open(
        config: &Influx,
        secrets: &InfluxSecrets,
        way_out: &watch::Receiver<Dialer>,
        pace: Pace,
        metrics: telemetry::Sink,
    ) -> Result<Self, Error> {
        let target = Target::new(config, secrets, way_out)?;
        let mut alarm = Alarm::new(&metrics.name, metrics.up.clone(), "lines are delivered again");
        match timed(pace.disk, target.open()).await {
            Ok(works) => drop(metrics.up.set(i64::from(works))),
            Err(Trouble::Io(err)) if is_mistake(&err) => {
                return Err(Error::Open(config.path.clone(), err));
            }
            Err(trouble) => alarm.raise(DELIVERY, describe(&trouble)),
        }
        let mut backlog = None;
        if !config.spool_dir.as_os_str().is_empty() {
            let opened = Backlog::open(config, pace.disk, metrics.clone()).await;
            backlog = Some(opened.map_err(|err| Error::Spool(config.spool_dir.clone(), err))?);
        }
        Ok(Self {
            target,
            backlog,
            flush_interval: config.flush_interval.get(),
            piece_bytes: piece_bytes(config),
            pace,
            pauses: Pauses::new(pace.retry_min, pace.retry_max, rand::random()),
            resume_at: Instant::now(),
            drain_at: Instant::now(),
            takes_new_lines: true,
            alarm,
            metrics,
        })
    }

    /// What it is called in the configuration.
    pub fn name(&self) -> &str {
        &self.metrics.name
    }

    /// Delivers what comes until the queue ends. A change of `reopen` says that files may have
    /// been moved away.
    pub async fn run(mut self, receiver: LineReceiver, reopen: watch::Receiver<()>) {
        let flushing = OptionFuture::from(self.backlog.as_ref().map(Backlog::flushing));
        tokio::select! {
            () = self.deliver_all(&receiver, reopen) => {}
            Some(never) = flushing => match never {},
        }
        if let Some(backlog) = &mut self.backlog {
            let unsent = Load::new(self.target.unsent_lines(), self.piece_bytes);
            backlog.close(unsent, self.pace.disk_last()).await;
        }
        receiver.hold(0, 0);
    }

    /// Delivers until the queue ends, and what the target has begun then.
    async fn deliver_all(&mut self, receiver: &LineReceiver, mut reopen: watch::Receiver<()>) {
        let mut batch = Batch::default();
        loop {
            let (bytes, lines) = self.backlog.as_ref().map_or((0, 0), Backlog::in_memory);
            receiver.hold(bytes, lines);
            tokio::select! {
                more = receiver.receive(&mut batch, self.flush_interval) => {
                    if !more {
                        break;
                    }
                    let load = Load::new(std::mem::take(&mut batch.bytes), self.piece_bytes);
                    self.forward(load, receiver).await;
                }
                () = self.turn_of_the_backlog() => self.drain(receiver).await,
                () = self.turn_of_the_unsent() => {
                    self.attempt(&mut Load::new(Vec::new(), self.piece_bytes), receiver, 0).await;
                }
                Ok(()) = reopen.changed() => self.target.reopen(),
            }
        }
        match tokio::time::timeout(self.pace.last, self.target.finish()).await {
            Ok(Err(trouble)) => self.alarm.raise(DELIVERY, describe(&trouble)),
            Err(_) if self.target.has_unsent() => self.alarm.raise(DELIVERY, Trouble::Stopping),
            // A peer that has taken everything need not say so.
            Ok(Ok(())) | Err(_) => {}
        }
    }

    /// Settles a load, or puts it in the backlog.
    async fn forward(&mut self, mut load: Load, receiver: &LineReceiver) {
        loop {
            let mut is_cut_short = false;
            if self.resume_at <= Instant::now() {
                is_cut_short = !self.attempt(&mut load, receiver, usize::MAX).await;
                self.takes_new_lines = load.is_empty();
            }
            if load.is_empty() {
                return;
            }
            if let Some(backlog) = &mut self.backlog {
                self.pace.with_spool(receiver, backlog.store(&mut load)).await;
                if load.is_empty() {
                    return;
                }
            }
            let wait = tokio::time::timeout_at(self.next_try(), receiver.ended());
            if wait.await.is_ok() {
                if !is_cut_short {
                    self.attempt(&mut load, receiver, usize::MAX).await;
                }
                self.metrics.dropped.inc_by(load.lines());
                return;
            }
        }
    }

    /// Delivers a load as far as possible in so many steps, and notes how that went; false where
    /// the end of the queue cut it short.
    async fn attempt(&mut self, load: &mut Load, receiver: &LineReceiver, steps_max: usize) -> bool {
        // New lines would be dropped while a target hangs and the spool has room. A delivery that is
        // given up half-way does no harm, see `Target::deliver`.
        let gives_way = self.backlog.as_ref().is_some_and(Backlog::takes_lines);
        let before = load.state().1;
        let delivered = tokio::select! {
            delivered = self.target.deliver(load, &self.metrics, steps_max) => delivered,
            () = receiver.crowded(), if gives_way => Err(Trouble::TimedOut),
            () = self.pace.last_call(receiver) => Err(Trouble::Stopping),
        };
        let Err(trouble) = delivered else {
            self.pauses.reset();
            self.alarm.clear(DELIVERY);
            return true;
        };
        self.alarm.raise(DELIVERY, describe(&trouble));
        if load.state().1 < before {
            // It has taken something: it is slow, not away.
            self.pauses.reset();
        }
        let pause = match trouble.again() {
            Again::Soon => self.pauses.after_failure(),
            Again::NotBefore(time) => self.pauses.after_failure().max(time),
            Again::Rarely => self.pace.rare,
        };
        // A target that keeps nothing, such as UDP, has nothing to wait for.
        if !load.is_empty() || self.target.has_unsent() {
            self.resume_at = Instant::now() + pause;
        }
        !matches!(trouble, Trouble::Stopping)
    }

    /// When to try a load again that waits in memory.
    fn next_try(&self) -> Instant {
        match self.resume_at.checked_duration_since(Instant::now()) {
            Some(wait) if self.backlog.is_none() => Instant::now() + wait,
            // The spool is tried again sooner than a target that may be away for long.
            Some(wait) => Instant::now() + wait.min(self.pace.retry_min),
            None => Instant::now(),
        }
    }

    /// Waits until the backlog may be seen to; for ever where there is no need.
    async fn turn_of_the_backlog(&self) {
        match &self.backlog {
            Some(backlog) if backlog.has_work() => {
                tokio::time::sleep_until(self.drain_at.max(self.resume_at)).await;
            }
            _ => std::future::pending().await,
        }
    }

    /// Waits until what is left of a line may be tried again; for ever where nothing is.
    async fn turn_of_the_unsent(&self) {
        if self.target.has_unsent() {
            tokio::time::sleep_until(self.resume_at).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Delivers a step's worth of the backlog, so that new lines wait for no more than that.
    async fn drain(&mut self, receiver: &LineReceiver) {
        let Some(backlog) = &mut self.backlog else { return };
        let taken = self.pace.with_spool(receiver, backlog.take(self.piece_bytes)).await;
        let Some(mut taken) = taken.flatten() else {
            self.drain_at = Instant::now() + self.pace.retry_min;
            return;
        };
        let (begun, resume_at) = (Instant::now(), self.resume_at);
        self.attempt(&mut taken.load, receiver, 1).await;
        let took = begun.elapsed();
        let pause = if taken.load.is_empty() { self.pace.drain.max(took) } else { took };
        self.drain_at = Instant::now() + pause;
        if self.takes_new_lines {
            // It may be these lines that it has no use for; new ones do not wait.
            self.drain_at = self.drain_at.max(self.resume_at);
            self.resume_at = resume_at;
        }
        if let Some(backlog) = &mut self.backlog {
            self.pace.with_spool(receiver, backlog.give_back(taken)).await;
        }
    }
}

/// The most bytes of lines that are delivered or spooled at once.
fn piece_bytes(config: &Influx) -> usize {
    let mut bytes = config.batch_bytes.get();
    if config.target == Kind::File && config.rotate_bytes.get() > 0 {
        bytes = bytes.min(config.rotate_bytes.get());
    }
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let has_spool = !config.spool_dir.as_os_str().is_empty();
    if has_spool { bytes.min(Spool::piece_bytes(config.spool_bytes.get())) } else { bytes }
}
