//! All feeds, and how they stand: what a scrape renders, `/-/ready` answers from, the status page
//! asks, and a reload has pause.
//!
//! What only a feed's task knows it is asked for: there is nothing to lock on the way of an
//! event, and a task that is stuck keeps nobody waiting who asks with a time-out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

use crate::ingest::renewal::Pause;
use crate::ingest::report::FeedReport;
use crate::pipeline::SharedTable;
use crate::table::rows::Limits;

/// Requests that may wait for one feed; who comes with more waits to ask.
const REQUESTS_MAX: usize = 4;

/// What a feed's task may be asked for.
#[derive(Debug)]
pub enum Request {
    /// A report of how it stands.
    Report(oneshot::Sender<FeedReport>),
    /// To pause until it is renewed.
    Pause(Pause),
    /// To come upon a fault of the program's.
    #[cfg(test)]
    Panic,
}

/// Where a feed's task finds the requests to it.
pub type Requests = mpsc::Receiver<Request>;

/// How one feed stands.
#[derive(Debug)]
pub struct FeedState {
    producer_id: String,
    table: RwLock<SharedTable>,
    snapshot_closed: AtomicBool,
    requests: mpsc::Sender<Request>,
}

impl FeedState {
    /// A feed that has had no snapshot yet, and where its task finds the requests to it.
    pub fn new(producer_id: String, table: SharedTable) -> (Self, Requests) {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let table = RwLock::new(table);
        (Self { producer_id, table, snapshot_closed: AtomicBool::new(false), requests }, asked)
    }

    /// Asks the feed's task for a report; none where the task has ended. Waits for as long
    /// as the task is busy.
    pub async fn ask(&self) -> Option<FeedReport> {
        let (answer, report) = oneshot::channel();
        self.requests.send(Request::Report(answer)).await.ok()?;
        report.await.ok()
    }

    /// Asks the feed's task to pause; false where it has ended.
    pub async fn pause(&self, pause: Pause) -> bool {
        self.requests.send(Request::Pause(pause)).await.is_ok()
    }

    /// Has the feed's task come upon a fault.
    #[cfg(test)]
    pub(crate) async fn panic(&self) -> bool {
        self.requests.send(Request::Panic).await.is_ok()
    }

    /// The producer's id.
    pub fn producer_id(&self) -> &str {
        &self.producer_id
    }

    /// The rows of the producer.
    pub fn table(&self) -> SharedTable {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a snapshot has closed.
    pub fn note_snapshot(&self) {
        self.snapshot_closed.store(true, Ordering::Relaxed);
    }
}

/// Every feed there is.
#[derive(Debug)]
pub struct Feeds {
    list: RwLock<Vec<Arc<FeedState>>>,
    limits: RwLock<Limits>,
    /// True once the list holds all feeds that will be.
    complete: AtomicBool,
}

impl Feeds {
    /// No feed yet, under these limits.
    pub fn new(limits: Limits) -> Self {
        Self { list: RwLock::default(), limits: RwLock::new(limits), complete: AtomicBool::new(false) }
    }

    /// Adds a feed.
    pub fn add(&self, feed: Arc<FeedState>) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(feed);
    }

    /// Notes that no more feeds will be added.
    pub fn note_complete(&self) {
        self.complete.store(true, Ordering::Relaxed);
    }

    /// From now on there are these feeds, with these tables, under these limits: who looks sees
    /// all of it or nothing.
    pub fn replace(&self, feeds: Vec<(Arc<FeedState>, SharedTable)>, limits: Limits) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        list.clear();
        for (feed, table) in feeds {
            *feed.table.write().unwrap_or_else(PoisonError::into_inner) = table;
            list.push(feed);
        }
    }

    /// The tables of all feeds, as they belong together.
    pub fn tables(&self) -> Vec<SharedTable> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().map(|feed| feed.table()).collect()
    }

    /// What all tables share.
    pub fn limits(&self) -> Limits {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The feeds so far.
    pub fn list(&self) -> Vec<Arc<FeedState>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The producers whose first snapshot has not closed; none at all while it is not
    /// known which there are.
    pub fn waiting_for(&self) -> Option<Vec<String>> {
        if !self.complete.load(Ordering::Relaxed) {
            return None;
        }
        let waiting = |feed: &Arc<FeedState>| !feed.snapshot_closed.load(Ordering::Relaxed);
        Some(self.list().iter().filter(|feed| waiting(feed)).map(|feed| feed.producer_id.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::rows::Table;

    #[test]
    fn who_looks_while_all_tables_are_replaced_sees_all_of_the_old_or_all_of_the_new() {
        let limits = Limits::new(1);
        let table = || SharedTable::new(RwLock::new(Table::new("P", "t", limits.clone())));
        let sets: Vec<Vec<SharedTable>> = (0..2).map(|_| (0..50).map(|_| table()).collect()).collect();
        let feed = |table: &SharedTable| Arc::new(FeedState::new("P".to_owned(), Arc::clone(table)).0);
        let states: Vec<Arc<FeedState>> = sets[0].iter().map(feed).collect();
        let feeds = Feeds::new(limits.clone());
        for state in &states {
            feeds.add(Arc::clone(state));
        }
        let which = |tables: &[SharedTable]| {
            sets.iter().position(|set| set.iter().zip(tables).all(|(one, other)| Arc::ptr_eq(one, other)))
        };
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0.. {
                    let tables = sets[round % 2].iter().map(Arc::clone);
                    feeds.replace(states.iter().map(Arc::clone).zip(tables).collect(), limits.clone());
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let mut seen = BTreeSet::new();
            let mut torn = false;
            for looks in 0.. {
                let tables = feeds.tables();
                let found = which(&tables);
                torn |= tables.len() != 50 || found.is_none();
                seen.extend(found);
                if torn || looks > 1000 && seen.len() == 2 {
                    break;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            assert!(!torn);
        });
    }
}
