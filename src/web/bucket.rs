//! A rate limit: so many requests at once, and one more each interval.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::web::config::Rate;

/// A token bucket, kept as the moment at which it will be full again. Full at first.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<Option<Instant>>);

impl Bucket {
    /// Takes a token, if there is one; where there is no limit, there always is.
    pub fn take(&self, rate: Option<Rate>, now: Instant) -> bool {
        let Some(Rate { interval, burst }) = rate else { return true };
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = full_at.map_or(now, |at| at.max(now));
        if due - now > interval.saturating_mul(burst - 1) {
            return false;
        }
        *full_at = Some(due.checked_add(interval).unwrap_or(due));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_answered_and_then_one_request_an_interval() {
        let (bucket, start) = (Bucket::default(), Instant::now());
        let rate = Some(Rate { interval: Duration::from_secs(1), burst: 3 });
        let take = |millis| bucket.take(rate, start + Duration::from_millis(millis));
        assert_eq!([take(0), take(0), take(0), take(0)], [true, true, true, false]);
        assert_eq!([take(999), take(1000), take(1000)], [false, true, false]);
        assert_eq!([take(60_000); 1], [true], "filled again, though not beyond the burst");
        assert_eq!([take(60_000), take(60_000), take(60_000)], [true, true, false]);
        assert!(bucket.take(None, start), "no limit");
    }

    #[test]
    fn no_limit_is_too_large_to_reckon_with() {
        let (bucket, now) = (Bucket::default(), Instant::now());
        let rate = Some(Rate { interval: Duration::from_nanos(u64::MAX), burst: u32::MAX });
        assert!((0..100).all(|_| bucket.take(rate, now)));
    }
}
