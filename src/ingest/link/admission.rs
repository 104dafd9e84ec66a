//! The way in: what the websocket's server says before events may come, and what it
//! cannot be let in for.

use std::time::{Duration, Instant};

use super::message::{Action, Trouble, Verdict};
use super::up::Up;
use super::{Link, REFUSED_PAUSE, State};
use crate::ingest::session::Reason;

/// Refusals of one subscription by the websocket, after which it is replaced.
pub(super) const REFUSALS_MAX: u32 = 5;

impl Link {
    pub(super) fn authenticated(&mut self, verdict: Verdict, now: Instant) -> Action {
        let Some(held) = &mut self.held else { return self.fail_after_pause(Reason::Authentication, now) };
        match verdict {
            Verdict::Confirmed => {
                held.refusals = 0;
                self.state = State::Up(Up::new(held, self.settings.ping_interval, now));
                Action::Begin
            }
            Verdict::InvalidToken => self.replace_token(Reason::Authentication, now),
            Verdict::UnknownSubscription | Verdict::ServerError | Verdict::Other => {
                self.not_let_in(Reason::Authentication, now)
            }
            Verdict::ConstraintViolation => self.fail(Reason::Authentication, now, REFUSED_PAUSE),
        }
    }

    /// A server answered the request for a websocket with a status.
    pub(super) fn turned_away(&mut self, trouble: Trouble, now: Instant) -> Action {
        match trouble {
            Trouble::Unauthorized => self.replace_token(Reason::Connect, now),
            // It knows the subscription, which is not to blame.
            Trouble::Refused => self.fail(Reason::Connect, now, REFUSED_PAUSE),
            Trouble::Later(after) => self.fail_later(Reason::Connect, now, after),
            _ => self.not_let_in(Reason::Connect, now),
        }
    }

    /// The token in use is not taken: another one at once, but once. After that it may be the
    /// subscription that is not taken with it.
    pub(super) fn replace_token(&mut self, reason: Reason, now: Instant) -> Action {
        self.token_refused = true;
        if std::mem::replace(&mut self.token_renewed, true) {
            return self.not_let_in(reason, now);
        }
        self.pauses.after_failure();
        self.fail(reason, now, Duration::ZERO)
    }

    /// The websocket's server answered, but not as it should: the next look at the subscription may
    /// say otherwise, but not for ever.
    pub(super) fn not_let_in(&mut self, reason: Reason, now: Instant) -> Action {
        let refusals = self.held.as_mut().map_or(0, |held| {
            held.refusals += 1;
            held.refusals
        });
        if refusals >= REFUSALS_MAX {
            return self.abandon(reason, now, None);
        }
        self.fail_after_pause(reason, now)
    }

    /// A message is too long; the next snapshot may well have it again.
    pub(super) fn oversized(&mut self, now: Instant) -> Action {
        if std::mem::replace(&mut self.oversized, true) {
            return self.fail(Reason::Oversized, now, REFUSED_PAUSE);
        }
        self.fail_after_pause(Reason::Oversized, now)
    }
}
