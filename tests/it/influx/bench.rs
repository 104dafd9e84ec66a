//! One sink with its queue and its books, and lines to send through it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axp_exporter::config::{Account, Config};
use axp_exporter::ingest::dial::Dialer;
use axp_exporter::sink::influx::{self, Pace, Sink};
use axp_exporter::sink::queue::{self, LineSender, QueueGauge};
use axp_exporter::telemetry::{self, Telemetry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long anything may take that a test waits for: the queue's worth of lines on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses that a test can wait for.
pub(crate) const PACE: Pace = Pace {
    retry_min: Duration::from_millis(5),
    retry_max: Duration::from_millis(20),
    rare: Duration::from_millis(200),
    drain: Duration::from_millis(5),
    disk: Duration::from_secs(2),
    last: Duration::from_secs(1),
};

/// A sink that runs.
pub(crate) struct Bench {
    sender: Option<LineSender>,
    made: u64,
    /// Where lines wait on disk, if anywhere, and how many did at the start.
    spool: PathBuf,
    found: u64,
    pub(crate) metrics: telemetry::Sink,
    pub(crate) queue: QueueGauge,
    running: JoinHandle<()>,
    reopen: watch::Sender<()>,
}

/// What became of the lines that were made, or found on disk at the start: each number is measured,
/// those that wait in the queue and in the files of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) made: u64,
    pub(crate) written: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) waiting: u64,
}

impl Books {
    /// Whether no line is missing, and none is counted twice.
    const fn balance(&self, found: u64) -> bool {
        self.made + found == self.written + self.rejected + self.dropped + self.waiting
    }

    /// All lines were made and written.
    pub(crate) const fn all_written(lines: u64) -> Self {
        Self { made: lines, written: lines, rejected: 0, dropped: 0, waiting: 0 }
    }
}

/// A line whose length does not depend on its number.
pub(crate) fn line(number: u64) -> String {
    format!("queue_itd,account_id=EZCLTR n={},text=\"a b\" {}\n", 1_000_000 + number, 1_000_000_000 + number)
}

/// The lines of these numbers, each stored once.
pub(crate) fn once(numbers: impl Iterator<Item = u64>) -> BTreeMap<String, u32> {
    numbers.map(|number| (line(number), 1)).collect()
}

/// The keys of a sink that writes to this server by way of a spool.
pub(crate) fn spooled(url: &str, spool: impl AsRef<Path>) -> String {
    let spool = spool.as_ref().display();
    format!("url = {url:?}\napi = \"v1\"\ndatabase = \"axp\"\nspool_dir = \"{spool}\"\n")
}

/// The same as the sink `http` beside another.
pub(crate) fn beside(url: &str, spool: impl AsRef<Path>) -> String {
    format!("[[influx]]\nname = \"http\"\nflush_interval = \"10ms\"\n{}", spooled(url, spool))
}

impl Bench {
    /// A sink with these keys, and with `name` and a quick `flush_interval`.
    pub(crate) async fn start(keys: &str) -> Self {
        Self::start_at(PACE, keys).await
    }

    /// The same, at a pace of its own.
    pub(crate) async fn start_at(pace: Pace, keys: &str) -> Self {
        let text = format!("[[influx]]\nname = \"main\"\nflush_interval = \"10ms\"\n{keys}\n");
        let env = std::iter::empty();
        let loaded = Config::from_text(Account::Optional, "test".as_ref(), &text, env);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let (config, secrets) = (&loaded.config.influx[0], &loaded.secrets.influx[0]);
        let spool = config.spool_dir.clone();
        let found = on_disk(&spool).0;
        let telemetry = Telemetry::new(1);
        let metrics = telemetry.sink("main");
        let batch_bytes = usize::try_from(config.batch_bytes.get()).unwrap();
        let (sender, receiver) = queue::lines(batch_bytes, metrics.dropped.clone());
        let (_, way_out) = watch::channel(Dialer::new(None, None, 0, telemetry.tls_errors()).unwrap());
        let deadline = Instant::now() + PATIENCE;
        let sink = loop {
            match Sink::open(config, secrets, &way_out, pace, metrics.clone()).await {
                Ok(sink) => break sink,
                // The one before may not have let go of its spool yet.
                Err(influx::Error::Spool(..)) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(err) => panic!("{err:?}"),
            }
        };
        let reopen = watch::Sender::new(());
        let queue = receiver.gauge();
        let running = tokio::spawn(sink.run(receiver, reopen.subscribe()));
        Self { sender: Some(sender), made: 0, spool, found, metrics, queue, running, reopen }
    }

    /// Sends a line.
    pub(crate) fn send(&mut self, line: &str) {
        self.made += 1;
        self.sender.as_ref().unwrap().send(line.as_bytes());
    }

    /// Sends the lines of these numbers.
    pub(crate) fn send_all(&mut self, numbers: std::ops::Range<u64>) {
        numbers.for_each(|number| self.send(&line(number)));
    }

    /// How many lines were made.
    pub(crate) const fn made(&self) -> u64 {
        self.made
    }

    /// The books, once they balance and the gauges say what is there: while lines are on their way
    /// some are counted in two places.
    pub(crate) async fn books(&self) -> Books {
        self.books_where("balanced books", |_| true).await
    }

    /// The books once no line waits.
    pub(crate) async fn settled(&self) -> Books {
        self.books_where("books in which nothing waits", |books| books.waiting == 0).await
    }

    async fn books_where(&self, what: &str, is_meant: impl Fn(&Books) -> bool) -> Books {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (books, agree) = self.look();
            if agree && books.balance(self.found) && is_meant(&books) {
                return books;
            }
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}: {books:?}, {agree}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The books as they are now, and whether the gauge of the spool shows what its files hold.
    fn look(&self) -> (Books, bool) {
        let telemetry::Sink { written, rejected, dropped, spool_bytes, .. } = &self.metrics;
        let (spooled, bytes) = on_disk(&self.spool);
        let books = Books {
            made: self.made,
            written: written.get(),
            rejected: rejected.get(),
            dropped: dropped.get(),
            waiting: self.queue.lines() + spooled,
        };
        (books, i64::try_from(bytes).unwrap() == spool_bytes.get())
    }

    /// Waits until the sink finds its target up (1) or away (0).
    pub(crate) async fn up(&self, value: i64) {
        wait_for("up or down", || self.metrics.up.get() == value).await;
    }

    /// Tells the sink that files may have been moved away, as SIGHUP does.
    pub(crate) fn reopen(&self) {
        self.reopen.send_replace(());
    }

    /// Ends the queue and waits for the sink.
    pub(crate) async fn stop(&mut self) {
        self.sender = None;
        tokio::time::timeout(PATIENCE, &mut self.running).await.expect("the sink ends").unwrap();
    }

    /// The same; gives the last books.
    pub(crate) async fn end(mut self) -> Books {
        self.stop().await;
        self.books().await
    }

    /// Ends the sink as a crash does.
    pub(crate) async fn crash(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }
}

/// Lines in the files of a spool that have not been read, and the size of these files.
fn on_disk(folder: &Path) -> (u64, u64) {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "spool"));
    // One may be deleted meanwhile.
    let files = files.filter_map(|path| std::fs::read(path).ok());
    files.fold((0, 0), |(lines, bytes), file| (lines + unread_lines(&file), bytes + file.len() as u64))
}

/// Lines in one file behind what has been read: a head, then records of their length, a checksum,
/// a time and the lines.
fn unread_lines(file: &[u8]) -> u64 {
    let Some(position) = file.get(8..16).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())) else {
        return 0;
    };
    let mut rest = file.get(usize::try_from(position).unwrap()..).unwrap_or_default();
    let mut lines = 0;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((record, next)) = after.split_at_checked(12 + length) else { break };
        lines += record[12..].split_inclusive(|byte| *byte == b'\n').count() as u64;
        rest = next;
    }
    lines
}

/// Polls a condition until it holds; fails loudly when it never does.
pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
