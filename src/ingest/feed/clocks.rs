//! Two clocks, by which a sleep of the machine is seen.

use std::time::Instant;

/// A gap between the clock that stops while the machine sleeps and the one that does not,
/// which is more than their reading takes, seconds.
const SLEEP_MIN: f64 = 10.0;

/// Two clocks: one stops while the machine sleeps, the other does not.
pub(super) struct Clocks {
    awake: Instant,
    always: Option<f64>,
}

impl Clocks {
    pub(super) fn now() -> Self {
        let always = procfs::Current::current().ok().map(|uptime: procfs::Uptime| uptime.uptime);
        Self { awake: Instant::now(), always }
    }

    /// True if the machine slept since the last look.
    pub(super) fn slept(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        let awake = self.awake.duration_since(before.awake).as_secs_f64();
        match (before.always, self.always) {
            (Some(before), Some(after)) => after - before - awake > SLEEP_MIN,
            _ => false,
        }
    }
}
