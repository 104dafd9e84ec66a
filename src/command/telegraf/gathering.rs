//! Gathering: whole rows, when they are due.
//!
//! They go the way of the lines of events, into the queue, though never more of them than
//! [`ROOM_BYTES`] ahead of stdout: a table of any size takes no more memory than that, and where
//! stdout is full, rows are read once it takes them, and not before.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
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
    due: watch::Receiver<()>,
    heartbeat: Option<Duration>,
}

impl Gathering {
    /// All rows of these feeds at each change of `due`, and at each heartbeat, if there is one that is
    /// not zero.
    pub(super) fn new(
        feeds: Arc<Feeds>,
        sender: LineSender,
        due: watch::Receiver<()>,
        heartbeat: Option<Duration>,
    ) -> Self {
        Self { feeds, sender, due, heartbeat: heartbeat.filter(|heartbeat| !heartbeat.is_zero()) }
    }

    /// Sends them until it is aborted. What comes due meanwhile, be it once or often, is one gather
    /// more.
    pub(super) async fn run(mut self) {
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
                Ok(()) = self.due.changed() => {}
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

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::config::Producer;
    use crate::pipeline::{Blueprint, Pipeline, SharedTable};
    use crate::sink::queue::{self, Batch, LineReceiver};
    use crate::table::rows::Limits;
    use crate::telemetry::Telemetry;

    /// The rows of one producer, and where they are gathered to.
    struct Bench {
        state: Arc<FeedState>,
        feeds: Arc<Feeds>,
        due: watch::Sender<()>,
        lines: LineReceiver,
        sender: LineSender,
    }

    /// A table with so many rows.
    fn table(rows: usize) -> (Pipeline, SharedTable) {
        let producer = Producer { id: "Queue_itd_1.0.0".to_owned(), ..Producer::default() };
        let metrics = Telemetry::new(rows + 1).pipeline(&producer.id);
        let (mut pipeline, table) = Blueprint::default().pipeline(producer, Vec::new(), metrics);
        pipeline.session_opened(Moment::now());
        for row in 0..rows {
            let event = format!(
                r#"{{"accountId":"A","keys":{{"queueId":"q{row}"}},"eventAction":"UPSERT","eventSourceId":"S","payloadType":"LIVE","measures":{{"offered":"1"}}}}"#
            );
            pipeline.apply(&event, Moment::now()).unwrap();
        }
        (pipeline, table)
    }

    impl Bench {
        /// Gathers the rows of this table.
        fn start(table: SharedTable, heartbeat: Option<Duration>) -> Self {
            let (state, _) = FeedState::new("Queue_itd_1.0.0".to_owned(), table);
            let (state, feeds) = (Arc::new(state), Arc::new(Feeds::new(Limits::new(1))));
            feeds.add(Arc::clone(&state));
            let (sender, lines) = queue::lines(1, Counter::default());
            let due = watch::Sender::new(());
            let gathering = Gathering::new(Arc::clone(&feeds), sender.clone(), due.subscribe(), heartbeat);
            tokio::spawn(gathering.run());
            Self { state, feeds, due, lines, sender }
        }

        /// The lines that come until no more do, taken batch by batch.
        async fn lines(&self) -> u64 {
            let mut count = 0;
            let mut batch = Batch::default();
            while let Ok(true) =
                time::timeout(Duration::from_millis(1), self.lines.receive(&mut batch, Duration::ZERO)).await
            {
                count += batch.lines;
                batch = Batch::default();
            }
            count
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ticks_that_wait_are_one() {
        let (_pipeline, table) = table(3);
        let bench = Bench::start(table, None);
        assert_eq!(bench.lines().await, 0);
        for _ in 0..5 {
            bench.due.send_modify(|()| ());
        }
        assert_eq!(bench.lines().await, 3);
        bench.due.send_modify(|()| ());
        assert_eq!(bench.lines().await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_come_by_themselves_and_of_those_missed_one() {
        let (_pipeline, table) = table(3);
        let bench = Bench::start(table, Some(Duration::from_secs(10)));
        assert_eq!(bench.lines().await, 3, "at the start");
        time::sleep(Duration::from_secs(10)).await;
        assert_eq!(bench.lines().await, 3);
        time::advance(Duration::from_secs(60)).await;
        assert_eq!(bench.lines().await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_rows_wait_than_have_room_and_all_come_once() {
        let rows = 20_000;
        let (_pipeline, table) = table(rows);
        let bench = Bench::start(table, None);
        bench.due.send_modify(|()| ());
        time::sleep(Duration::from_secs(3600)).await;
        // A bite goes beyond.
        let waiting = bench.lines.bytes();
        assert!(waiting > ROOM_BYTES && waiting < ROOM_BYTES + (64 << 10), "{waiting}");
        assert_eq!(bench.lines().await, rows as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_is_replaced_meanwhile_is_gathered_from_its_start() {
        let (_pipeline, before) = table(20_000);
        let (_other, after) = table(7);
        let bench = Bench::start(before, None);
        bench.due.send_modify(|()| ());
        time::sleep(Duration::from_secs(1)).await;
        let mut batch = Batch::default();
        bench.lines.take(&mut batch);
        bench.feeds.replace(vec![(Arc::clone(&bench.state), after)], Limits::new(1));
        assert!(bench.lines().await < 100 && !bench.sender.room(0).await);
    }
}
