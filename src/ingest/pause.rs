//! Pauses between attempts: random, up to a bound that doubles with each failure.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The pauses of one thing that is tried again and again.
#[derive(Debug)]
pub struct Pauses {
    min: Duration,
    max: Duration,
    failures: u32,
    random: StdRng,
}

impl Pauses {
    /// Pauses of at least `min` and at most `max`; `seed` makes the jitter.
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self { min, max, failures: 0, random: StdRng::seed_from_u64(seed) }
    }

    /// How long to wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = self.min.saturating_mul(2u32.saturating_pow(self.failures)).min(self.max);
        self.random.random_range(self.min.min(bound)..=bound)
    }

    /// It worked: the next failure is a first one again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since it last worked.
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}
