//! The subscription that a link holds: how long it lives, and what follows from that.

use std::time::{Duration, Instant};

use super::message::{Standing, Status};

/// A subscription's life where AXP does not say, and the bounds of one that it says.
pub(super) const LIFE_DEFAULT: Duration = Duration::from_secs(300);
pub(super) const LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Without a renewal none lives longer.
pub(super) const UNRENEWED_MAX: Duration = Duration::from_secs(900);
/// The shortest wait between two renewals.
pub(super) const RENEWAL_MIN: Duration = Duration::from_secs(5);
/// The part of a life after which a renewal that failed is tried again.
pub(super) const RENEWAL_RETRIES: u32 = 10;
/// The server's ping interval is the most that may pass; we ping this much more often.
pub(super) const PINGS_AN_INTERVAL: u32 = 3;
/// The shortest ping interval, whatever the server says.
pub(super) const PING_MIN: Duration = Duration::from_secs(5);

/// What is known of the subscription.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) expires_at: Option<Instant>,
    pub(super) life: Option<Duration>,
    pub(super) ping_interval: Option<Duration>,
    /// Since when it could not be used, or not even be looked at.
    unusable_since: Option<Instant>,
    pub(super) polls: u32,
    pub(super) refusals: u32,
}

impl Held {
    pub(super) fn note(&mut self, standing: Standing, now: Instant) {
        // Something that is there has a life: none is one that was not said.
        let life = standing.life.filter(|life| !life.is_zero()).unwrap_or(LIFE_DEFAULT).min(LIFE_MAX);
        self.life = Some(life);
        self.expires_at = Some(now + life);
        self.ping_interval = standing.ping_interval;
        if standing.status == Status::Active {
            self.unusable_since = None;
        } else {
            self.note_unusable(now);
        }
    }

    /// It could not be used, or not even be looked at.
    pub(super) fn note_unusable(&mut self, now: Instant) {
        self.unusable_since.get_or_insert(now);
    }

    /// For how long it could not be used.
    pub(super) fn unusable_for(&self, now: Instant) -> Duration {
        self.unusable_since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// True if it cannot be alive: past its end, or out of sight for as long as any may live.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.unusable_for(now) >= UNRENEWED_MAX || self.expires_at.is_some_and(|expires_at| now >= expires_at)
    }

    /// How often to ping: as configured, and well within what the server allows.
    pub(super) fn ping_every(&self, configured: Duration) -> Duration {
        match self.ping_interval {
            Some(allowed) if !allowed.is_zero() => {
                configured.min((allowed / PINGS_AN_INTERVAL).max(PING_MIN.min(configured)))
            }
            _ => configured,
        }
    }

    /// Half of what is left.
    pub(super) fn renew_at(&self, now: Instant) -> Instant {
        let left =
            self.expires_at.map_or(LIFE_DEFAULT, |expires_at| expires_at.saturating_duration_since(now));
        now + (left / 2).max(RENEWAL_MIN)
    }

    pub(super) fn retry_renewal_at(&self, now: Instant) -> Instant {
        now + (self.life.unwrap_or(LIFE_DEFAULT) / RENEWAL_RETRIES).max(RENEWAL_MIN)
    }
}
