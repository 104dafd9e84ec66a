//! Places: how many series, or rows, all tables together may hold.
//!
//! When all places are taken what exists goes on and what is new is refused; a retired
//! row gives its places back.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared, bounded number of places.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    taken: AtomicUsize,
}

impl Places {
    /// `limit` places, none taken.
    pub const fn new(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes `count` places, all or none; false if there are not as many.
    #[must_use]
    pub fn take(&self, count: usize) -> bool {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(count).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    /// Gives `count` places back.
    pub fn give_back(&self, count: usize) {
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| Some(taken.saturating_sub(count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_whole_and_given_back() {
        let places = Places::new(3);
        assert!(places.take(2));
        assert!(!places.take(2));
        assert!(places.take(1));
        assert_eq!((places.taken(), places.limit()), (3, 3));
        places.give_back(2);
        assert!(places.take(2));
        assert!(!places.take(usize::MAX));
    }
}
