//! The pace of a sink: how long it waits, and for what.
//!
//! Once its queue has ended, it has four times [`Pace::last`] for all that is left, whatever hangs: for
//! the load that is under way, for the one after it, for what its target has begun, and one, half and
//! half, for lines that go to the spool and for the spool to be closed.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::sink::queue::LineReceiver;

/// How patient a sink is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The shortest pause after a failure.
    pub retry_min: Duration,
    /// The longest pause that failures lead to by themselves.
    pub retry_max: Duration,
    /// The pause where somebody has to put something right.
    pub rare: Duration,
    /// The shortest pause after a load of the backlog.
    pub drain: Duration,
    /// How long a disk may take with what others wait for: to be opened, or with lines of the spool.
    pub disk: Duration,
    /// How long a target may still take with a load when the program ends; two may be left, and
    /// how long it may take with what it has begun.
    pub last: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            rare: Duration::from_secs(60),
            drain: Duration::from_millis(100),
            disk: Duration::from_secs(5),
            // Four of these are less than `app.rs` gives us.
            last: Duration::from_millis(1200),
        }
    }
}

impl Pace {
    /// How long the spool is waited for at the end.
    pub(super) fn disk_last(&self) -> Duration {
        self.last / 2
    }

    /// Waits until a load that is begun now is to be given up, as the queue has ended.
    pub(super) async fn last_call(&self, receiver: &LineReceiver) {
        let begun = Instant::now();
        let ended = receiver.ended().await;
        let loads = if begun <= ended { 1 } else { 2 };
        sleep_until(ended + self.last * loads).await;
    }

    /// Does something with the spool; gives it up where the queue has ended and it takes long.
    pub(super) async fn with_spool<T>(
        &self,
        receiver: &LineReceiver,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let begun = Instant::now();
        let last_call = async {
            let ended = receiver.ended().await;
            let latest = ended + self.last * 2 + self.disk_last();
            sleep_until(latest.min(begun.max(ended) + self.disk_last())).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = last_call => None,
        }
    }
}
