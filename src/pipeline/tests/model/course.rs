//! What the model believes of sessions: which snapshot is open, when it closes, and who has named which
//! rows.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::super::harness::QUIET;
use super::action::Key;

/// What is there of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing: it has broken.
    Gone,
    There,
    /// It is there, and its snapshot on its way.
    Open,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) number: u32,
    /// Rows that it has named since its last snapshot began carry this number.
    pub(super) generation: u32,
    stage: Stage,
    is_complete: bool,
    /// Its rows have been touched by one that broke.
    is_mixed: bool,
    /// An event of a snapshot has come.
    has_begun: bool,
    last_of_snapshot: Option<Instant>,
}

impl Session {
    fn new(number: u32, generation: u32, now: Option<Instant>) -> Self {
        Self {
            number,
            generation,
            stage: if now.is_some() { Stage::There } else { Stage::Gone },
            is_complete: false,
            is_mixed: false,
            has_begun: false,
            last_of_snapshot: now,
        }
    }

    fn was_quiet(&self, now: Instant) -> bool {
        self.last_of_snapshot.is_some_and(|last| now >= last + QUIET)
    }

    /// Closes the snapshot if there is an open one; true if so.
    fn close(&mut self) -> bool {
        let was_open = self.stage == Stage::Open;
        if was_open {
            (self.stage, self.is_complete) = (Stage::There, true);
        }
        was_open
    }
}

/// Both sessions.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) followed: Session,
    pub(super) outgoing: Option<Session>,
    last_session: u32,
    last_generation: u32,
    /// Rows that the followed session has deleted beside an outgoing one.
    deleted: BTreeSet<Key>,
    /// When rows go that no session has named; none while one has named all.
    stale_at: Option<Instant>,
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            followed: Session::new(0, 0, None),
            outgoing: None,
            last_session: 0,
            last_generation: 0,
            deleted: BTreeSet::new(),
            stale_at: None,
        }
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.followed.is_complete && !self.followed.is_mixed
    }

    pub(super) fn is_there(&self) -> bool {
        self.followed.stage != Stage::Gone
    }

    pub(super) fn open(&mut self, now: Instant) {
        self.last_session += 1;
        self.last_generation += 1;
        let opened = Session::new(self.last_session, self.last_generation, Some(now));
        let before = std::mem::replace(&mut self.followed, opened);
        self.outgoing = Some(before).filter(|before| before.stage != Stage::Gone);
        self.deleted.clear();
    }

    /// The only session breaks.
    pub(super) fn lose(&mut self, now: Instant, stale_after: Duration) {
        self.followed.stage = Stage::Gone;
        self.stale_at.get_or_insert(now + stale_after);
    }

    pub(super) fn end_outgoing(&mut self) {
        self.outgoing = None;
        self.deleted.clear();
    }

    /// The followed session breaks, and the outgoing one is followed again; gives the generations
    /// between which rows move, and `touched` says if there were any.
    pub(super) fn hand_back(&mut self, touched: impl FnOnce(u32, u32) -> bool) -> bool {
        let outgoing = self.outgoing.take().expect("two sessions");
        let broken = std::mem::replace(&mut self.followed, outgoing);
        let is_touched = touched(broken.generation, self.followed.generation);
        self.followed.is_mixed |= is_touched || !self.deleted.is_empty();
        self.deleted.clear();
        let names_all = self.followed.is_complete && self.followed.stage == Stage::There;
        if names_all {
            self.stale_at = None;
        }
        names_all
    }

    pub(super) fn accept_empty(&mut self) -> bool {
        if self.followed.stage == Stage::There && !self.followed.is_complete {
            self.followed.stage = Stage::Open;
        }
        self.close()
    }

    pub(super) fn postpone(&mut self, time: Duration) {
        for session in [Some(&mut self.followed), self.outgoing.as_mut()].into_iter().flatten() {
            session.last_of_snapshot = session.last_of_snapshot.map(|last| last + time);
        }
    }

    /// When time does something next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let is_open = |session: &Session| session.stage == Stage::Open;
        let quiet_at = Some(&self.followed).filter(|followed| is_open(followed));
        let quiet_at = quiet_at.and_then(|followed| followed.last_of_snapshot).map(|last| last + QUIET);
        let waits = is_open(&self.followed) || self.outgoing.as_ref().is_some_and(is_open);
        [quiet_at, self.stale_at.filter(|_| !waits)].into_iter().flatten().min()
    }

    /// Time passes; true if the snapshot closes.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        self.followed.was_quiet(now) && self.close()
    }

    /// True if rows that nobody has named go now.
    pub(super) fn turns_stale(&mut self, now: Instant) -> bool {
        let mut sessions = [Some(&self.followed), self.outgoing.as_ref()].into_iter().flatten();
        let is_open = sessions.any(|session| session.stage == Stage::Open);
        let is_due = !is_open && self.stale_at.is_some_and(|at| now >= at);
        if is_due {
            self.stale_at = None;
        }
        is_due
    }

    /// True if a session that is there has named the rows of a generation.
    pub(super) fn vouches(&self, generation: u32) -> bool {
        let there = Some(&self.followed).filter(|followed| followed.stage != Stage::Gone);
        there.into_iter().chain(&self.outgoing).any(|session| session.generation == generation)
    }

    /// An event arrives; the session in whose name it speaks, and whether it closes the snapshot.
    pub(super) fn hear(
        &mut self,
        is_outgoing: bool,
        is_live: bool,
        now: Instant,
    ) -> Option<(u32, u32, bool)> {
        let followed_is_complete = self.followed.is_complete && !self.followed.is_mixed;
        let session = match is_outgoing {
            false => &mut self.followed,
            true if followed_is_complete => return None,
            true => self.outgoing.as_mut()?,
        };
        let was_quiet = session.was_quiet(now);
        let mut closes = false;
        if !is_live {
            if session.has_begun && session.stage != Stage::Open && was_quiet {
                self.last_generation += 1;
                session.generation = self.last_generation;
                session.is_complete &= !session.is_mixed;
                session.is_mixed = false;
            }
            (session.stage, session.has_begun) = (Stage::Open, true);
            session.last_of_snapshot = Some(now);
        } else if session.has_begun || session.is_complete {
            closes = session.close();
        } else {
            // Its snapshot may be on its way; if none of it has come by now, it was empty.
            session.stage = Stage::Open;
            closes = was_quiet && session.close();
        }
        let (number, generation) = (session.number, session.generation);
        if closes && !is_outgoing {
            self.stale_at = None;
        }
        Some((number, generation, closes && !is_outgoing))
    }

    /// True if the followed session has had its say about a row of this generation, or one that is gone.
    pub(super) fn is_settled(&self, key: Key, generation: Option<u32>) -> bool {
        generation.map_or(self.deleted.contains(&key), |generation| generation == self.followed.generation)
    }

    pub(super) fn note_deleted(&mut self, key: Key) {
        if self.outgoing.is_some() {
            self.deleted.insert(key);
        }
    }

    fn close(&mut self) -> bool {
        let closes = self.followed.close();
        if closes {
            self.stale_at = None;
        }
        closes
    }
}
