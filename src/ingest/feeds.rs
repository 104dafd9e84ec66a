//! All feeds, and how they stand: what a scrape renders and `/-/ready` answers from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::pipeline::SharedTable;

/// How one feed stands.
#[derive(Debug)]
pub struct FeedState {
    producer_id: String,
    table: SharedTable,
    snapshot_closed: AtomicBool,
}

impl FeedState {
    /// A feed that has had no snapshot yet.
    pub const fn new(producer_id: String, table: SharedTable) -> Self {
        Self { producer_id, table, snapshot_closed: AtomicBool::new(false) }
    }

    /// The producer's id.
    pub fn producer_id(&self) -> &str {
        &self.producer_id
    }

    /// The rows of the producer.
    pub const fn table(&self) -> &SharedTable {
        &self.table
    }

    /// Notes that a snapshot has closed.
    pub fn note_snapshot(&self) {
        self.snapshot_closed.store(true, Ordering::Relaxed);
    }
}

/// Every feed there is.
#[derive(Debug, Default)]
pub struct Feeds {
    list: RwLock<Vec<Arc<FeedState>>>,
    /// True once the list holds all feeds that will be.
    complete: AtomicBool,
}

impl Feeds {
    /// Adds a feed.
    pub fn add(&self, feed: Arc<FeedState>) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(feed);
    }

    /// Notes that no more feeds will be added.
    pub fn note_complete(&self) {
        self.complete.store(true, Ordering::Relaxed);
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
