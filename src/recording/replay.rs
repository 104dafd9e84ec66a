//! A replay: recordings from the first record to the last, at a pace.
//!
//! It blocks, and is for a thread of its own. What is due comes when it is due, faster by the speed;
//! at most it comes as fast as it can be read. Where sinks cannot follow it waits for them, unlike a
//! feed, and at the end until all lines are settled, so that none is lost. What lies between two
//! recordings is waited for as well. It can be stopped at any time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::player::{Player, Tally};
use super::reader::{Error, Reader};
use crate::sink::queue::LineSender;

/// How often is looked at what else there is to do.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long is waited for a sink before its queue is looked at again.
const SINKS_INTERVAL: Duration = Duration::from_millis(5);

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times the recording's own pace: more than 0, and finite.
    Times(f64),
    /// As fast as can be.
    Max,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What was read of the files, of 1.
    pub part: f64,
    /// The recorded time, nanoseconds since the epoch.
    pub unix_ns: i64,
    /// The recorded time since the beginning.
    pub time: Duration,
    /// What was told.
    pub tally: Tally,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// How far it came.
    pub progress: Progress,
    /// The files that end as a crash or a full disk left them.
    pub torn: Vec<PathBuf>,
    /// True if it was stopped before its end.
    pub stopped: bool,
}

/// A replay that has not begun.
#[derive(Debug)]
pub struct Replay {
    player: Player,
    readers: Vec<Reader>,
    speed: Speed,
    bytes: u64,
    bytes_read: Arc<AtomicU64>,
}

/// What it goes by while it runs.
struct Pace<'a> {
    speed: Speed,
    began: Instant,
    looked_at: Instant,
    stop: &'a watch::Receiver<bool>,
}

impl Replay {
    /// A replay of these recordings, one after the other; `bytes_read` counts what is read of them.
    pub fn new(player: Player, readers: Vec<Reader>, speed: Speed, bytes_read: Arc<AtomicU64>) -> Self {
        let length = |reader: &Reader| std::fs::metadata(reader.path()).map_or(0, |found| found.len());
        let bytes = readers.iter().map(length).sum();
        Self { player, readers, speed, bytes, bytes_read }
    }

    /// Replays until the end, or until it is told to stop; `tell` hears how far it is, some times a
    /// second, and gives false to stop it.
    ///
    /// # Errors
    /// Where a recording cannot be read on.
    pub fn run(
        mut self,
        stop: &watch::Receiver<bool>,
        mut tell: impl FnMut(&Progress) -> bool,
    ) -> Result<End, Error> {
        let now = Instant::now();
        let mut pace = Pace { speed: self.speed, began: now, looked_at: now, stop };
        self.player.outputs().iter().for_each(|output| output.sender.lose_nothing());
        let (mut torn, mut stopped) = (Vec::new(), false);
        for mut reader in std::mem::take(&mut self.readers) {
            let begins = self.player.begin(&reader);
            stopped = !self.wait(begins, &mut pace, &mut tell);
            if !stopped {
                self.player.arrive(&reader);
            }
            while !stopped && let Some(record) = reader.next()? {
                let time = self.player.time_of(&record);
                stopped = !self.wait(time, &mut pace, &mut tell);
                if !stopped {
                    self.player.play(&record);
                }
            }
            if reader.is_torn() {
                torn.push(reader.path().to_owned());
            }
            if stopped {
                break;
            }
        }
        stopped = stopped || !self.wait_for_sinks(|sender| sender.bytes() > 0, &mut pace, &mut tell);
        let progress = self.progress();
        tell(&progress);
        Ok(End { progress, torn, stopped })
    }

    /// Waits until a record is due that comes at this time, and does what is due before. False where it
    /// is stopped.
    fn wait(
        &mut self,
        time: Duration,
        pace: &mut Pace<'_>,
        tell: &mut impl FnMut(&Progress) -> bool,
    ) -> bool {
        loop {
            let due = self.player.due().filter(|due| *due < time);
            let left = pace.left(due.unwrap_or(time));
            if !self.look(left, pace, tell) {
                return false;
            }
            match due {
                _ if !left.is_zero() => {}
                Some(due) => self.player.pass(due),
                None => return self.wait_for_sinks(LineSender::is_nearly_full, pace, tell),
            }
            // A single thing that is due may bring as many lines as there are rows.
            if !self.wait_for_sinks(LineSender::is_nearly_full, pace, tell) {
                return false;
            }
        }
    }

    /// Waits while a sink has too much to do. False where it is stopped.
    fn wait_for_sinks(
        &mut self,
        is_too_much: fn(&LineSender) -> bool,
        pace: &mut Pace<'_>,
        tell: &mut impl FnMut(&Progress) -> bool,
    ) -> bool {
        while self.player.outputs().iter().any(|output| is_too_much(&output.sender)) {
            if !self.look(SINKS_INTERVAL, pace, tell) {
                return false;
            }
        }
        true
    }

    /// Looks, now and then, what else there is to do, and sleeps if there is time left. False where it is
    /// stopped.
    fn look(
        &mut self,
        left: Duration,
        pace: &mut Pace<'_>,
        tell: &mut impl FnMut(&Progress) -> bool,
    ) -> bool {
        if pace.looked_at.elapsed() >= LOOK_INTERVAL {
            pace.looked_at = Instant::now();
            self.player.answer();
            if !tell(&self.progress()) {
                return false;
            }
        }
        std::thread::sleep(left.min(LOOK_INTERVAL));
        !*pace.stop.borrow()
    }

    fn progress(&self) -> Progress {
        let (time, unix_ns) = self.player.now();
        #[expect(clippy::cast_precision_loss, reason = "a part of a whole needs no last digit")]
        let part = self.bytes_read.load(Ordering::Relaxed) as f64 / self.bytes.max(1) as f64;
        Progress { part: part.min(1.0), unix_ns, time, tally: self.player.tally() }
    }
}

impl Pace<'_> {
    /// How long it is yet until this time.
    fn left(&self, time: Duration) -> Duration {
        let Speed::Times(speed) = self.speed else { return Duration::ZERO };
        let due = Duration::try_from_secs_f64(time.as_secs_f64() / speed).unwrap_or(Duration::MAX);
        due.saturating_sub(self.began.elapsed())
    }
}
