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
    /// There is no session any more.
    Lost,
    /// There is one, and no snapshot is on its way.
    Idle,
    /// A generation is open.
    Open,
}

/// Where a session stands in its snapshot. Knows no clock.
#[derive(Debug)]
pub struct Snapshot {
    quiet: Duration,
    session: u32,
    generation: u32,
    stage: Stage,
    complete: bool,
    /// Rows were set by another session, which did not get to its end.
    mixed: bool,
    /// When the last event of the snapshot came; before the first, when the session opened.
    last_initializing: Option<Instant>,
    /// True once an event of the snapshot came.
    begun: bool,
}

impl Snapshot {
    /// Before the first session; a snapshot ends after `quiet` without an event of it.
    pub const fn new(quiet: Duration) -> Self {
        Self {
            quiet,
            session: 0,
            generation: 0,
            stage: Stage::Lost,
            complete: false,
            mixed: false,
            last_initializing: None,
            begun: false,
        }
    }

    /// Takes another quiet time.
    pub const fn set_quiet(&mut self, quiet: Duration) {
        self.quiet = quiet;
    }

    /// Nothing could come for this time.
    pub fn postpone(&mut self, time: Duration) {
        self.last_initializing = self.last_initializing.map(|last| last + time);
    }

    /// A session begins: what it names belongs to a new generation, whose number no other
    /// session of the producer may have.
    #[must_use]
    pub const fn opened(&self, session: u32, generation: u32, now: Instant) -> Self {
        let stage = Stage::Idle;
        Self { session, generation, stage, last_initializing: Some(now), ..Self::new(self.quiet) }
    }

    /// The session ended: an open generation is discarded.
    pub const fn session_lost(&mut self) {
        self.stage = Stage::Lost;
    }

    /// Another session has set rows of this one and told no more. Until this one sends a
    /// snapshot anew it cannot be said that they are as it knows them.
    pub const fn mix(&mut self) {
        self.mixed = true;
    }

    /// An event arrives; true if it closes the generation once it is applied. One that
    /// opens another generation takes the number after `generations`, the last one given.
    #[must_use]
    pub fn event(&mut self, payload_type: PayloadType, now: Instant, generations: &mut u32) -> bool {
        match payload_type {
            PayloadType::Initializing => {
                let last = self.last_initializing.replace(now);
                let resumed = last.is_some_and(|last| now.saturating_duration_since(last) < self.quiet);
                if self.begun && self.stage != Stage::Open && !resumed {
                    *generations = generations.wrapping_add(1);
                    self.generation = *generations;
                    self.complete &= !std::mem::take(&mut self.mixed);
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

    /// True once a snapshot of this session has closed, and the rows are as it says.
    pub const fn is_complete(&self) -> bool {
        self.complete && !self.mixed
    }

    /// True once a snapshot has closed and while no other is on its way: rows that the
    /// session did not name are gone.
    pub const fn names_all(&self) -> bool {
        self.complete && matches!(self.stage, Stage::Idle)
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
        let now = Instant::now();
        (Snapshot::new(QUIET).opened(1, 1, now), now)
    }

    /// An event, where nobody else opens generations.
    fn tell(snapshot: &mut Snapshot, payload_type: PayloadType, now: Instant) -> bool {
        let mut generations = snapshot.generation();
        snapshot.event(payload_type, now, &mut generations)
    }

    #[test]
    fn a_session_names_all_rows_once_its_snapshot_is_over_and_no_other_on_its_way() {
        let now = Instant::now();
        assert!(!Snapshot::new(QUIET).is_connected());
        let mut snapshot = Snapshot::new(QUIET).opened(7, 9, now);
        assert_eq!((snapshot.session(), snapshot.generation()), (7, 9));
        assert!(snapshot.is_connected() && !snapshot.is_open() && !snapshot.names_all());
        let _ = tell(&mut snapshot, Initializing, now + QUIET);
        assert_eq!(snapshot.generation(), 9, "it was late, and is the first");
        assert!(snapshot.is_open() && !snapshot.names_all());
        let _ = tell(&mut snapshot, Live, now + QUIET);
        assert!(!snapshot.is_open() && snapshot.names_all());
        let _ = tell(&mut snapshot, Initializing, now + QUIET * 2);
        assert!(snapshot.is_complete() && !snapshot.names_all());
        snapshot.session_lost();
        assert!(!snapshot.is_connected());
    }

    #[test]
    fn the_quiet_time_can_be_changed_and_put_off() {
        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Initializing, now);
        snapshot.set_quiet(QUIET * 2);
        assert_eq!(snapshot.deadline(), Some(now + QUIET * 2));
        snapshot.postpone(QUIET);
        assert_eq!(snapshot.deadline(), Some(now + QUIET * 3));
    }

    #[test]
    fn the_first_live_event_closes_it() {
        let (mut snapshot, now) = opened();
        assert!(!tell(&mut snapshot, Initializing, now));
        assert!(!snapshot.is_complete());
        assert!(tell(&mut snapshot, Live, now));
        assert!(snapshot.is_complete());
        assert!(!tell(&mut snapshot, Live, now));
    }

    #[test]
    fn quiet_closes_it() {
        let (mut snapshot, now) = opened();
        assert_eq!(snapshot.deadline(), None);
        let _ = tell(&mut snapshot, Initializing, now);
        assert_eq!(snapshot.deadline(), Some(now + QUIET));
        assert!(!snapshot.tick(now + QUIET / 2));
        let _ = tell(&mut snapshot, Initializing, now + QUIET / 2);
        assert!(!snapshot.tick(now + QUIET));
        assert!(snapshot.tick(now + QUIET / 2 + QUIET));
        assert_eq!(snapshot.deadline(), None);
    }

    #[test]
    fn a_session_that_begins_with_live_events_had_an_empty_snapshot() {
        let (mut snapshot, now) = opened();
        assert!(!tell(&mut snapshot, Live, now), "it may still be on its way");
        assert!(!tell(&mut snapshot, Live, now + QUIET / 2));
        assert!(snapshot.tick(now + QUIET));
        assert!(snapshot.is_complete());

        let (mut snapshot, now) = opened();
        assert!(tell(&mut snapshot, Live, now + QUIET), "it would have come");

        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Live, now);
        let _ = tell(&mut snapshot, Initializing, now);
        assert!(tell(&mut snapshot, Live, now), "it came after all");

        let (mut snapshot, _) = opened();
        assert!(snapshot.accept_empty());
        assert!(!snapshot.accept_empty());
    }

    #[test]
    fn a_session_that_breaks_discards_it() {
        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Initializing, now);
        snapshot.session_lost();
        assert!(!snapshot.tick(now + QUIET * 2));
        assert!(!snapshot.is_complete());
    }

    #[test]
    fn live_events_within_a_snapshot_do_not_split_it() {
        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Initializing, now);
        let generation = snapshot.generation();
        assert!(tell(&mut snapshot, Live, now));
        let _ = tell(&mut snapshot, Initializing, now + QUIET / 2);
        assert_eq!(snapshot.generation(), generation);
        assert!(tell(&mut snapshot, Live, now + QUIET / 2));
    }

    #[test]
    fn a_second_snapshot_of_a_session_is_a_new_generation() {
        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Initializing, now);
        let generation = snapshot.generation();
        let _ = tell(&mut snapshot, Live, now);
        let _ = tell(&mut snapshot, Initializing, now + QUIET);
        assert_ne!(snapshot.generation(), generation);
    }

    #[test]
    fn rows_that_another_session_has_set_are_its_own_again_after_a_snapshot_anew() {
        let (mut snapshot, now) = opened();
        let _ = tell(&mut snapshot, Initializing, now);
        snapshot.mix();
        assert!(tell(&mut snapshot, Live, now) && !snapshot.is_complete(), "half of it came before");
        let _ = tell(&mut snapshot, Initializing, now + QUIET);
        assert!(!snapshot.is_complete());
        assert!(tell(&mut snapshot, Live, now + QUIET) && snapshot.is_complete());
    }
}
