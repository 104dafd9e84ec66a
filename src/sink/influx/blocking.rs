//! Work that waits for a disk, off the threads that others need.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Something that is used on threads which may wait. One use at a time; one that is given up
/// half-way goes on, and the next waits for it.
#[derive(Debug)]
pub(super) struct Blocking<T>(Arc<Mutex<T>>);

impl<T> Clone for Blocking<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Blocking<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Runs `work` on such a thread.
    ///
    /// # Errors
    /// Where it cannot be run, as the program ends.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> io::Result<R> {
        let shared = Arc::clone(&self.0);
        let work = move || work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
    }
}
