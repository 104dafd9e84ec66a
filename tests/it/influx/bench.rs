//! One sink with its queue and its books, and lines to send through it.

use std::time::{Duration, Instant};

use axp_exporter::config::{Account, Config};
use axp_exporter::ingest::dial::Dialer;
use axp_exporter::sink::influx::{Pace, Sink};
use axp_exporter::sink::queue::{self, LineSender, QueueGauge};
use axp_exporter::telemetry::{self, Telemetry};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pauses that a test can wait for.
pub(crate) const PACE: Pace = Pace {
    retry_min: Duration::from_millis(5),
    retry_max: Duration::from_millis(20),
    rare: Duration::from_millis(200),
    drain: Duration::from_millis(5),
    last: Duration::from_millis(300),
};

/// A sink that runs.
pub(crate) struct Bench {
    sender: Option<LineSender>,
    made: u64,
    pub(crate) metrics: telemetry::Sink,
    pub(crate) queue: QueueGauge,
    running: JoinHandle<()>,
    _reopen: watch::Sender<()>,
}

/// What became of the lines that were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) made: u64,
    pub(crate) written: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) waiting: u64,
}

impl Books {
    /// All lines were made and written.
    pub(crate) const fn all_written(lines: u64) -> Self {
        Self { made: lines, written: lines, rejected: 0, dropped: 0, waiting: 0 }
    }
}

/// A line whose length does not depend on its number.
pub(crate) fn line(number: u64) -> String {
    format!("queue_itd,account_id=EZCLTR n={},text=\"a b\" {}\n", 1_000_000 + number, 1_000_000_000 + number)
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
        let telemetry = Telemetry::new(1);
        let metrics = telemetry.sink("main");
        let batch_bytes = usize::try_from(config.batch_bytes.get()).unwrap();
        let (sender, receiver) = queue::lines(batch_bytes, metrics.dropped.clone());
        let dialer = Dialer::new(None, None, 0, telemetry.tls_errors()).unwrap();
        let sink = Sink::open(config, secrets, &dialer, pace, metrics.clone()).await;
        let sink = sink.unwrap_or_else(|err| panic!("{err:?}"));
        let reopen = watch::Sender::new(());
        let queue = receiver.gauge();
        let running = tokio::spawn(sink.run(receiver, reopen.subscribe()));
        Self { sender: Some(sender), made: 0, metrics, queue, running, _reopen: reopen }
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

    /// The books as they are now; what is not accounted for waits.
    pub(crate) fn books(&self) -> Books {
        let (written, rejected, dropped) =
            (self.metrics.written.get(), self.metrics.rejected.get(), self.metrics.dropped.get());
        Books {
            made: self.made,
            written,
            rejected,
            dropped,
            waiting: self.made - written - rejected - dropped,
        }
    }

    /// Waits until no line waits; gives the books then.
    pub(crate) async fn settled(&self) -> Books {
        wait_for("the books to be settled", || self.books().waiting == 0).await;
        self.books()
    }

    /// Waits until the sink finds its target up (1) or away (0).
    pub(crate) async fn up(&self, value: i64) {
        wait_for("up or down", || self.metrics.up.get() == value).await;
    }

    /// Ends the queue and waits for the sink; gives the last books.
    pub(crate) async fn end(mut self) -> Books {
        self.sender = None;
        tokio::time::timeout(PATIENCE, &mut self.running).await.expect("the sink ends").unwrap();
        self.books()
    }

    /// Ends the sink as a crash does.
    pub(crate) async fn crash(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }
}

/// Polls a condition until it holds; fails loudly when it never does.
pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
