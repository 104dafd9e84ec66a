//! The queue of lines between an ingest task and a sink's task.
//!
//! It holds whole lines, at most [`QUEUE_BYTES_MAX`] bytes of them. Ingest never waits:
//! when the queue is full a new line is dropped and counted. It ends when the last
//! [`LineSender`] is gone and all lines are taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;

/// Most bytes waiting: some 100,000 lines, a few seconds of the busiest feed.
pub const QUEUE_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    senders: usize,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A queue; `dropped` counts the lines that found it full.
pub fn lines(dropped: Counter) -> (LineSender, LineReceiver) {
    let shared = Arc::new(Shared::default());
    shared.lock().senders = 1;
    (
        LineSender {
            shared: Arc::clone(&shared),
            dropped,
        },
        LineReceiver { shared },
    )
}

impl LineSender {
    /// Puts one line in, or drops it where there is no room.
    pub fn send(&self, line: &[u8]) {
        let mut waiting = self.shared.lock();
        if waiting.bytes.len() + line.len() > QUEUE_BYTES_MAX {
            self.dropped.inc();
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        drop(waiting);
        if was_empty {
            self.shared.changed.notify_one();
        }
    }
}

impl Clone for LineSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
            dropped: self.dropped.clone(),
        }
    }
}

impl Drop for LineSender {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
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
    /// Swaps `batch`, which must be empty, for all that waits; waits for a line if none
    /// does. False when no line will ever come again.
    pub async fn receive(&self, batch: &mut Batch) -> bool {
        loop {
            {
                let mut waiting = self.shared.lock();
                if !waiting.bytes.is_empty() {
                    std::mem::swap(&mut waiting.bytes, &mut batch.bytes);
                    batch.lines = std::mem::take(&mut waiting.lines);
                    return true;
                }
                if waiting.senders == 0 {
                    return false;
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// Bytes and lines that wait.
    pub fn waiting(&self) -> (usize, u64) {
        let waiting = self.shared.lock();
        (waiting.bytes.len(), waiting.lines)
    }

    /// A view for the metrics, which outlives neither end.
    pub fn gauge(&self) -> QueueGauge {
        QueueGauge {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Tells how full a queue is.
#[derive(Debug, Clone)]
pub struct QueueGauge {
    shared: Arc<Shared>,
}

impl QueueGauge {
    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_out_in_order_and_the_end_is_seen() {
        let (sender, receiver) = lines(Counter::default());
        let other = sender.clone();
        sender.send(b"a\n");
        other.send(b"b\n");
        let mut batch = Batch::default();
        assert!(receiver.receive(&mut batch).await);
        assert_eq!(
            (batch.bytes.as_slice(), batch.lines),
            (b"a\nb\n".as_slice(), 2)
        );
        drop(sender);
        other.send(b"c\n");
        drop(other);
        batch.bytes.clear();
        assert!(receiver.receive(&mut batch).await);
        assert_eq!(batch.bytes, b"c\n");
        batch.bytes.clear();
        assert!(!receiver.receive(&mut batch).await);
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let dropped = Counter::default();
        let (sender, receiver) = lines(dropped.clone());
        let half = vec![b'x'; QUEUE_BYTES_MAX / 2];
        sender.send(&half);
        sender.send(&half);
        sender.send(b"y\n");
        assert_eq!(dropped.get(), 1);
        assert_eq!(receiver.waiting(), (QUEUE_BYTES_MAX, 2));
    }
}
