//! The watchdog: the service manager restarts an exporter from which it has not heard for a while.
//! It hears while every task makes progress ([`Pulses`]).
//!
//! This runs on the same runtime as all else, so that it falls silent with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info};

use super::Notifier;
use crate::pulse::Pulses;

/// How many signs of life there are in the time after which the manager gives up: it asks for two,
/// and the more there are, the sooner a silence is seen.
const SIGNS: u32 = 4;

/// How often the manager wants a sign of life, by `WATCHDOG_USEC` and `WATCHDOG_PID`; never, where
/// they are meant for another process or make no sense.
pub fn interval(environment: impl IntoIterator<Item = (String, String)>, pid: u32) -> Option<Duration> {
    let (mut usec, mut is_ours) = (None, true);
    for (name, value) in environment {
        match name.as_str() {
            "WATCHDOG_USEC" => usec = value.parse().ok().filter(|usec| *usec > 0),
            "WATCHDOG_PID" => is_ours = value.parse() == Ok(pid),
            _ => {}
        }
    }
    let interval = usec.map(Duration::from_micros)? / SIGNS;
    is_ours.then_some(interval)
}

/// Gives a sign of life each `interval` while no task has been silent for longer than `patience`,
/// for ever.
pub async fn feed(notifier: Notifier, interval: Duration, pulses: Arc<Pulses>, patience: Duration) {
    // Zero is no interval.
    let mut turns = tokio::time::interval(interval.max(Duration::from_millis(1)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Vec::new();
    loop {
        turns.tick().await;
        let hung = pulses.silent(Instant::now().into_std(), patience);
        if hung.is_empty() {
            notifier.watchdog();
        }
        if hung != said {
            if hung.is_empty() {
                info!("every task makes progress again");
            } else {
                error!(tasks = hung.join(", "), "tasks make no progress; the watchdog gets no sign of life");
            }
            said = hung;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_a_part_of_what_the_manager_allows_this_process() {
        for (usec, pid, expected) in [
            (Some("30000000"), None, Some(Duration::from_millis(7500))),
            (Some("30000000"), Some("7"), Some(Duration::from_millis(7500))),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some("?"), None),
            (Some("0"), Some("7"), None),
            (Some("-1"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
            (None, None, None),
        ] {
            let variables = [("WATCHDOG_USEC", usec), ("HOME", Some("/")), ("WATCHDOG_PID", pid)];
            let set =
                variables.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
            assert_eq!(interval(set, 7), expected, "{usec:?} {pid:?}");
        }
    }
}
