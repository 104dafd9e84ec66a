//! What a feed tells who asks: how far it is, and what its pipeline has seen.
//!
//! Times are seconds since the epoch, as in the metrics.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::pipeline::report::Report;

/// How a feed stands.
#[derive(Debug, Clone)]
pub struct FeedReport {
    /// `waiting`, `subscribing`, `connecting`, `authenticating`, `up` or `off`.
    pub state: &'static str,
    /// When a feed that waits tries again.
    pub waits_until: Option<f64>,
    /// True while a second session is to take over from the first.
    pub taking_over: bool,
    /// True once a snapshot of the session has closed.
    pub snapshot_complete: bool,
    /// When the last event came.
    pub last_event_at: Option<f64>,
    /// How long the last answered ping took, seconds.
    pub ping_seconds: Option<f64>,
    /// When the subscription ends unless renewed.
    pub subscription_expires_at: Option<f64>,
    /// The last trouble there was.
    pub setback: Option<Setback>,
    /// How many sessions ended, by the label of the reason.
    pub reconnects: BTreeMap<&'static str, u64>,
    /// What its pipeline has seen.
    pub pipeline: Report,
}

/// Something that went wrong, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setback {
    /// When, seconds since the epoch.
    pub at: f64,
    /// What; cleaned, for whatever a server says may be in it.
    pub words: String,
}
