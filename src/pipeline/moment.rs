//! A moment, by both clocks: one orders what happens, the other is what outputs show.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// When something happened.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that never goes back.
    pub instant: Instant,
    /// By the wall, nanoseconds since the epoch.
    pub unix_ns: i64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), unix_ns: i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// The moment of a later instant; itself for one that is not.
    #[must_use]
    pub fn later(self, instant: Instant) -> Self {
        let since = instant.saturating_duration_since(self.instant);
        let since_ns = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        Self { instant: self.instant + since, unix_ns: self.unix_ns.saturating_add(since_ns) }
    }
}
