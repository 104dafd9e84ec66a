//! The sessions of one producer: the one that the pipeline follows, and beside it, while that
//! one takes over, the outgoing one.
//!
//! Nothing says which of the two is ahead: an event may come by one long before it comes by
//! the other. So each changes rows in its own name, and where the followed session has
//! touched a row, by a value or by its deletion, the outgoing one has no more say in it: the
//! followed one will bring whatever else there is. What only the outgoing one knows goes
//! when the followed one's snapshot closes.
//!
//! Where the followed session breaks before that, the feed goes back to the outgoing one,
//! which stands where its own events have brought it. Rows that either has named stay.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::ingest::event::PayloadType;
use crate::table::snapshot::Snapshot;

/// Most deleted rows that are remembered during one take-over, 2 KiB each at the very most.
/// Past it a row may come back that is gone, until the snapshot closes.
const DELETED_MAX: usize = 65_536;

/// Whose frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The session that the pipeline follows.
    Followed,
    /// The one that it takes over from.
    Outgoing,
    /// None: a stream of events that knows no sessions.
    Stream,
}

/// The name in which a frame changes rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    pub(super) session: u32,
    pub(super) generation: u32,
    /// True if the snapshot closes once the frame is applied.
    pub(super) closes: bool,
}

/// The session that is followed, and the outgoing one.
#[derive(Debug)]
pub(super) struct Sessions {
    followed: Snapshot,
    outgoing: Option<Snapshot>,
    /// The last numbers given.
    last_session: u32,
    last_generation: u32,
    /// Identities of rows that the followed session has deleted beside an outgoing one.
    deleted: HashSet<Box<str>>,
}

impl Sessions {
    /// No session yet; a snapshot ends after `quiet` without an event of it.
    pub(super) fn new(quiet: Duration) -> Self {
        Self {
            followed: Snapshot::new(quiet),
            outgoing: None,
            last_session: 0,
            last_generation: 0,
            deleted: HashSet::new(),
        }
    }

    /// A snapshot ends after this time without an event of it, from now on.
    pub(super) const fn set_quiet(&mut self, quiet: Duration) {
        self.followed.set_quiet(quiet);
    }

    /// No session could bring anything for this time.
    pub(super) fn postpone(&mut self, time: Duration) {
        [Some(&mut self.followed), self.outgoing.as_mut()]
            .into_iter()
            .flatten()
            .for_each(|one| one.postpone(time));
    }

    /// The session that is followed.
    pub(super) const fn followed(&self) -> &Snapshot {
        &self.followed
    }

    /// The same, for what its pipeline is told of it.
    pub(super) const fn followed_mut(&mut self) -> &mut Snapshot {
        &mut self.followed
    }

    /// A session begins; the one before, if it is still there, is outgoing.
    pub(super) fn open(&mut self, now: Instant) {
        self.last_session = self.last_session.wrapping_add(1);
        self.last_generation = self.last_generation.wrapping_add(1);
        let opened = self.followed.opened(self.last_session, self.last_generation, now);
        let before = std::mem::replace(&mut self.followed, opened);
        self.end_outgoing();
        self.outgoing = before.is_connected().then_some(before);
    }

    /// There is no outgoing session any more.
    pub(super) fn end_outgoing(&mut self) {
        self.outgoing = None;
        self.deleted = HashSet::new();
    }

    /// The followed session broke, and the outgoing one is followed again. `move_rows` gives
    /// the rows of the broken one's generation to the other's and says how many there are.
    pub(super) fn hand_back(&mut self, move_rows: impl FnOnce(u32, u32) -> usize) {
        let Some(outgoing) = self.outgoing.take() else { return self.followed.mix() };
        let broken = std::mem::replace(&mut self.followed, outgoing);
        let count = move_rows(broken.generation(), self.followed.generation());
        if count > 0 || !self.deleted.is_empty() {
            self.followed.mix();
        }
        self.end_outgoing();
    }

    /// A frame arrives; in whose name it changes rows, if anything of its session counts.
    pub(super) fn hear(&mut self, origin: Origin, payload_type: PayloadType, now: Instant) -> Option<Voice> {
        let Self { followed, outgoing, last_generation, .. } = self;
        let snapshot = match origin {
            Origin::Followed | Origin::Stream => followed,
            // A complete snapshot leaves nothing to be said.
            Origin::Outgoing if followed.is_complete() => return None,
            Origin::Outgoing => outgoing.as_mut()?,
        };
        let closes = snapshot.event(payload_type, now, last_generation) && origin == Origin::Followed;
        Some(Voice { session: snapshot.session(), generation: snapshot.generation(), closes })
    }

    /// Notes that the followed session has deleted a row.
    pub(super) fn note_deleted(&mut self, identity: &str) {
        if self.outgoing.is_some() && self.deleted.len() < DELETED_MAX {
            self.deleted.insert(identity.into());
        }
    }

    /// True if the followed session has deleted a row that is not there.
    pub(super) fn has_deleted(&self, identity: &str) -> bool {
        self.deleted.contains(identity)
    }

    /// True while a snapshot of either is on its way.
    pub(super) fn is_open(&self) -> bool {
        self.followed.is_open() || self.outgoing.as_ref().is_some_and(Snapshot::is_open)
    }

    /// True if a session that is there has named the rows of a generation.
    pub(super) fn vouch_for(&self, generation: u32) -> bool {
        let followed = Some(&self.followed).filter(|followed| followed.is_connected());
        followed.into_iter().chain(&self.outgoing).any(|snapshot| snapshot.generation() == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_deleted_rows_are_remembered() {
        let mut sessions = Sessions::new(Duration::from_secs(1));
        sessions.open(Instant::now());
        sessions.note_deleted("before a take-over");
        sessions.open(Instant::now());
        for row in 0..=DELETED_MAX {
            sessions.note_deleted(&row.to_string());
        }
        let remembered = (0..=DELETED_MAX).filter(|row| sessions.has_deleted(&row.to_string())).count();
        assert_eq!((remembered, sessions.deleted.len()), (DELETED_MAX, DELETED_MAX));
        sessions.end_outgoing();
        assert_eq!(sessions.deleted.capacity(), 0);
    }
}
