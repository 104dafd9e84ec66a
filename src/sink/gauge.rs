//! How a sink stands, for who looks at it from outside of its task.

use crate::sink::queue::QueueGauge;
use crate::telemetry;

/// A sink's counters and its queue.
#[derive(Debug, Clone)]
pub struct SinkGauge {
    /// What it counts.
    pub metrics: telemetry::Sink,
    /// What waits in memory.
    pub queue: QueueGauge,
    /// How many bytes may wait on disk; none where nothing does.
    pub spool_bytes_max: Option<u64>,
}

impl SinkGauge {
    /// Notes in its metrics what waits in memory.
    pub fn note_queue(&self) {
        self.metrics.queue_bytes.set(i64::try_from(self.queue.bytes()).unwrap_or(i64::MAX));
    }
}
