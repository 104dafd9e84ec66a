//! Renderings that scrapers share, so that a thousand of them cost the work of a few.
//!
//! One rendering of a wish is under way at a time. Who comes meanwhile waits for the next,
//! and all who wait take that: it began after they came, so that each sees every event that
//! was applied before its request. A finished rendering is kept for five seconds, and as long
//! as someone is still reading it: where no table has changed since, the next one uses its
//! measures again.
//!
//! A rendering of a million series is a hundred megabytes. Those of four different moments
//! are there at most, counted until the last reader is done, and whoever needs another waits.
//! A rendering goes on when the client that asked for it has left.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tracing::error;

use crate::sink::exposition::Pick;
use crate::web::rendering::{Rendering, Source, Wish};

/// Measures of different moments in memory.
const MEASURES_MAX: usize = 4;
/// How long a rendering is kept that nobody reads.
const KEEP: Duration = Duration::from_secs(5);

/// Renders, and lets scrapers share what is rendered.
#[derive(Debug)]
pub struct Sharing {
    source: Arc<Source>,
    slots: [Arc<Mutex<Slot>>; Wish::COUNT],
    places: Arc<Semaphore>,
    /// Numbers what happens: a rendering with a higher number than a request began after it.
    moments: AtomicU64,
}

/// The last rendering of one wish. It is locked while the next is under way.
#[derive(Debug, Default)]
struct Slot {
    began: u64,
    last: Weak<Rendering>,
    kept: Option<Arc<Rendering>>,
}

/// A rendering that failed; the log says why.
#[derive(Debug)]
pub struct Failed;

impl Sharing {
    /// Renders from this source.
    pub fn new(source: Arc<Source>) -> Self {
        let places = Arc::new(Semaphore::new(MEASURES_MAX));
        Self { source, slots: std::array::from_fn(|_| Arc::default()), places, moments: AtomicU64::new(0) }
    }

    /// What renderings are made from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What is there now, or became so since this was called. Drop it to wait no longer.
    ///
    /// # Errors
    /// Where it cannot be rendered.
    pub async fn render(&self, wish: Wish, pick: Pick) -> Result<Arc<Rendering>, Failed> {
        if !pick.is_everything() {
            // Others hardly pick the same.
            let (source, place) = (Arc::clone(&self.source), self.place().await);
            return finished(spawn_blocking(move || source.render(wish, &pick, None, place)).await)
                .map(Arc::new);
        }
        let came = self.moment();
        let Some(slot) = self.slots.get(wish.index()) else { return Err(Failed) };
        let mut guard = Arc::clone(slot).lock_owned().await;
        if guard.began > came
            && let Some(rendering) = guard.last.upgrade()
        {
            return Ok(rendering);
        }
        let mut last = guard.kept.take().or_else(|| guard.last.upgrade());
        let mut place = Arc::clone(&self.places).try_acquire_owned().ok();
        if place.is_none() {
            // It may be the last that holds the place which this waits for.
            last = None;
            place = self.place().await;
        }
        let (source, places, slot) = (Arc::clone(&self.source), Arc::clone(&self.places), Arc::clone(slot));
        let began = self.moment();
        let rendering = spawn_blocking(move || {
            let rendering = Arc::new(source.render(wish, &pick, last, place)?);
            (guard.began, guard.last) = (began, Arc::downgrade(&rendering));
            // The last place is for those who need one.
            guard.kept = (places.available_permits() > 0).then(|| Arc::clone(&rendering));
            // Here, since nobody may be left to wait for the end of this.
            forget_later(&slot, began);
            Ok::<_, flate2::CompressError>(rendering)
        });
        finished(rendering.await)
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A place for measures; what is only kept makes room.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if self.places.available_permits() == 0 {
            for slot in &self.slots {
                // Who has it locked has dropped what was kept there.
                if let Ok(mut slot) = slot.try_lock() {
                    slot.kept = None;
                }
            }
        }
        // The semaphore is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

/// Keeps a rendering for a while.
fn forget_later(slot: &Arc<Mutex<Slot>>, began: u64) {
    let slot = Arc::downgrade(slot);
    tokio::spawn(async move {
        tokio::time::sleep(KEEP).await;
        if let Some(slot) = slot.upgrade() {
            let mut slot = slot.lock().await;
            if slot.began == began {
                slot.kept = None;
            }
        }
    });
}

fn finished<T, E: std::error::Error, J: std::error::Error>(
    outcome: Result<Result<T, E>, J>,
) -> Result<T, Failed> {
    match outcome {
        Ok(Ok(rendering)) => return Ok(rendering),
        Ok(Err(err)) => error!(err = %err, "a scrape could not be compressed"),
        Err(err) => error!(err = %err, "a scrape could not be rendered"),
    }
    Err(Failed)
}
