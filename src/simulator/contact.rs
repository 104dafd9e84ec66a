//! A contact of the model and the phases of its life.

use super::channel::Channel;

/// Where a contact is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Alerting,
    Active,
    OnHold,
    Acw,
}

/// One contact.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) queue: usize,
    pub(super) channel: Channel,
    pub(super) arrived_ms: u64,
    pub(super) phase: Phase,
    pub(super) phase_since_ms: u64,
    /// Counts phases: what the agenda holds for an earlier one is void.
    pub(super) step: u32,
    pub(super) agent: Option<usize>,
    /// The agent who coaches, and since when.
    pub(super) coach: Option<(usize, u64)>,
    pub(super) transferred: bool,
}
