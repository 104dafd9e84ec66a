//! The pace of the model: how often contacts come and how long things take, so that the centre is busy but not drowned
//! and the LIVE events add up to the rate that was asked for.
//!
//! Every contact makes about [`EVENTS_PER_CONTACT`] events. The rate gives the contacts a second, the number of agents
//! gives how long a contact may take. Where the agents could only keep up with contacts shorter than
//! [`HANDLING_MIN_SECONDS`], the centre runs at that limit and the rest of the rate is made by sending rows again.

use rand::{RngExt, rngs::StdRng};

use super::options::CentreOptions;

/// LIVE events that one contact makes, measured with the default options: a change of four rows for each of its steps,
/// plus its share of breaks and log-ins.
const EVENTS_PER_CONTACT: f64 = 17.0;

/// Shortest mean handling time; below it a dashboard that looks every few seconds sees noise only.
const HANDLING_MIN_SECONDS: f64 = 6.0;

/// Longest mean handling time: above half an hour nothing would seem to move.
const HANDLING_MAX_SECONDS: f64 = 1_800.0;

/// Share of the agents' time that contacts take up: busy, and with queues that come and go.
const OCCUPANCY: f64 = 0.62;

/// How far traffic swings about its mean: a quarter up around 14:00 UTC, a quarter down at 02:00.
const WAVE: f64 = 0.25;

const DAY_MS: u64 = 86_400_000;

/// How fast the centre moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Contacts a second over all queues; 0 stops the centre.
    pub(super) arrivals_per_second: f64,
    /// Mean time an agent spends on a contact, in seconds.
    pub(super) handling_seconds: f64,
    /// Events a second that are made by sending rows again.
    pub(super) resends_per_second: f64,
}

impl Pace {
    /// The pace for this many agents at this rate.
    pub(super) fn new(options: &CentreOptions) -> Self {
        let agents = f64::from(u32::try_from(options.agents).unwrap_or(u32::MAX));
        let rate = options.events_per_second;
        let arrivals_max = agents * OCCUPANCY / HANDLING_MIN_SECONDS;
        let arrivals_per_second = (rate / EVENTS_PER_CONTACT).min(arrivals_max);
        let handling_seconds =
            (agents * OCCUPANCY / arrivals_per_second).clamp(HANDLING_MIN_SECONDS, HANDLING_MAX_SECONDS);
        // Only what the agents cannot keep up with: at ordinary rates every LIVE event is a real change.
        let resends_per_second = (rate - arrivals_per_second * EVENTS_PER_CONTACT).max(0.0);
        Self { arrivals_per_second, handling_seconds, resends_per_second }
    }

    /// Whether anything moves at all.
    pub(super) fn moves(&self) -> bool {
        self.arrivals_per_second > 0.0
    }

    /// The factor of the day's wave at this time.
    pub(super) fn wave(now_ms: u64) -> f64 {
        let day = f64::from(u32::try_from(now_ms % DAY_MS).unwrap_or(0)) / 86_400_000.0;
        1.0 + WAVE * ((day - 8.0 / 24.0) * std::f64::consts::TAU).sin()
    }
}

/// An exponentially distributed span with this mean, in milliseconds, at most twelve times the mean.
pub(super) fn exponential_ms(rng: &mut StdRng, mean_seconds: f64) -> u64 {
    let uniform: f64 = rng.random::<f64>().max(6.2e-6);
    to_ms(-uniform.ln() * mean_seconds)
}

/// A span between half and one and a half of this mean, in milliseconds.
pub(super) fn around_ms(rng: &mut StdRng, mean_seconds: f64) -> u64 {
    to_ms(mean_seconds * rng.random_range(0.5..1.5))
}

/// Seconds as whole milliseconds, at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a range that fits")]
fn to_ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).clamp(1.0, 1e12) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wave_is_gentle_and_evens_out_over_a_day() {
        let hours: Vec<f64> = (0..24).map(|hour| Pace::wave(hour * 3_600_000)).collect();
        assert!(hours.iter().all(|factor| (0.75..=1.25).contains(factor)));
        assert!((hours.iter().sum::<f64>() / 24.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_beyond_what_the_agents_can_do_is_made_up_by_sending_rows_again() {
        let pace = |events_per_second| {
            Pace::new(&CentreOptions { events_per_second, agents: 50, ..CentreOptions::default() })
        };
        assert!(pace(20.0).resends_per_second.abs() < 1e-9);
        assert!(pace(50_000.0).resends_per_second > 49_000.0);
        assert!(!pace(0.0).moves());
    }
}
