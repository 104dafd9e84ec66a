//! The queue of lines between ingest tasks and a sink's task.
//!
//! It holds whole lines, at most [`QUEUE_BYTES_MAX`] bytes of them, those that the sink has
//! taken and not settled yet among them. Ingest never waits: when the queue is full a new line
//! is dropped and counted; a replay, which can wait, has it take what comes at once whole, and waits
//! for room between. It ends when the last [`LineSender`] is gone and all lines are taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most bytes waiting: some 50,000 lines, a few seconds of the busiest feed.
pub const QUEUE_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    /// When the first of them came.
    since: Option<Instant>,
    /// Bytes that the sink has taken and may still hold.
    taken: usize,
    /// Lines among them.
    taken_lines: u64,
    /// Bytes and lines that the sink holds of what it took before.
    held: (usize, u64),
    senders: usize,
    /// True where nothing is dropped, however much waits.
    is_lossless: bool,
    /// When the last sender went.
    ended_at: Option<Instant>,
}

impl Waiting {
    /// Bytes in memory that are not settled.
    const fn unsettled(&self) -> usize {
        self.held.0 + self.taken + self.bytes.len()
    }
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
    crowded: Notify,
    settled: Notify,
    batch_bytes: usize,
    bytes_max: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From so many bytes on the queue may be crowded: soon lines are dropped. More than a full batch.
    const fn crowded_bytes(&self) -> usize {
        self.bytes_max / 4 * 3
    }

    /// Whether lines will be dropped soon. A batch that was large when it was taken does not make it
    /// so by itself: half of the room that it has left is taken, too.
    const fn is_crowded(&self, waiting: &Waiting) -> bool {
        let room = self.bytes_max.saturating_sub(waiting.held.0 + waiting.taken);
        waiting.unsettled() >= self.crowded_bytes() && waiting.bytes.len() >= room / 2
    }
}

/// The end that lines go in.
#[derive(Debug)]
pub struct LineSender {
    shared: Arc<Shared>,
    dropped: Counter,
}

/// The end that lines come out.
#[derive(Debug)]
pub struct LineReceiver {
    shared: Arc<Shared>,
}

/// A queue whose receiver takes `batch_bytes` and more without waiting for others;
/// `dropped` counts the lines that found it full.
pub fn lines(batch_bytes: usize, dropped: Counter) -> (LineSender, LineReceiver) {
    bounded(batch_bytes, QUEUE_BYTES_MAX, dropped)
}

/// The same, that holds at most `bytes_max` bytes.
pub(crate) fn bounded(batch_bytes: usize, bytes_max: usize, dropped: Counter) -> (LineSender, LineReceiver) {
    let waiting = Mutex::new(Waiting { senders: 1, ..Waiting::default() });
    // A batch that the queue cannot hold would never be full.
    let batch_bytes = batch_bytes.min(bytes_max / 2);
    let (changed, crowded, settled) = (Notify::new(), Notify::new(), Notify::new());
    let shared = Arc::new(Shared { waiting, changed, crowded, settled, batch_bytes, bytes_max });
    (LineSender { shared: Arc::clone(&shared), dropped }, LineReceiver { shared })
}

impl LineSender {
    /// Puts one line in, or drops it where there is no room.
    pub fn send(&self, line: &[u8]) {
        if !self.try_send(line) {
            self.drop_one();
        }
    }

    /// The same for a line that matters less than others: a quarter of the queue is left for those.
    pub fn send_leaving_room(&self, line: &[u8]) {
        if !self.put(line, self.shared.crowded_bytes()) {
            self.drop_one();
        }
    }

    /// Puts one line in where there is room; says whether it is in.
    pub fn try_send(&self, line: &[u8]) -> bool {
        self.put(line, self.shared.bytes_max)
    }

    /// Counts a line as dropped that was not sent.
    pub fn drop_one(&self) {
        self.dropped.inc();
    }

    /// Drops nothing from now on: for who waits while this [`Self::is_nearly_full`], so that no more is
    /// above the limit than comes between two looks.
    pub fn lose_nothing(&self) {
        self.shared.lock().is_lossless = true;
    }

    fn put(&self, line: &[u8], bytes_max: usize) -> bool {
        let mut waiting = self.shared.lock();
        if waiting.unsettled() + line.len() > bytes_max && !waiting.is_lossless {
            return false;
        }
        let (before, was_crowded) = (waiting.bytes.len(), self.shared.is_crowded(&waiting));
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        if before == 0 {
            waiting.since = Some(Instant::now());
        }
        let (after, is_crowded) = (waiting.bytes.len(), self.shared.is_crowded(&waiting));
        drop(waiting);
        if is_crowded && !was_crowded {
            self.shared.crowded.notify_one();
        }
        let limit = self.shared.batch_bytes;
        if before == 0 || (before < limit && after >= limit) {
            self.shared.changed.notify_one();
        }
        true
    }

    /// Bytes in memory that are not settled.
    pub fn bytes(&self) -> usize {
        self.shared.lock().unsettled()
    }

    /// True if there is little room left, for a sender that can wait.
    pub fn is_nearly_full(&self) -> bool {
        self.bytes() >= self.shared.crowded_bytes()
    }

    /// Waits until no more than `bytes` are in memory that are not settled, for a sender that can
    /// wait; one at a time may. True if it had to.
    pub async fn room(&self, bytes: usize) -> bool {
        let mut had_to_wait = false;
        while self.shared.lock().unsettled() > bytes {
            had_to_wait = true;
            self.shared.settled.notified().await;
        }
        had_to_wait
    }
}

impl Clone for LineSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared), dropped: self.dropped.clone() }
    }
}

impl Drop for LineSender {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.senders -= 1;
        if waiting.senders == 0 {
            waiting.ended_at = Some(Instant::now());
        }
        drop(waiting);
        self.shared.changed.notify_one();
    }
}

/// What a sink takes in one go.
#[derive(Debug, Default)]
pub struct Batch {
    /// Whole lines.
    pub bytes: Vec<u8>,
    /// How many.
    pub lines: u64,
}

impl LineReceiver {
    /// Swaps `batch`, which must be empty, for all that waits, once there is a batch full
    /// or `gather` after the first line came. False when no line will ever come again.
    ///
    /// To ask for more says that what was taken before is settled. Nothing is lost where
    /// this is given up half-way, and asking again does not begin the wait anew.
    pub async fn receive(&self, batch: &mut Batch, gather: Duration) -> bool {
        {
            let mut waiting = self.shared.lock();
            (waiting.taken, waiting.taken_lines) = (0, 0);
        }
        self.shared.settled.notify_one();
        while self.waiting_for_more(1) {
            self.shared.changed.notified().await;
        }
        let full = async {
            while self.waiting_for_more(self.shared.batch_bytes) {
                self.shared.changed.notified().await;
            }
        };
        let since = self.shared.lock().since.unwrap_or_else(Instant::now);
        let _ = tokio::time::timeout_at(since + gather, full).await;
        let mut waiting = self.shared.lock();
        std::mem::swap(&mut waiting.bytes, &mut batch.bytes);
        batch.lines = std::mem::take(&mut waiting.lines);
        (waiting.taken, waiting.taken_lines) = (batch.bytes.len(), batch.lines);
        batch.lines > 0
    }

    /// Swaps `batch`, which must be empty, for all that waits, be it little or nothing.
    pub fn take(&self, batch: &mut Batch) {
        let mut waiting = self.shared.lock();
        std::mem::swap(&mut waiting.bytes, &mut batch.bytes);
        batch.lines = std::mem::take(&mut waiting.lines);
        (waiting.taken, waiting.taken_lines) = (0, 0);
        drop(waiting);
        self.shared.settled.notify_one();
    }

    /// Bytes that wait to be taken.
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes.len()
    }

    /// Says that what was taken is settled but for so many bytes and lines, which go on taking room
    /// until it says otherwise.
    pub fn hold(&self, bytes: usize, lines: u64) {
        let mut waiting = self.shared.lock();
        (waiting.taken, waiting.taken_lines) = (0, 0);
        waiting.held = (bytes, lines);
        drop(waiting);
        self.shared.settled.notify_one();
    }

    /// Waits until every sender is gone; says when the last one went.
    pub async fn ended(&self) -> Instant {
        loop {
            let ended_at = self.shared.lock().ended_at;
            match ended_at {
                Some(ended_at) => return ended_at,
                None => self.shared.changed.notified().await,
            }
        }
    }

    /// Waits until there is little room left; one at a time may wait.
    pub async fn crowded(&self) {
        while !self.shared.is_crowded(&self.shared.lock()) {
            self.shared.crowded.notified().await;
        }
    }

    /// True while fewer than `bytes` wait and more may come.
    fn waiting_for_more(&self, bytes: usize) -> bool {
        let waiting = self.shared.lock();
        waiting.bytes.len() < bytes && waiting.senders > 0
    }

    /// Whether lines wait to be taken.
    #[cfg(test)]
    pub(crate) fn has_more(&self) -> bool {
        self.shared.lock().lines > 0
    }

    /// A view for the metrics, which outlives neither end.
    pub fn gauge(&self) -> QueueGauge {
        QueueGauge { shared: Arc::clone(&self.shared) }
    }
}

/// Tells how full a queue is.
#[derive(Debug, Clone)]
pub struct QueueGauge {
    shared: Arc<Shared>,
}

impl QueueGauge {
    /// Bytes in memory that are not settled.
    pub fn bytes(&self) -> usize {
        self.shared.lock().unsettled()
    }

    /// Lines in memory that are not settled; of those that the sink has taken together, all count
    /// until the last is.
    pub fn lines(&self) -> u64 {
        let waiting = self.shared.lock();
        waiting.held.1 + waiting.taken_lines + waiting.lines
    }
}

#[cfg(test)]
mod tests;
