//! Gathering: whole rows, when they are due.
//!
//! They go the way of the lines of events, into the queue, though never more of them than
//! [`ROOM_BYTES`] ahead of stdout: a table of any size takes no more memory than that, and where
//! stdout is full, rows are read once it takes them, and not before.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{self, MissedTickBehavior};

use crate::ingest::feeds::{FeedState, Feeds};
use crate::pipeline::{Moment, whole};
use crate::sink::queue::LineSender;

/// Lines that may wait while more rows are read: some hundred rows, a few pipes full.
const ROOM_BYTES: usize = 256 << 10;

/// Sends whole rows.
#[derive(Debug)]
pub(super) struct Gathering {
    feeds: Arc<Feeds>,
    sender: LineSender,
    due: Arc<Notify>,
    heartbeat: Option<Duration>,
}

impl Gathering {
    /// All rows of these feeds at each word of `due`, and at each heartbeat, if there is one that is
    /// not zero.
    pub(super) fn new(
        feeds: Arc<Feeds>,
        sender: LineSender,
        due: Arc<Notify>,
        heartbeat: Option<Duration>,
    ) -> Self {
        Self { feeds, sender, due, heartbeat: heartbeat.filter(|heartbeat| !heartbeat.is_zero()) }
    }

    /// Sends them until it is aborted. What comes due meanwhile, be it once or often, is one gather
    /// more.
    pub(super) async fn run(self) {
        let mut heartbeats = self.heartbeat.map(|heartbeat| {
            let mut heartbeats = time::interval(heartbeat);
            heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            heartbeats
        });
        loop {
            let heartbeat = async {
                match &mut heartbeats {
                    Some(heartbeats) => heartbeats.tick().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.due.notified() => {}
                _ = heartbeat => {}
            }
            self.gather().await;
        }
    }

    /// Sends each row shown once.
    async fn gather(&self) {
        let mut now = Moment::now();
        for feed in self.feeds.list() {
            self.send(&feed, &mut now).await;
        }
    }

    /// Sends the rows of one feed; where it has to wait, `now` is when it goes on.
    async fn send(&self, feed: &FeedState, now: &mut Moment) {
        let (mut table, mut next) = (feed.table(), Some(0));
        while let Some(from) = next {
            if self.sender.room(ROOM_BYTES).await {
                *now = Moment::now();
            }
            let current = feed.table();
            if Arc::ptr_eq(&table, &current) {
                next = whole::send_rows(&table, from, &self.sender, *now);
            } else {
                // A reload has made another, in which rows have other places.
                (table, next) = (current, Some(0));
            }
            yield_now().await;
        }
    }
}
