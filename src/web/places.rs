//! Room in memory for rendered measures.
//!
//! Four renderings at most are under way, or so large as to take a whole place. A smaller one
//! gives back what it does not need once it is there, and then keeps one megabyte's room for
//! each that it takes: clients that read slowly keep little from others. Who finds no room
//! waits.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places of whole size.
const PLACES: u32 = 4;
/// Megabytes of a place: what a million series take.
const PLACE_MEGABYTES: u32 = 128;

/// All places.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

/// A place, or what is needed of it; given back when dropped.
#[derive(Debug)]
pub struct Place(OwnedSemaphorePermit);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new((PLACES * PLACE_MEGABYTES) as usize)))
    }
}

impl Places {
    /// Whether there is a whole place.
    pub fn has_one(&self) -> bool {
        self.0.available_permits() >= PLACE_MEGABYTES as usize
    }

    /// A whole place, if there is one.
    pub fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_many_owned(PLACE_MEGABYTES).ok().map(Place)
    }

    /// A whole place, once there is one. The longest waiting is the first.
    pub async fn take(&self) -> Option<Place> {
        // None would come of a semaphore that was closed, which this never is.
        Arc::clone(&self.0).acquire_many_owned(PLACE_MEGABYTES).await.ok().map(Place)
    }
}

impl Place {
    /// Gives back what so many bytes do not need.
    #[must_use]
    pub fn fit(mut self, bytes: u64) -> Self {
        let megabytes = usize::try_from(bytes.div_ceil(1 << 20)).unwrap_or(usize::MAX);
        let spare = self.0.num_permits().saturating_sub(megabytes.max(1));
        drop(self.0.split(spare));
        self
    }
}
