//! Two clocks, by which a sleep of the machine is seen.

use std::time::{Duration, Instant};

/// A gap between the clock that stops while the machine sleeps and the one that does not,
/// which is more than their reading takes.
const SLEEP_MIN: Duration = Duration::from_secs(10);
/// How often to look: timers stop with the machine, and a feed at rest has none for minutes.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What two clocks read: one stops while the machine sleeps, the other does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    awake: Instant,
    /// Since the machine was started; none where that cannot be read.
    always: Option<Duration>,
}

impl Clocks {
    pub(super) fn now() -> Self {
        let uptime = procfs::Current::current().ok().map(|uptime: procfs::Uptime| uptime.uptime);
        let always = uptime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self { awake: Instant::now(), always }
    }

    /// When to look again.
    pub(super) fn look_at(&self) -> Instant {
        self.awake + LOOK_INTERVAL
    }

    /// True if the machine slept since the last look.
    pub(super) fn slept(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        before.slept_until(self)
    }

    /// True if the machine slept from this reading to a later one.
    fn slept_until(&self, after: &Self) -> bool {
        let (Some(began), Some(ended)) = (self.always, after.always) else { return false };
        ended.saturating_sub(began) > after.awake.duration_since(self.awake) + SLEEP_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_what_one_clock_saw_and_the_other_did_not() {
        let seconds = Duration::from_secs;
        let start = Clocks { awake: Instant::now(), always: Some(seconds(1000)) };
        let later = |awake, always| Clocks { awake: start.awake + seconds(awake), always };
        for (awake, always, slept) in [
            (10, Some(1010), false),
            (10, Some(1020), false),
            (10, Some(1021), true),
            (0, Some(4600), true),
            (86_400, Some(87_400), false),
            // A clock that cannot be read, or that goes back, says nothing.
            (10, None, false),
            (10, Some(0), false),
        ] {
            assert_eq!(start.slept_until(&later(awake, always.map(seconds))), slept, "{awake} {always:?}");
        }
        assert!(!Clocks { always: None, ..start }.slept_until(&later(10, Some(seconds(9000)))));
    }

    #[test]
    fn a_look_is_due_some_seconds_after_the_last_one() {
        let mut clocks = Clocks::now();
        assert!(clocks.always.is_some(), "this machine says how long it is up");
        clocks.awake -= LOOK_INTERVAL;
        assert!(clocks.look_at() <= Instant::now());
        assert!(!clocks.slept(), "an unslept while");
        assert!(clocks.look_at() > Instant::now());
    }
}
