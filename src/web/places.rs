//! Room in memory for rendered measures.
//!
//! Four renderings at most are under way, or so large as to take a whole place. A smaller one
//! gives back what it does not need once it is there, and then keeps one megabyte's room for
//! each that it takes: clients that read slowly keep little from others. Who finds no room
//! waits, and may have those cut off whom it would wait for in vain ([`Places::clear`]).

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::web::readers::Readers;

/// Places of whole size.
const PLACES: u32 = 4;
/// Megabytes of a place: what a million series take.
const PLACE_MEGABYTES: u32 = 128;

/// All places.
#[derive(Debug, Clone)]
pub struct Places {
    room: Arc<Semaphore>,
    place_megabytes: u32,
    /// Who reads in each that is taken.
    taken: Arc<Mutex<Vec<Weak<Readers>>>>,
}

/// A place, or what is needed of it; given back when dropped.
#[derive(Debug)]
pub struct Place {
    permit: OwnedSemaphorePermit,
    readers: Arc<Readers>,
}

impl Default for Places {
    fn default() -> Self {
        Self::new(PLACES, PLACE_MEGABYTES)
    }
}

impl Places {
    /// So many places of so many megabytes.
    pub fn new(places: u32, place_megabytes: u32) -> Self {
        let room = Arc::new(Semaphore::new((places * place_megabytes) as usize));
        Self { room, place_megabytes, taken: Arc::default() }
    }

    /// Whether there is a whole place.
    pub fn has_one(&self) -> bool {
        self.room.available_permits() >= self.place_megabytes as usize
    }

    /// A whole place, if there is one.
    pub fn try_take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.room).try_acquire_many_owned(self.place_megabytes);
        permit.ok().map(|permit| self.place(permit))
    }

    /// A whole place, once there is one. The longest waiting is the first.
    pub async fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.room).acquire_many_owned(self.place_megabytes).await;
        // None would come of a semaphore that was closed, which this never is.
        permit.ok().map(|permit| self.place(permit))
    }

    /// Cuts off readers of the place that is held up most, for who waits and has to have one by
    /// `due`: those who, at the pace they have had, are not done by then. Nobody is who has hardly
    /// begun. Gives how many there were.
    pub fn clear(&self, due: Instant) -> u64 {
        let patience = due.saturating_duration_since(Instant::now());
        let taken: Vec<Arc<Readers>> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let late = taken.iter().filter_map(|readers| Some((readers.time_left()?, readers)));
        let last = late.filter(|(left, _)| *left > patience).max_by_key(|(left, _)| *left);
        last.map_or(0, |(_, readers)| readers.cut_off(patience))
    }

    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        let readers = Arc::default();
        let mut taken = self.lock();
        taken.retain(|readers| readers.strong_count() > 0);
        taken.push(Arc::downgrade(&readers));
        Place { permit, readers }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Readers>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives back what so many bytes do not need.
    #[must_use]
    pub fn fit(mut self, bytes: u64) -> Self {
        let megabytes = usize::try_from(bytes.div_ceil(1 << 20)).unwrap_or(usize::MAX);
        let spare = self.permit.num_permits().saturating_sub(megabytes.max(1));
        drop(self.permit.split(spare));
        self
    }

    /// Who reads what lies here.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_given_back_is_forgotten_when_the_next_is_taken() {
        let places = Places::new(2, 8);
        let _stays = places.try_take().unwrap();
        for _ in 0..1000 {
            drop(places.try_take().unwrap());
        }
        assert!(places.lock().len() <= 2);
    }
}
