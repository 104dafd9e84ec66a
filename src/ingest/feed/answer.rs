//! What a feed answers when it is asked how it stands.

use std::time::Instant;

use super::Feed;
use crate::ingest::api::unix_seconds;
use crate::ingest::link::Phase;
use crate::ingest::report::{FeedReport, Setback};
use crate::label::labels::clean_value;

/// Most bytes of a trouble in words.
const WORDS_BYTES_MAX: usize = 300;

impl Feed {
    /// How the feed stands now.
    pub(super) fn report(&self) -> FeedReport {
        let (metrics, pipeline) = (&self.parts.metrics, &self.parts.pipeline);
        let (state, until) = match self.session.current().phase() {
            Phase::Off => ("off", None),
            Phase::Waiting(until) => ("waiting", Some(until)),
            Phase::Subscribing => ("subscribing", None),
            Phase::Connecting => ("connecting", None),
            Phase::Authenticating => ("authenticating", None),
            Phase::Up => ("up", None),
        };
        let is_there = |seconds: &f64| *seconds > 0.0;
        FeedReport {
            state,
            waits_until: until
                .map(|until| unix_seconds() + until.saturating_duration_since(Instant::now()).as_secs_f64()),
            taking_over: self.session.is_taking_over(),
            snapshot_complete: pipeline.shows_complete(),
            last_event_at: pipeline.last_event_at(),
            ping_seconds: Some(metrics.ping.get()).filter(is_there),
            subscription_expires_at: Some(metrics.subscription_expiry.get()).filter(is_there),
            setback: self.setback.clone(),
            reconnects: metrics.reconnects().collect(),
            pipeline: pipeline.report(),
        }
    }

    /// Remembers what went wrong, for who asks.
    pub(super) fn note_setback(&mut self, words: &str) {
        let words = clean_value(words, WORDS_BYTES_MAX).trim_end().to_owned();
        self.setback = Some(Setback { at: unix_seconds(), words });
    }
}
