//! The snapshot that opens a session, and what faults make of it: nothing, a part, one row at a time. It is rendered when
//! the socket joins and shrinks as it is sent.

use std::{time::Duration, vec};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{fault::Fault, measures::Producer, site::Site};

/// Events written at a time, between looks at what else there is.
pub(super) const BATCH_EVENTS: usize = 256;

/// The rows that open a session, with what a fault makes of them.
#[derive(Debug)]
pub(super) struct Snapshot {
    rows: vec::IntoIter<Utf8Bytes>,
    pause: Duration,
    next_at: Instant,
    then_close: bool,
}

impl Snapshot {
    /// The snapshot of a socket of `producer`, as the oldest fault that fits wants it.
    pub(super) fn new(site: &Site, producer: Producer, mut rows: Vec<Utf8Bytes>) -> Self {
        let fault = site.faults().take(|fault| {
            matches!(fault, Fault::Snapshot { .. }) && fault.producer().is_none_or(|id| id == producer.id())
        });
        let mut pause = Duration::ZERO;
        let mut close = false;
        if let Some(Fault::Snapshot { rows: rows_max, seconds_per_row, then_close, .. }) = fault {
            rows.truncate(rows_max.unwrap_or(usize::MAX));
            pause = Duration::from_secs_f64(seconds_per_row);
            close = then_close;
        }
        Self { rows: rows.into_iter(), pause, next_at: Instant::now() + pause, then_close: close }
    }

    /// Adds the next events of the session to `batch`, snapshot first. False at the end of the session. Nothing is lost
    /// if this is cancelled.
    pub(super) async fn next_events(
        &mut self,
        events: &mut mpsc::Receiver<Message>,
        batch: &mut Vec<Message>,
    ) -> bool {
        if self.rows.len() > 0 {
            let rows = if self.pause.is_zero() { BATCH_EVENTS } else { 1 };
            sleep_until(self.next_at).await;
            self.next_at = Instant::now() + self.pause;
            batch.extend(self.rows.by_ref().take(rows).map(Message::Text));
            return true;
        }
        if self.then_close {
            return false;
        }
        events.recv_many(batch, BATCH_EVENTS).await > 0
    }
}
