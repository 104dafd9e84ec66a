//! What the status page shows, and the JSON that it is made from: `/api/v1/status` and
//! `/api/v1/measures`.
//!
//! Nothing is kept for it on the way of an event. When somebody looks, the feeds are asked for
//! a report, all at once and for no longer than a second: one that does not answer is
//! shown as `busy`, one whose task is gone as `ended`. Values and series are read from the
//! tables, some hundred rows a lock. However many look, this happens twice a second at most.
//!
//! In reading order: the documents (`status/document.rs`), how they come together
//! (`status/compose.rs`), which labels have how many values (`status/census.rs`), the page
//! (`status/page.rs`).

mod census;
mod compose;
pub mod document;
mod page;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ingest::api::unix_seconds;
use crate::ingest::feeds::Feeds;
use crate::sink::gauge::SinkGauge;
use crate::telemetry::Telemetry;

use census::Census;
use document::Documents;

pub use page::Page;

/// How long feeds may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// How old an answer may be that is given again.
const FRESH: Duration = Duration::from_millis(500);

/// Documents, and when they were made.
type Made = (Instant, Arc<Documents>);

/// Makes the documents.
#[derive(Debug)]
pub struct Status {
    feeds: Arc<Feeds>,
    telemetry: Arc<Telemetry>,
    sinks: Vec<SinkGauge>,
    started: Instant,
    started_at: f64,
    census: std::sync::Mutex<Census>,
    last: Arc<Mutex<Option<Made>>>,
}

impl Status {
    /// The status of these feeds and sinks; the exporter counts as started now.
    pub fn new(feeds: Arc<Feeds>, telemetry: Arc<Telemetry>, sinks: Vec<SinkGauge>) -> Self {
        Self {
            feeds,
            telemetry,
            sinks,
            started: Instant::now(),
            started_at: unix_seconds(),
            census: std::sync::Mutex::default(),
            last: Arc::default(),
        }
    }

    /// The documents as of now, or of a moment ago; none where making them failed, which it has
    /// no reason to.
    pub async fn documents(self: &Arc<Self>) -> Option<Arc<Documents>> {
        // Who comes meanwhile waits here and gets the same.
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if let Some((made, documents)) = &*last
            && made.elapsed() < FRESH
        {
            return Some(Arc::clone(documents));
        }
        let feeds = self.feeds.list();
        let asked = feeds.iter().map(|feed| async {
            match tokio::time::timeout(ASK_TIMEOUT, feed.ask()).await {
                Ok(Some(report)) => Ok(report),
                Ok(None) => Err("ended"),
                Err(_) => Err("busy"),
            }
        });
        let reports = join_all(asked).await;
        let status = Arc::clone(self);
        // It reads tables and counts labels: not for a thread that others wait for.
        let made = tokio::task::spawn_blocking(move || {
            let documents = Arc::new(status.compose(&feeds, reports).ok()?);
            // Here, since who asked may have left; whoever comes next waits for this all the same.
            *last = Some((Instant::now(), Arc::clone(&documents)));
            Some(documents)
        });
        made.await.ok().flatten()
    }
}
