//! Renderings that scrapers share, so that a thousand of them cost the work of a few.
//!
//! One rendering of a wish is under way at a time. Who comes meanwhile waits for the next,
//! and all who wait take that: it began after they came, so that each sees every event that
//! was applied before its request. A finished rendering is kept for five seconds, and as long
//! as someone is still reading it: where no table has changed since, the next one uses its
//! measures again.
//!
//! A rendering of a million series is a hundred megabytes. So each has a place
//! (`web/places.rs`) until its last reader is done, and whoever finds none waits, unless the
//! measures of the last still hold: they have theirs. Whom it would wait for until half of its
//! time-out is over, and longer, it has cut off (`web/readers.rs`): the other half is for reading.
//! A rendering goes on when the client that asked for it has left.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time;
use tracing::error;

use crate::table::pick::Pick;
use crate::web::places::{Place, Places};
use crate::web::rendering::{Rendering, Source};
use crate::web::timeout::Timeout;
use crate::web::wish::Wish;

/// How long a rendering is kept that nobody reads.
const KEEP: Duration = Duration::from_secs(5);
/// How often one that waits for a place, or for who does, looks whom it waits for.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Renders, and lets scrapers share what is rendered.
#[derive(Debug)]
pub struct Sharing {
    source: Arc<Source>,
    slots: [Arc<Mutex<Slot>>; Wish::COUNT],
    places: Places,
    /// Numbers what happens: a rendering with a higher number than a request began after it.
    moments: AtomicU64,
}

/// The last rendering of one wish. It is locked while the next is under way.
#[derive(Debug, Default)]
struct Slot {
    began: u64,
    last: Weak<Rendering>,
    kept: Option<Arc<Rendering>>,
    /// Forgets what is kept, in a while.
    forgetting: Option<AbortHandle>,
}

/// A rendering that failed; the log says why.
#[derive(Debug)]
pub struct Failed;

impl Sharing {
    /// Renders from this source, into these places.
    pub fn new(source: Arc<Source>, places: Places) -> Self {
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
    pub async fn render(&self, wish: Wish, pick: Pick, timeout: Timeout) -> Result<Arc<Rendering>, Failed> {
        if !pick.is_everything() {
            // Others hardly pick the same.
            let (source, place) = (Arc::clone(&self.source), self.place(timeout).await);
            let rendering = spawn_blocking(move || source.render(wish, &pick, None, place));
            return finished(rendering.await)?.map(Arc::new).ok_or(Failed);
        }
        let came = self.moment();
        let Some(slot) = self.slots.get(wish.index()) else { return Err(Failed) };
        // Who has it locked may wait for a place, and longer than this one can.
        let mut guard = self.impatiently(Arc::clone(slot).lock_owned(), timeout).await;
        if guard.began > came
            && let Some(rendering) = guard.last.upgrade()
        {
            return Ok(rendering);
        }
        let last = guard.kept.take().or_else(|| guard.last.upgrade());
        match self.next(wish, guard, last, self.places.try_take()).await? {
            Ok(rendering) => Ok(rendering),
            // What was kept is gone: it may have had the place which this waits for.
            Err(guard) => {
                let place = self.place(timeout).await;
                self.next(wish, guard, None, place).await?.map_err(|_| Failed)
            }
        }
    }

    /// Renders what `guard` waits for; gives it back where that takes a place and there is none.
    async fn next(
        &self,
        wish: Wish,
        mut guard: OwnedMutexGuard<Slot>,
        last: Option<Arc<Rendering>>,
        place: Option<Place>,
    ) -> Result<Result<Arc<Rendering>, OwnedMutexGuard<Slot>>, Failed> {
        let (source, places) = (Arc::clone(&self.source), self.places.clone());
        let began = self.moment();
        let rendering = spawn_blocking(move || {
            let Some(rendering) = source.render(wish, &Pick::default(), last, place)? else {
                return Ok(Err(guard));
            };
            let rendering = Arc::new(rendering);
            (guard.began, guard.last) = (began, Arc::downgrade(&rendering));
            // The last place is for those who need one.
            guard.kept = places.has_one().then(|| Arc::clone(&rendering));
            // Here, since nobody may be left to wait for the end of this.
            let forgetting = forget_later(OwnedMutexGuard::mutex(&guard));
            if let Some(before) = guard.forgetting.replace(forgetting) {
                before.abort();
            }
            Ok::<_, flate2::CompressError>(Ok(rendering))
        });
        finished(rendering.await)
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A place for measures; what is only kept makes room, and then those who read too slowly.
    async fn place(&self, timeout: Timeout) -> Option<Place> {
        if !self.places.has_one() {
            for slot in &self.slots {
                // Who has it locked has dropped what was kept there.
                if let Ok(mut slot) = slot.try_lock() {
                    slot.kept = None;
                }
            }
        }
        self.impatiently(self.places.take(), timeout).await
    }

    /// What `waiting` gives; while there is no room, those go who read too slowly.
    async fn impatiently<T>(&self, waiting: impl Future<Output = T>, timeout: Timeout) -> T {
        let mut waiting = pin!(waiting);
        loop {
            if let Ok(done) = time::timeout(LOOK_INTERVAL, &mut waiting).await {
                return done;
            }
            if !self.places.has_one() {
                let slow = self.places.clear(timeout.half());
                self.source.telemetry().scrapes_refused("slow").inc_by(slow);
            }
        }
    }
}

/// Keeps a rendering for a while, unless another follows.
fn forget_later(slot: &Arc<Mutex<Slot>>) -> AbortHandle {
    let slot = Arc::downgrade(slot);
    let forgetting = tokio::spawn(async move {
        time::sleep(KEEP).await;
        if let Some(slot) = slot.upgrade() {
            slot.lock().await.kept = None;
        }
    });
    forgetting.abort_handle()
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
