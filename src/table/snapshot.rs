//! The snapshot that opens a session: when a generation opens, closes, or is discarded.
//!
//! AXP marks the events of a snapshot (INITIALIZING) but not its end. It ends at the
//! first LIVE event, or when none of its events came for the quiet time. Rows that a
//! finished snapshot did not name are gone upstream: their DELETEs were lost with the
//! connection. Until it is finished the old rows stay.
//!
//! A session whose first event is LIVE had nothing to send before it: its snapshot is
//! empty. That is believed once the quiet time since its opening has passed.
//!
//! Whether LIVE events may come between those of a snapshot is not documented. So an
//! INITIALIZING event within the quiet time of the last one goes on with the generation
//! that a LIVE event closed, instead of opening one that has not seen the first half.

use std::time::{Duration, Instant};

use crate::ingest::event::PayloadType;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no session.
    Lost,
    /// There is one, and no snapshot is on its way.
    Idle,
    /// A generation is open.
    Open,
}

/// Where a producer's session stands in its snapshot. Knows no clock.
#[derive(Debug)]
pub struct Snapshot {
    quiet: Duration,
    session: u32,
    generation: u32,
    stage: Stage,
    complete: bool,
    /// When the last event of the snapshot came; before the first, when the session opened.
    last_initializing: Option<Instant>,
    /// True once an event of the snapshot came.
    begun: bool,
}

impl Snapshot {
    /// No session yet; a snapshot ends after `quiet` without an event of it.
    pub const fn new(quiet: Duration) -> Self {
        Self {
            quiet,
            session: 0,
            generation: 0,
            stage: Stage::Lost,
            complete: false,
            last_initializing: None,
            begun: false,
        }
    }

    /// A session begins: what it names belongs to a new generation.
    pub fn session_opened(&mut self, now: Instant) {
        self.session = self.session.wrapping_add(1);
        self.generation = self.generation.wrapping_add(1);
        self.stage = Stage::Idle;
        self.complete = false;
        self.begun = false;
        self.last_initializing = Some(now);
    }

    /// The session ended: an open generation is discarded.
    pub fn session_lost(&mut self) {
        self.stage = Stage::Lost;
    }

    /// The session ended, and one before it, whose snapshot had closed, goes on.
    pub fn session_handed_back(&mut self) {
        self.stage = Stage::Idle;
        self.begun = true;
        self.complete = true;
    }

    /// An event arrives; true if it closes the generation once it is applied.
    #[must_use]
    pub fn event(&mut self, payload_type: PayloadType, now: Instant) -> bool {
        match payload_type {
            PayloadType::Initializing => {
                let last = self.last_initializing.replace(now);
                let resumed = last.is_some_and(|last| now.saturating_duration_since(last) < self.quiet);
                if self.begun && self.stage != Stage::Open && !resumed {
                    self.generation = self.generation.wrapping_add(1);
                }
                self.stage = Stage::Open;
                self.begun = true;
                false
            }
            // Nothing but LIVE events so far: the snapshot may still be on its way.
            PayloadType::Live if !self.begun && !self.complete => {
                self.stage = Stage::Open;
                self.tick(now)
            }
            PayloadType::Live => self.close(),
        }
    }

    /// Nothing was sent, and nothing will be: the producer has no rows. True if that
    /// closes the generation.
    #[must_use]
    pub fn accept_empty(&mut self) -> bool {
        if self.stage == Stage::Idle && !self.complete {
            self.stage = Stage::Open;
        }
        self.close()
    }

    /// Time passes; true if the quiet time closes the generation now.
    #[must_use]
    pub fn tick(&mut self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline) && self.close()
    }

    /// When [`Self::tick`] may have something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.last_initializing.filter(|_| self.is_open()).map(|last| last + self.quiet)
    }

    fn close(&mut self) -> bool {
        if self.stage != Stage::Open {
            return false;
        }
        self.stage = Stage::Idle;
        self.complete = true;
        true
    }

    /// The session's number; rows that LIVE events set carry it.
    pub const fn session(&self) -> u32 {
        self.session
    }

    /// The generation's number; rows seen carry it.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// True once a snapshot of this session has closed.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// True while a snapshot is on its way, and with it the rows that it will name.
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// True while a session is there.
    pub const fn is_connected(&self) -> bool {
        !matches!(self.stage, Stage::Lost)
    }
}

#[cfg(test)]
mod tests {
    use PayloadType::{Initializing, Live};

    use super::*;

    const QUIET: Duration = Duration::from_secs(10);

    fn opened() -> (Snapshot, Instant) {
        let mut snapshot = Snapshot::new(QUIET);
        let now = Instant::now();
        snapshot.session_opened(now);
        (snapshot, now)
    }

    #[test]
    fn the_first_live_event_closes_it() {
        let (mut snapshot, now) = opened();
        assert!(!snapshot.event(Initializing, now));
        assert!(!snapshot.is_complete());
        assert!(snapshot.event(Live, now));
        assert!(snapshot.is_complete());
        assert!(!snapshot.event(Live, now));
    }

    #[test]
    fn quiet_closes_it() {
        let (mut snapshot, now) = opened();
        assert_eq!(snapshot.deadline(), None);
        let _ = snapshot.event(Initializing, now);
        assert_eq!(snapshot.deadline(), Some(now + QUIET));
        assert!(!snapshot.tick(now + QUIET / 2));
        let _ = snapshot.event(Initializing, now + QUIET / 2);
        assert!(!snapshot.tick(now + QUIET));
        assert!(snapshot.tick(now + QUIET / 2 + QUIET));
        assert_eq!(snapshot.deadline(), None);
    }

    #[test]
    fn a_session_that_begins_with_live_events_had_an_empty_snapshot() {
        let (mut snapshot, now) = opened();
        assert!(!snapshot.event(Live, now), "it may still be on its way");
        assert!(!snapshot.event(Live, now + QUIET / 2));
        assert!(snapshot.tick(now + QUIET));
        assert!(snapshot.is_complete());

        let (mut snapshot, now) = opened();
        assert!(snapshot.event(Live, now + QUIET), "it would have come");

        let (mut snapshot, now) = opened();
        let _ = snapshot.event(Live, now);
        let _ = snapshot.event(Initializing, now);
        assert!(snapshot.event(Live, now), "it came after all");

        let (mut snapshot, _) = opened();
        assert!(snapshot.accept_empty());
        assert!(!snapshot.accept_empty());
    }

    #[test]
    fn a_session_that_breaks_discards_it() {
        let (mut snapshot, now) = opened();
        let _ = snapshot.event(Initializing, now);
        snapshot.session_lost();
        assert!(!snapshot.tick(now + QUIET * 2));
        assert!(!snapshot.is_complete());
    }

    #[test]
    fn live_events_within_a_snapshot_do_not_split_it() {
        let (mut snapshot, now) = opened();
        let _ = snapshot.event(Initializing, now);
        let generation = snapshot.generation();
        assert!(snapshot.event(Live, now));
        let _ = snapshot.event(Initializing, now + QUIET / 2);
        assert_eq!(snapshot.generation(), generation);
        assert!(snapshot.event(Live, now + QUIET / 2));
    }

    #[test]
    fn a_second_snapshot_of_a_session_is_a_new_generation() {
        let (mut snapshot, now) = opened();
        let _ = snapshot.event(Initializing, now);
        let generation = snapshot.generation();
        let _ = snapshot.event(Live, now);
        let _ = snapshot.event(Initializing, now + QUIET);
        assert_ne!(snapshot.generation(), generation);
    }
}
