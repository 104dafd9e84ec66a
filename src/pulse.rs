//! Whether every task makes progress: each that lives as long as the exporter has a [`Pulse`] to
//! beat, and [`Pulses`] tells whose has fallen silent.
//!
//! A beat is one store to memory, and none is due on the way of an event: a feed beats when its
//! timer wakes it, every ten seconds at the latest, which shows that its loop goes round. A task
//! that does nothing but wait for others (a sink for its server, the scrape server for clients)
//! beats beside its work ([`Pulse::during`]), as the outside may take any time. That shows
//! that it can be woken: it holds no thread for good, neither in a lock nor in a loop.
//!
//! Who looks brings the clock.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a pulse may be silent before its task counts as hung: three rounds of a feed at rest,
/// or one in which a frame of ours takes as long as it may.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a task beats beside its work.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The pulses of all tasks.
#[derive(Debug, Default)]
pub struct Pulses {
    watched: Mutex<Vec<Watched>>,
}

#[derive(Debug)]
struct Watched {
    task: String,
    beaten: Weak<AtomicBool>,
    /// When a look found no beat for the first time since the last one.
    silent_since: Option<Instant>,
}

/// One task's pulse; it is watched until it is dropped.
#[derive(Debug)]
pub struct Pulse {
    beaten: Arc<AtomicBool>,
}

impl Pulses {
    /// A pulse for a task, which has some time for its first beat.
    pub fn begin(&self, task: impl Into<String>) -> Pulse {
        let beaten = Arc::new(AtomicBool::new(true));
        let watched = Watched { task: task.into(), beaten: Arc::downgrade(&beaten), silent_since: None };
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        Pulse { beaten }
    }

    /// The tasks that have been silent for longer than `patience`.
    ///
    /// Silence counts from the first look that finds it, not from the last beat: where the whole
    /// process stood still for a while, every task has its time again.
    pub fn silent(&self, now: Instant, patience: Duration) -> Vec<String> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut silent = Vec::new();
        watched.retain_mut(|watched| {
            let Some(beaten) = watched.beaten.upgrade() else { return false };
            if beaten.swap(false, Ordering::Relaxed) {
                watched.silent_since = None;
            } else if now.saturating_duration_since(*watched.silent_since.get_or_insert(now)) > patience {
                silent.push(watched.task.clone());
            }
            true
        });
        silent
    }
}

impl Pulse {
    /// Shows progress.
    pub fn beat(&self) {
        self.beaten.store(true, Ordering::Relaxed);
    }

    /// Does work that may wait for the outside as long as it takes, and beats meanwhile.
    pub async fn during<F: Future>(self, work: F) -> F::Output {
        tokio::pin!(work);
        let mut beats = tokio::time::interval(BEAT_INTERVAL);
        loop {
            tokio::select! {
                biased;
                _ = beats.tick() => self.beat(),
                output = &mut work => return output,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_task_is_silent_once_it_has_not_beaten_for_longer_than_patience() {
        let (pulses, start) = (Pulses::default(), Instant::now());
        let (steady, hung) = (pulses.begin("steady"), pulses.begin("hung"));
        for (second, silent) in [(0, &[][..]), (1, &[]), (3, &[]), (4, &["hung"]), (9, &["hung"])] {
            steady.beat();
            assert_eq!(pulses.silent(start + SECOND * second, SECOND * 2), silent, "{second}");
        }
        hung.beat();
        steady.beat();
        assert!(pulses.silent(start + SECOND * 10, SECOND * 2).is_empty(), "it goes on");
        drop((steady, hung));
        assert!(pulses.silent(start + SECOND * 99, SECOND * 2).is_empty(), "tasks that ended are not missed");
        assert!(pulses.watched.lock().unwrap().is_empty());
    }

    #[test]
    fn a_pause_of_the_whole_process_is_nobodys_silence() {
        let (pulses, start) = (Pulses::default(), Instant::now());
        let _pulse = pulses.begin("one");
        assert!(pulses.silent(start, SECOND).is_empty());
        assert!(pulses.silent(start + SECOND * 3600, SECOND).is_empty());
        assert_eq!(pulses.silent(start + SECOND * 3602, SECOND), ["one"]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waits_beats_and_work_that_holds_its_thread_does_not() {
        let pulses = Pulses::default();
        let pulse = pulses.begin("patient");
        let waiting = pulse.during(tokio::time::sleep(SECOND * 3600));
        tokio::pin!(waiting);
        for _ in 0..10 {
            assert!(tokio::time::timeout(BEAT_INTERVAL, &mut waiting).await.is_err());
            let now = tokio::time::Instant::now().into_std();
            assert!(pulses.silent(now, Duration::ZERO).is_empty());
        }
        // Not polled any more, as by a thread that is held.
        let now = tokio::time::Instant::now().into_std();
        pulses.silent(now, Duration::ZERO);
        assert_eq!(pulses.silent(now + SECOND, Duration::ZERO), ["patient"]);
        waiting.await;
        assert!(pulses.silent(now + SECOND * 2, Duration::ZERO).is_empty(), "it has ended");
    }
}
