//! What the pipeline is told of its sessions, and what time does to its rows.
//!
//! Whatever it is told, what was due before is done first, and as of then: so it does not matter how
//! late a timer is, nor whether there is one.

use std::time::{Duration, Instant};

use super::{Moment, Pipeline, write_table};
use crate::recording::Told;
use crate::reject::RetireCause;

impl Pipeline {
    /// A session begins: its snapshot will say which rows there are. The one before it, if
    /// it was not lost, is outgoing from now on.
    pub fn session_opened(&mut self, now: Moment) {
        self.told(now, || Told::Authenticated);
        self.sessions.open(now.instant);
        self.parts.metrics.snapshot_complete.set(0);
    }

    /// The session brought nothing at all: the producer has no rows.
    pub fn accept_empty(&mut self, now: Moment) {
        self.told(now, || Told::Empty);
        if self.sessions.followed_mut().accept_empty() {
            self.close_snapshot(now);
        }
    }

    /// The session ended: an open snapshot is discarded, and the rows begin to age.
    pub fn session_lost(&mut self, now: Moment) {
        self.told(now, || Told::Lost);
        self.sessions.followed_mut().session_lost();
        self.parts.metrics.snapshot_complete.set(0);
        self.stale_at.get_or_insert(now.instant + self.parts.stale_after);
    }

    /// The session that was to take over broke, and the outgoing one goes on as it stands.
    /// Rows that either has named stay. What the broken one has set may be behind what the
    /// other has said before, so with any of it the snapshot does not count as complete.
    pub fn session_handed_back(&mut self, now: Moment) {
        self.told(now, || Told::HandedBack);
        let Self { sessions, parts, .. } = self;
        sessions.hand_back(|from, to| write_table(&parts.table).move_generation(from, to));
        if self.sessions.followed().names_all() {
            return self.close_snapshot(now);
        }
        self.note_complete();
    }

    /// The outgoing session is over.
    pub fn outgoing_ended(&mut self, now: Moment) {
        self.told(now, || Told::OutgoingEnded);
        self.sessions.end_outgoing();
    }

    /// Nothing was taken from `since` on for this time, so that it says nothing of a snapshot's end.
    pub fn postpone(&mut self, time: Duration, since: Moment) {
        self.told(since, || Told::Postponed(time));
        self.sessions.postpone(time);
    }

    /// Lets time pass: a quiet snapshot closes, rows without a feed go stale.
    pub fn tick(&mut self, now: Instant) {
        let Some(told_at) = self.told_at else { return };
        while let Some(due) = self.deadline().filter(|due| *due <= now) {
            let due = told_at.later(due);
            if self.sessions.followed_mut().tick(due.instant) {
                self.close_snapshot(due);
            } else {
                self.stale_at = None;
                let Self { parts, sessions, .. } = self;
                parts.retire_where(RetireCause::Stale, due, |row| !sessions.vouch_for(row.generation));
            }
        }
    }

    /// Something is told now.
    pub(super) fn reach(&mut self, now: Moment) {
        self.tick(now.instant);
        self.told_at = Some(now);
    }

    /// When [`Self::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        // While a snapshot is on its way the rows wait for its end.
        let stale_at = self.stale_at.filter(|_| !self.sessions.is_open());
        [self.sessions.followed().deadline(), stale_at].into_iter().flatten().min()
    }

    /// True once a snapshot of the current session has closed, and its rows are shown.
    pub const fn is_snapshot_complete(&self) -> bool {
        self.sessions.followed().is_complete()
    }

    pub(super) fn close_snapshot(&mut self, now: Moment) {
        let generation = self.sessions.followed().generation();
        self.parts.retire_where(RetireCause::Resync, now, |row| row.generation != generation);
        self.note_complete();
        self.stale_at = None;
    }

    fn note_complete(&self) {
        let complete = self.sessions.followed().is_complete();
        self.parts.metrics.snapshot_complete.set(i64::from(complete));
    }
}
