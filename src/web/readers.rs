//! Those who read the same rendering, and how fast they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::AbortHandle;
use tokio::time::Instant;

/// How long a reader is left alone, however slow it is: before that nobody can tell its pace.
const GRACE: Duration = Duration::from_secs(2);

/// Those who read what lies in one place.
#[derive(Debug, Default)]
pub struct Readers(Mutex<Vec<Weak<Reader>>>);

/// A client that is being sent a body.
#[derive(Debug)]
pub struct Reader {
    began: Instant,
    /// Of its body.
    bytes: u64,
    /// Bytes handed over: what the client has, or the system holds for it.
    taken: AtomicU64,
    /// What carries the body.
    connection: OnceLock<AbortHandle>,
}

impl Readers {
    /// A reader of so many bytes, who begins now.
    pub fn enter(&self, bytes: u64) -> Arc<Reader> {
        let (began, taken) = (Instant::now(), AtomicU64::new(0));
        let reader = Arc::new(Reader { began, bytes, taken, connection: OnceLock::new() });
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(Arc::downgrade(&reader));
        reader
    }

    /// How long the slowest of them will take yet, at the pace it has had. None where nobody
    /// reads, or somebody has hardly begun.
    pub fn time_left(&self) -> Option<Duration> {
        let now = Instant::now();
        self.list().iter().map(|reader| reader.time_left(now)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Ends the connections of those who will take longer than that; gives how many there were.
    pub fn cut_off(&self, patience: Duration) -> u64 {
        let now = Instant::now();
        let list = self.list();
        let late = list.iter().filter(|reader| reader.time_left(now).is_some_and(|left| left > patience));
        late.map(|reader| u64::from(reader.cut_off())).sum()
    }

    fn list(&self) -> Vec<Arc<Reader>> {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Reader {
    /// Notes bytes that were handed over.
    pub fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says what carries the body; to be said once.
    pub fn carried_by(&self, connection: &AbortHandle) {
        // A second one could not be told from the first, and there is none.
        let _ = self.connection.set(connection.clone());
    }

    fn time_left(&self, now: Instant) -> Option<Duration> {
        let held = now.saturating_duration_since(self.began);
        let taken = self.taken.load(Ordering::Relaxed);
        let millis =
            held.as_millis() * u128::from(self.bytes.saturating_sub(taken)) / u128::from(taken.max(1));
        (held >= GRACE).then(|| Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// Ends its connection; false where that is done.
    fn cut_off(&self) -> bool {
        let Some(connection) = self.connection.get().filter(|connection| !connection.is_aborted()) else {
            return false;
        };
        connection.abort();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_read_is_forgotten_when_the_next_comes() {
        let readers = Readers::default();
        let stays = readers.enter(1);
        for _ in 0..1000 {
            drop(readers.enter(1));
        }
        assert!(readers.0.lock().unwrap().len() <= 2);
        assert_eq!(readers.list().iter().map(Arc::as_ptr).collect::<Vec<_>>(), [Arc::as_ptr(&stays)]);
    }
}
