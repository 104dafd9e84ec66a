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
//! When the target is back, new lines go to it at once, and the backlog between them, one load
//! after another with a pause as long as the last one took: it has half of the target's time at
//! most. Each sink is a task with a queue of its own, so a slow one holds up nothing else.
//!
//! It ends, with everything delivered, put in the backlog or counted as dropped, soon after its
//! queue has ended. Every line is counted once: as written, rejected (by the server, for good)
//! or dropped; those that are not counted yet wait.

mod answer;
mod backlog;
mod blocking;
mod datagrams;
mod file;
mod http;
mod load;
mod output;
mod spool;
mod stream;
mod target;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use url::Url;

use crate::config::{Influx, InfluxSecrets, Target as Kind};
use crate::failure::describe;
use crate::ingest::dial::{self, Dialer};
use crate::ingest::pause::Pauses;
use crate::sink::queue::{Batch, LineReceiver};
use crate::telemetry;

use backlog::Backlog;
use blocking::Blocking;
use datagrams::Datagrams;
use file::LineFile;
use http::Http;
use load::Load;
use output::Output;
use spool::Spool;
use stream::{Address, Stream};
use target::{Again, Target, Trouble};

/// How often a target that is away is spoken of.
const REMIND_INTERVAL: Duration = Duration::from_secs(60);

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

/// How patient a sink is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The shortest pause after a failure.
    pub retry_min: Duration,
    /// The longest pause that failures lead to by themselves.
    pub retry_max: Duration,
    /// The pause where somebody has to put something right.
    pub rare: Duration,
    /// The shortest pause between two loads of the backlog.
    pub drain: Duration,
    /// How long a target may still take with a load when the program ends; two may be left.
    pub last: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            rare: Duration::from_secs(60),
            drain: Duration::from_millis(100),
            last: Duration::from_secs(2),
        }
    }
}

/// One sink, open.
#[derive(Debug)]
pub struct Sink {
    name: String,
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
    /// When a failure was spoken of last.
    warned_at: Option<Instant>,
    /// Whether its end has not been spoken of yet.
    is_warned: bool,
    metrics: telemetry::Sink,
}

impl Sink {
    /// Opens a configured sink. Files are opened now; servers and peers are called when there
    /// are lines for them, and looked up anew for each connection.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn open(
        config: &Influx,
        secrets: &InfluxSecrets,
        dialer: &Dialer,
        pace: Pace,
        metrics: telemetry::Sink,
    ) -> Result<Self, Error> {
        let mut piece_bytes = usize::try_from(config.batch_bytes.get()).unwrap_or(usize::MAX);
        let target = open_target(config, secrets, dialer).await?;
        // These are known to work; others show it with the first lines.
        metrics.up.set(i64::from(matches!(target, Target::File(_) | Target::Stdout(_))));
        if config.target == Kind::File && config.rotate_bytes.get() > 0 {
            piece_bytes = piece_bytes.min(usize::try_from(config.rotate_bytes.get()).unwrap_or(usize::MAX));
        }
        let mut backlog = None;
        if !config.spool_dir.as_os_str().is_empty() {
            let (bytes, age) = (config.spool_bytes.get(), config.spool_age.get());
            piece_bytes = piece_bytes.min(Spool::piece_bytes(bytes));
            let opened = Backlog::open(&config.spool_dir, bytes, age, metrics.clone()).await;
            backlog = Some(opened.map_err(|err| Error::Spool(config.spool_dir.clone(), err))?);
        }
        Ok(Self {
            name: config.name.clone(),
            target,
            backlog,
            flush_interval: config.flush_interval.get(),
            piece_bytes,
            pace,
            pauses: Pauses::new(pace.retry_min, pace.retry_max, rand::random()),
            resume_at: Instant::now(),
            drain_at: Instant::now(),
            warned_at: None,
            is_warned: false,
            metrics,
        })
    }

    /// What it is called in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers what comes until the queue ends. A change of `reopen` says that files may have
    /// been moved away.
    pub async fn run(mut self, receiver: LineReceiver, mut reopen: watch::Receiver<()>) {
        let mut batch = Batch::default();
        loop {
            tokio::select! {
                more = receiver.receive(&mut batch, self.flush_interval) => {
                    if !more {
                        break;
                    }
                    let load = Load::new(std::mem::take(&mut batch.bytes), self.piece_bytes);
                    self.forward(load, &receiver).await;
                }
                () = self.turn_of_the_backlog() => self.drain(&receiver).await,
                Ok(()) = reopen.changed() => self.target.reopen().await,
            }
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.close().await;
        }
    }

    /// Settles a load, or puts it in the backlog.
    async fn forward(&mut self, mut load: Load, receiver: &LineReceiver) {
        loop {
            let is_cut_short = self.resume_at <= Instant::now() && !self.attempt(&mut load, receiver).await;
            if load.is_empty() {
                return;
            }
            if let Some(backlog) = &mut self.backlog {
                match backlog.store(&mut load).await {
                    Ok(()) => return,
                    Err(err) => {
                        self.warn(&Trouble::Io(err), "lines cannot be put in the spool and wait in memory");
                    }
                }
            }
            let wait = tokio::time::timeout_at(self.next_try(), receiver.ended());
            if wait.await.is_ok() {
                if !is_cut_short {
                    self.attempt(&mut load, receiver).await;
                }
                self.metrics.dropped.inc_by(load.lines());
                return;
            }
        }
    }

    /// Delivers a load as far as possible, and notes how that went; false where the end of the
    /// queue cut it short.
    async fn attempt(&mut self, load: &mut Load, receiver: &LineReceiver) -> bool {
        let last_call = async {
            receiver.ended().await;
            tokio::time::sleep(self.pace.last).await;
        };
        // New lines would be dropped while a server hangs and the spool has room. A request that is
        // given up half-way does no harm: its lines come again, as the same points.
        let gives_way = self.backlog.is_some() && matches!(self.target, Target::Http(_));
        let delivered = tokio::select! {
            delivered = self.target.deliver(load, &self.metrics) => delivered,
            () = receiver.crowded(), if gives_way => Err(Trouble::TimedOut),
            () = last_call => Err(Trouble::Stopping),
        };
        let Err(trouble) = delivered else {
            self.pauses.reset();
            self.metrics.up.set(1);
            if std::mem::take(&mut self.is_warned) {
                info!(sink = self.name, "lines are delivered again");
            }
            return true;
        };
        self.metrics.up.set(0);
        let pause = match trouble.again() {
            Again::Soon => self.pauses.after_failure(),
            Again::NotBefore(time) => self.pauses.after_failure().max(time),
            Again::Rarely => self.pace.rare,
        };
        // A target that keeps nothing, such as UDP, has nothing to wait for.
        if !load.is_empty() {
            self.resume_at = Instant::now() + pause;
        }
        self.warn(&trouble, "lines cannot be delivered");
        !matches!(trouble, Trouble::Stopping)
    }

    /// When to try a load again that waits in memory.
    fn next_try(&mut self) -> Instant {
        match self.resume_at.checked_duration_since(Instant::now()) {
            Some(wait) if self.backlog.is_none() => Instant::now() + wait,
            // The spool is tried again sooner than a target that may be away for long.
            Some(wait) => Instant::now() + wait.min(self.pauses.after_failure()),
            None => Instant::now(),
        }
    }

    /// Waits until lines of the backlog may be delivered; for ever without any.
    async fn turn_of_the_backlog(&self) {
        match &self.backlog {
            Some(backlog) if !backlog.is_empty() => {
                tokio::time::sleep_until(self.drain_at.max(self.resume_at)).await;
            }
            _ => std::future::pending().await,
        }
    }

    /// Delivers one load of the backlog.
    async fn drain(&mut self, receiver: &LineReceiver) {
        let Some(backlog) = &mut self.backlog else { return };
        let mut taken = match backlog.take(self.piece_bytes).await {
            Ok(Some(taken)) => taken,
            Ok(None) => return,
            Err(err) => {
                self.drain_at = Instant::now() + self.pace.retry_min;
                return self.warn(&Trouble::Io(err), "lines cannot be read from the spool");
            }
        };
        let (begun, before) = (Instant::now(), taken.load.state());
        self.attempt(&mut taken.load, receiver).await;
        self.drain_at = Instant::now() + self.pace.drain.max(begun.elapsed());
        let is_under_way = taken.load.state() != before;
        if let Some(backlog) = &mut self.backlog {
            backlog.give_back(taken, is_under_way).await;
        }
    }

    /// Speaks of trouble, though not again within a while: it may come and go each second.
    fn warn(&mut self, trouble: &Trouble, what: &str) {
        if self.warned_at.is_none_or(|at| at.elapsed() >= REMIND_INTERVAL) {
            self.warned_at = Some(Instant::now());
            self.is_warned = true;
            warn!(sink = self.name, err = describe(trouble), "{what}");
        }
    }
}

async fn open_target(config: &Influx, secrets: &InfluxSecrets, dialer: &Dialer) -> Result<Target, Error> {
    let timeout = config.timeout.get();
    Ok(match config.target {
        Kind::Http => {
            let url = Url::parse(&config.url).map_err(|err| Error::Url(config.url.clone(), err))?;
            Target::Http(Box::new(Http::new(config, secrets, &url, dialer).map_err(Error::Dial)?))
        }
        Kind::File => {
            let path = config.path.clone();
            let (rotate_bytes, rotate_keep) = (config.rotate_bytes.get(), config.rotate_keep);
            let open = move || LineFile::open(&path, rotate_bytes, rotate_keep);
            let opened = tokio::task::spawn_blocking(open).await.map_err(io::Error::other).flatten();
            Target::File(Blocking::new(opened.map_err(|err| Error::Open(config.path.clone(), err))?))
        }
        Kind::Stdout => {
            let output = Output::stdout().map_err(|err| Error::Open("/dev/stdout".into(), err))?;
            Target::Stdout(Blocking::new(output))
        }
        Kind::Tcp => Target::Stream(Stream::new(Address::Tcp(config.address.clone()), timeout)),
        Kind::Unix => Target::Stream(Stream::new(Address::Unix(config.path.clone()), timeout)),
        Kind::Udp => Target::Datagrams(Datagrams::new(config.address.clone())),
    })
}
