//! Work that waits for a disk, off the threads that others need.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

/// Something that is used on threads which may wait. One use at a time; one that is given up
/// half-way goes on, and the next waits for it, on no thread: a disk that hangs holds one.
#[derive(Debug)]
pub(crate) struct Blocking<T>(Arc<Mutex<T>>);

impl<T> Clone for Blocking<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Blocking<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Whether it is used now, be it by somebody who waits for that no longer.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.try_lock().is_err()
    }

    /// Runs `work` on such a thread. Given up before its turn, it does nothing.
    ///
    /// # Errors
    /// Where it panics, or cannot be run, as the program ends. The next finds what it left.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> io::Result<R> {
        let mut value = Arc::clone(&self.0).lock_owned().await;
        tokio::task::spawn_blocking(move || work(&mut value)).await.map_err(io::Error::other)
    }

    /// [`Self::run`], for which nobody waits longer than `patience`.
    ///
    /// # Errors
    /// As there, and where it takes longer.
    pub(crate) async fn run_within<R: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> io::Result<R> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it takes longer than {patience:?}"));
        tokio::time::timeout(patience, self.run(work)).await.map_err(late)?
    }

    /// As on a disk that hangs, until what this gives is dropped.
    #[cfg(test)]
    pub(crate) async fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (going_on, hang) = std::sync::mpsc::channel();
        let disk = self.clone();
        tokio::spawn(async move { disk.run(move |_| hang.recv().is_err()).await });
        while !self.is_busy() {
            tokio::task::yield_now().await;
        }
        going_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_keeps_nobody_waiting() {
        let number = Blocking::new(1);
        let others = number.clone();
        let failed = number.run(|_| panic!("a fault of ours")).await;
        assert!(failed.is_err_and(|err| err.to_string().contains("panic")));
        assert_eq!((others.is_busy(), others.run(|number| *number).await.unwrap()), (false, 1));
    }
}
