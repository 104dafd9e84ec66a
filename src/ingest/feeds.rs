//! All feeds, and how they stand: what a scrape renders, `/-/ready` answers from, and the
//! status page asks.
//!
//! What only a feed's task knows it is asked for: there is nothing to lock on the way of an
//! event, and a task that is stuck keeps nobody waiting who asks with a time-out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

use crate::ingest::report::FeedReport;
use crate::pipeline::SharedTable;

/// Questions that may wait for one feed; who comes with more waits to ask.
const QUESTIONS_MAX: usize = 4;

/// Where a feed's task finds the questions to it: each wants one report.
pub type Questions = mpsc::Receiver<oneshot::Sender<FeedReport>>;

/// How one feed stands.
#[derive(Debug)]
pub struct FeedState {
    producer_id: String,
    table: SharedTable,
    snapshot_closed: AtomicBool,
    questions: mpsc::Sender<oneshot::Sender<FeedReport>>,
}

impl FeedState {
    /// A feed that has had no snapshot yet, and where its task finds the questions to it.
    pub fn new(producer_id: String, table: SharedTable) -> (Self, Questions) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        (Self { producer_id, table, snapshot_closed: AtomicBool::new(false), questions }, asked)
    }

    /// Asks the feed's task for a report; none where the task has ended. Waits for as long
    /// as the task is busy.
    pub async fn ask(&self) -> Option<FeedReport> {
        let (answer, report) = oneshot::channel();
        self.questions.send(answer).await.ok()?;
        report.await.ok()
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
