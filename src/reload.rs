//! Reload: the configuration is read anew while the program runs, at SIGHUP or `POST /-/reload`.
//!
//! Who wants one asks by a [`Reloader`] and hears what came of it; [`Reloads`] is the other end,
//! where they are carried out one after the other.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::blocking::Blocking;
use crate::config::Loaded;

/// How long reading the configuration may take: files may lie on a disk that hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What came of a reload: what it has done, or why nothing was changed, in words.
pub type Outcome = Result<String, String>;

/// Asks for reloads.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Where reloads are asked for, and where the configuration comes from.
#[derive(Debug)]
pub struct Reloads {
    requests: mpsc::Receiver<oneshot::Sender<Outcome>>,
    /// Where the configuration comes from.
    pub source: Source,
}

/// Reads the configuration.
type Read = dyn Fn() -> Result<Loaded, String> + Send;

/// Where the configuration comes from. A disk that hangs holds one thread, however often it is asked.
#[derive(Clone)]
pub struct Source(Blocking<Box<Read>>);

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Source")
    }
}

impl Source {
    /// A configuration that is read by `read`, which may block.
    pub fn new(read: impl Fn() -> Result<Loaded, String> + Send + 'static) -> Self {
        Self(Blocking::new(Box::new(read)))
    }

    /// None, as where there is no file.
    pub fn none() -> Self {
        Self::new(|| Err("there is no file to read".to_owned()))
    }

    /// The configuration as it is now.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub async fn load(&self) -> Result<Loaded, String> {
        let loaded = self.0.run_within(READ_TIMEOUT, |read| read()).await;
        loaded.map_err(|err| format!("read the configuration: {err}"))?
    }
}

/// Both ends.
pub fn reloads(source: Source) -> (Reloader, Reloads) {
    let (sender, requests) = mpsc::channel(1);
    (Reloader(sender), Reloads { requests, source })
}

impl Reloader {
    /// Has the configuration reloaded, after those who asked before.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn reload(&self) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let stopping = || Err("the exporter is stopping".to_owned());
        if self.0.send(answer).await.is_err() {
            return stopping();
        }
        outcome.await.unwrap_or_else(|_| stopping())
    }

    /// Asks for a reload without waiting for it. One that is asked for already will do.
    pub fn ask(&self) {
        let _ = self.0.try_send(oneshot::channel().0);
    }
}

impl Reloads {
    /// The next who asks; none once nobody can any more.
    pub async fn next(&mut self) -> Option<oneshot::Sender<Outcome>> {
        self.requests.recv().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_with_the_configuration_holds_one_thread_however_often_it_is_asked() {
        let (going_on, hang) = mpsc::channel::<()>();
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&begun);
        let source = Source::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = hang.recv();
            Err("it is read".to_owned())
        });
        for _ in 0..3 {
            let (loaded, ()) = tokio::join!(source.load(), tokio::time::advance(READ_TIMEOUT));
            assert!(loaded.is_err_and(|err| err.contains("takes longer")));
        }
        drop(going_on);
        assert!(source.load().await.is_err_and(|err| err == "it is read"));
        assert_eq!(begun.load(Ordering::Relaxed), 2, "the first goes on, and then the last");
    }
}
