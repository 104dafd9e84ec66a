//! How long a client waits for its answer, as far as it says.
//!
//! Prometheus says how long a scrape may take in a header. It counts from the moment in which its
//! request comes to the door, so that waiting there costs time like any other.

use std::time::Duration;

use hyper::HeaderMap;
use tokio::time::Instant;

/// How long an answer may take whose client does not say.
const LENGTH: Duration = Duration::from_secs(30);
/// The longest a client may ask for.
const LENGTH_MAX: Duration = Duration::from_secs(600);
/// How much earlier than the client gives up the answer is to be there.
const MARGIN_MAX: Duration = Duration::from_millis(500);
/// What Prometheus says its time-out in, in seconds.
const HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// The time in which an answer has to be there.
#[derive(Debug, Clone, Copy)]
pub struct Timeout {
    begin: Instant,
    length: Duration,
}

impl Timeout {
    /// That of a request which has just come: less than its client waits, by a tenth. What makes
    /// no sense as a time is as if it were not there.
    pub fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(HEADER).and_then(|value| value.to_str().ok());
        let seconds = said.and_then(|said| said.trim().parse::<f64>().ok());
        let length = match seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0) {
            None => LENGTH,
            Some(seconds) => {
                let length = Duration::from_secs_f64(seconds.min(LENGTH_MAX.as_secs_f64()));
                length.saturating_sub((length / 10).min(MARGIN_MAX))
            }
        };
        Self { begin: Instant::now(), length }
    }

    /// When the answer has to be there.
    pub fn end(self) -> Instant {
        self.begin + self.length
    }

    /// When half of the time is over.
    pub fn half(self) -> Instant {
        self.begin + self.length / 2
    }
}
