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
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn lines_come_out_in_order_and_the_end_is_seen() {
        let (sender, receiver) = lines(1 << 20, Counter::default());
        let other = sender.clone();
        sender.send(b"a\n");
        other.send(b"b\n");
        let mut batch = Batch::default();
        assert!(receiver.receive(&mut batch, LONG).await);
        assert_eq!((batch.bytes.as_slice(), batch.lines), (b"a\nb\n".as_slice(), 2));
        drop(sender);
        other.send(b"c\n");
        drop(other);
        batch.bytes.clear();
        assert!(receiver.receive(&mut batch, LONG).await);
        assert_eq!(batch.bytes, b"c\n");
        receiver.ended().await;
        batch.bytes.clear();
        assert!(!receiver.receive(&mut batch, LONG).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_taken_when_it_is_full_or_the_time_is_up() {
        let (sender, receiver) = lines(4, Counter::default());
        let begin = Instant::now();
        let mut batch = Batch::default();
        sender.send(b"a\n");
        assert!(receiver.receive(&mut batch, LONG).await);
        assert_eq!(begin.elapsed(), LONG);
        batch.bytes.clear();
        sender.send(b"a\n");
        sender.send(b"b\n");
        assert!(receiver.receive(&mut batch, LONG).await);
        assert_eq!((begin.elapsed(), batch.lines), (LONG, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_and_taken_up_again_is_not_longer() {
        let (sender, receiver) = lines(1 << 20, Counter::default());
        let begin = Instant::now();
        sender.send(b"a\n");
        let mut batch = Batch::default();
        while tokio::time::timeout(LONG / 10, receiver.receive(&mut batch, LONG)).await.is_err() {}
        assert_eq!((begin.elapsed(), batch.lines), (LONG, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_larger_than_the_queue_is_taken_before_lines_are_dropped() {
        let dropped = Counter::default();
        let (sender, receiver) = lines(usize::MAX, dropped.clone());
        let begin = Instant::now();
        let line = vec![b'x'; QUEUE_BYTES_MAX / 4];
        let mut batch = Batch::default();
        for _ in 0..4 {
            sender.send(&line);
            sender.send(&line);
            assert!(receiver.receive(&mut batch, LONG).await);
            batch.bytes.clear();
        }
        assert_eq!((dropped.get(), begin.elapsed()), (0, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_goes_on_once_what_was_taken_is_settled() {
        let (sender, receiver) = lines(1 << 20, Counter::default());
        assert!(!sender.room(0).await);
        sender.send(b"abc\n");
        assert!(!sender.room(4).await);
        let mut batch = Batch::default();
        assert!(receiver.receive(&mut batch, LONG).await);
        assert!(tokio::time::timeout(LONG, sender.room(3)).await.is_err(), "it is not settled");
        batch.bytes.clear();
        let more = receiver.receive(&mut batch, LONG);
        assert_eq!(
            tokio::select! { biased; waited = sender.room(3) => Some(waited), _ = more => None },
            Some(true)
        );
        sender.send(b"abc\n");
        receiver.take(&mut batch);
        assert!(!sender.room(0).await);
    }

    #[tokio::test]
    async fn what_a_sink_holds_takes_room_and_waits_until_it_says_otherwise() {
        let (sender, receiver) = lines(1, Counter::default());
        let mut batch = Batch::default();
        sender.send(b"abc\n");
        assert!(receiver.receive(&mut batch, LONG).await);
        receiver.hold(4, 1);
        batch.bytes.clear();
        sender.send(b"d\n");
        assert!(receiver.receive(&mut batch, LONG).await);
        assert_eq!((receiver.gauge().bytes(), receiver.gauge().lines()), (6, 2));
        receiver.hold(0, 0);
        assert_eq!((receiver.gauge().bytes(), receiver.gauge().lines()), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts_and_what_was_taken_takes_room_until_it_is_settled() {
        let dropped = Counter::default();
        let (sender, receiver) = lines(1 << 20, dropped.clone());
        let half = vec![b'x'; QUEUE_BYTES_MAX / 2];
        sender.send(&half);
        let mut batch = Batch::default();
        assert!(receiver.receive(&mut batch, LONG).await);
        sender.send(&half);
        sender.send(b"y\n");
        assert_eq!((dropped.get(), receiver.gauge().bytes()), (1, QUEUE_BYTES_MAX));
        assert_eq!((receiver.gauge().lines(), receiver.has_more()), (2, true));
        batch.bytes.clear();
        assert!(receiver.receive(&mut batch, LONG).await);
        sender.send(b"y\n");
        assert_eq!((dropped.get(), receiver.gauge().bytes()), (1, QUEUE_BYTES_MAX / 2 + 2));
    }

    #[test]
    fn what_matters_less_leaves_a_quarter_of_the_queue_and_who_can_wait_loses_nothing() {
        let dropped = Counter::default();
        let (sender, receiver) = bounded(1, 8, dropped.clone());
        sender.send_leaving_room(b"12345\n");
        sender.send_leaving_room(b"\n");
        sender.send(b"7\n");
        sender.send(b"\n");
        assert!(!sender.try_send(b"\n"));
        assert_eq!((dropped.get(), sender.bytes()), (2, 8));
        sender.lose_nothing();
        sender.send(b"9\n");
        assert!(sender.is_nearly_full());
        assert_eq!((dropped.get(), receiver.bytes()), (2, 10));
    }

    #[tokio::test]
    async fn a_queue_is_crowded_by_what_comes_while_a_batch_is_under_way_not_by_that_batch() {
        const QUARTER: usize = QUEUE_BYTES_MAX / 4;
        let (sender, receiver) = lines(1 << 20, Counter::default());
        let is_crowded = || futures_util::FutureExt::now_or_never(receiver.crowded()).is_some();
        let mut batch = Batch::default();
        // What a sink found that had been busy elsewhere.
        sender.send(&vec![b'x'; 3 * QUARTER]);
        assert!(is_crowded());
        assert!(receiver.receive(&mut batch, LONG).await);
        assert!(!is_crowded());
        sender.send(&vec![b'x'; QUARTER / 2]);
        assert!(is_crowded());
        batch.bytes.clear();
        assert!(receiver.receive(&mut batch, LONG).await);
        assert!(!is_crowded());
        // After a small batch there is as much room as ever.
        sender.send(&vec![b'x'; 2 * QUARTER]);
        assert!(!is_crowded());
        sender.send(&vec![b'x'; QUARTER]);
        assert!(is_crowded());
    }
}
