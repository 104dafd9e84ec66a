//! An alarm: says, by a gauge and in the log, whether something works.
//!
//! What goes wrong is an alarm until the same goes well again. The log hears of the first at
//! once, of what follows once in [`REMIND_INTERVAL`] at most, since it may come and go each
//! second, and of the end of what it has heard.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tracing::{info, warn};

/// How often what is wrong is spoken of.
pub(crate) const REMIND_INTERVAL: Duration = Duration::from_secs(60);

/// What is wrong with one thing.
#[derive(Debug)]
pub(crate) struct Alarm {
    sink: String,
    /// 1 while nothing is wrong.
    gauge: Gauge,
    /// What is said when all is well again.
    all_clear: &'static str,
    wrong: BTreeSet<&'static str>,
    /// When something was spoken of last.
    spoken_at: Option<Instant>,
    /// Whether its end has not been spoken of yet.
    is_open: bool,
}

impl Alarm {
    /// Nothing is wrong; what the gauge shows stays until something is known.
    pub(crate) fn new(sink: &str, gauge: Gauge, all_clear: &'static str) -> Self {
        let sink = sink.to_owned();
        Self { sink, gauge, all_clear, wrong: BTreeSet::new(), spoken_at: None, is_open: false }
    }

    /// This went wrong.
    pub(crate) fn raise(&mut self, what: &'static str, err: impl Display) {
        self.wrong.insert(what);
        self.gauge.set(0);
        if self.spoken_at.is_none_or(|at| at.elapsed() >= REMIND_INTERVAL) {
            self.spoken_at = Some(Instant::now());
            self.is_open = true;
            warn!(sink = self.sink, err = %err, "{what}");
        }
    }

    /// What went wrong goes well.
    pub(crate) fn clear(&mut self, what: &'static str) {
        self.wrong.remove(what);
        if self.wrong.is_empty() {
            self.gauge.set(1);
            if std::mem::take(&mut self.is_open) {
                info!(sink = self.sink, "{}", self.all_clear);
            }
        }
    }

    /// Whether this went wrong last.
    pub(crate) fn is_raised(&self, what: &str) -> bool {
        self.wrong.contains(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_is_well_when_each_thing_that_went_wrong_goes_well() {
        let gauge = Gauge::default();
        let mut alarm = Alarm::new("main", gauge.clone(), "all is well");
        alarm.clear("read");
        assert_eq!((gauge.get(), alarm.is_raised("read")), (1, false));
        alarm.raise("write", "full");
        alarm.raise("read", "gone");
        alarm.clear("write");
        assert_eq!((gauge.get(), alarm.is_raised("read"), alarm.is_raised("write")), (0, true, false));
        alarm.clear("read");
        assert_eq!((gauge.get(), alarm.is_raised("read")), (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_is_spoken_of_once_a_minute() {
        let mut alarm = Alarm::new("main", Gauge::default(), "all is well");
        let mut spoken = Vec::new();
        for second in 0..130 {
            alarm.raise("write", "full");
            if alarm.is_open {
                spoken.push(second);
            }
            alarm.clear("write");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(spoken, [0, 60, 120]);
    }
}
