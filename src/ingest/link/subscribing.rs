//! The way to a subscription that can be connected to: what is held is looked at, what may
//! have been made is looked for, and only then another is made.

use std::time::{Duration, Instant};

use super::held::UNRENEWED_MAX;
use super::message::{Action, Call, Input, Standing, Status, Trouble};
use super::{Link, REFUSED_PAUSE, State};
use crate::ingest::session::Reason;

/// How long a subscription may stay PENDING, or INACTIVE, before it is given up.
pub(super) const UNUSABLE_MAX: Duration = Duration::from_secs(120);
/// The longest wait between two looks at a PENDING subscription; the first is a second.
const PENDING_POLL_MAX: Duration = Duration::from_secs(15);
/// How long to look for a subscription that may have been made.
pub(super) const DOUBT_MAX: Duration = UNRENEWED_MAX;
/// The same, for one that an earlier run may have made: it expires by itself, and a feed is missed.
pub(super) const DOUBT_BEFORE_MAX: Duration = Duration::from_secs(60);
/// How long AXP may take to carry out a creation whose answer was lost: before that, finding
/// none says little.
pub(super) const DOUBT_MIN: Duration = Duration::from_secs(5);
/// Subscriptions made within the window after which making more waits.
pub(super) const CREATIONS_MAX: usize = 4;
pub(super) const CREATIONS_WINDOW: Duration = Duration::from_secs(600);

/// A subscription of ours may be there that is not held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    since: Instant,
    cause: Cause,
}

/// Why that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// AXP says that there are too many.
    TooMany,
    /// AXP put a creation off, by what it says.
    PutOff,
    /// A creation ended in the dark.
    Dark,
    /// The program ended before, and may have been making one.
    Before,
}

impl Doubt {
    /// The program ended before.
    pub(super) const fn before(now: Instant) -> Self {
        Self { since: now, cause: Cause::Before }
    }

    /// True while there may be something to be found.
    fn lasts(&self, now: Instant) -> bool {
        let max = if self.cause == Cause::Before { DOUBT_BEFORE_MAX } else { DOUBT_MAX };
        now.duration_since(self.since) < max
    }
}

impl Link {
    /// Goes on after a pause.
    pub(super) fn resume(&mut self, now: Instant) -> Action {
        // What nobody renewed for so long is no longer there.
        self.doubt = self.doubt.filter(|doubt| doubt.lasts(now));
        let call = match (&self.held, self.doubt) {
            (Some(_), _) => Call::Get,
            (None, Some(_)) => Call::Find,
            (None, None) => return self.create(now),
        };
        self.call(call)
    }

    /// Makes a subscription, unless too many were made lately.
    fn create(&mut self, now: Instant) -> Action {
        while self.creations.front().is_some_and(|made| now.duration_since(*made) >= CREATIONS_WINDOW) {
            self.creations.pop_front();
        }
        if self.creations.len() >= CREATIONS_MAX
            && let Some(first) = self.creations.front()
        {
            self.state = State::Paused { until: *first + CREATIONS_WINDOW };
            return Action::None;
        }
        self.call(Call::Create)
    }

    fn call(&mut self, call: Call) -> Action {
        self.state = State::Calling { call, anew: false };
        if std::mem::take(&mut self.token_refused) { Action::CallAnew(call) } else { Action::Call(call) }
    }

    /// A call on the way up has ended.
    pub(super) fn called(&mut self, call: Call, anew: bool, input: Input, now: Instant) -> Action {
        match input {
            Input::Subscription(standing) if call != Call::Token => self.subscribed(call, standing, now),
            Input::NotFound if call == Call::Find => self.not_found(now),
            Input::Token if call == Call::Token => {
                self.state = State::Connecting;
                Action::Connect
            }
            Input::Trouble(trouble) => self.troubled(call, anew, trouble, now),
            _ => Action::None,
        }
    }

    /// The subscription is known: on with it as it stands.
    fn subscribed(&mut self, call: Call, standing: Standing, now: Instant) -> Action {
        // One that ended in the dark was counted then.
        let counted = self.doubt.take().is_some_and(|doubt| doubt.cause == Cause::Dark);
        if call == Call::Create || call == Call::Find && !counted {
            self.creations.push_back(now);
        }
        self.crowded_until = None;
        let held = self.held.get_or_insert_default();
        held.note(standing, now);
        let worn_out = held.unusable_for(now) >= UNUSABLE_MAX;
        if !standing.endpoint_allowed {
            return self.abandon(Reason::Endpoint, now, None);
        }
        match standing.status {
            Status::Active => self.call(Call::Token),
            Status::Inactive if call == Call::Renew || worn_out => {
                self.abandon(Reason::Subscription, now, Some(Duration::ZERO))
            }
            Status::Inactive => self.call(Call::Renew),
            Status::Pending | Status::Other if worn_out => {
                self.abandon(Reason::Pending, now, Some(REFUSED_PAUSE))
            }
            Status::Pending | Status::Other => {
                let poll = Duration::from_secs(1 << held.polls.min(6)).min(PENDING_POLL_MAX);
                held.polls += 1;
                self.state = State::Paused { until: now + poll };
                Action::None
            }
        }
    }

    /// A call on the way up brought nothing.
    fn troubled(&mut self, call: Call, anew: bool, trouble: Trouble, now: Instant) -> Action {
        match trouble {
            Trouble::Refused
            | Trouble::Conflict
            | Trouble::Later(_)
            | Trouble::NotSent
            | Trouble::Unknown
                if matches!(call, Call::Get | Call::Renew) =>
            {
                self.out_of_sight(trouble, now)
            }
            Trouble::NoToken(after) => self.fail_later(Reason::Token, now, after),
            Trouble::Unauthorized if !anew => {
                self.state = State::Calling { call, anew: true };
                Action::CallAnew(call)
            }
            Trouble::Gone if matches!(call, Call::Get | Call::Renew) => {
                self.held = None;
                self.create(now)
            }
            // Where looking is not allowed there is nothing to be found.
            Trouble::Refused | Trouble::Gone if call == Call::Find => self.found_nothing(now),
            Trouble::Conflict if call == Call::Create => {
                self.doubt = Some(Doubt { since: now, cause: Cause::TooMany });
                self.call(Call::Find)
            }
            Trouble::Unauthorized | Trouble::Refused | Trouble::Gone | Trouble::Conflict => {
                self.fail(Reason::Subscription, now, REFUSED_PAUSE)
            }
            Trouble::Later(after) => {
                if call == Call::Create {
                    self.doubt = Some(Doubt { since: now, cause: Cause::PutOff });
                }
                self.fail_later(Reason::Subscription, now, after)
            }
            Trouble::NotSent | Trouble::Unknown => {
                if call == Call::Create && trouble == Trouble::Unknown {
                    self.doubt_creation(now);
                }
                self.fail_after_pause(Reason::Subscription, now)
            }
        }
    }

    /// What is held can be neither seen nor renewed: it is kept for as long as it may be alive.
    fn out_of_sight(&mut self, trouble: Trouble, now: Instant) -> Action {
        let Some(held) = &mut self.held else { return self.fail_after_pause(Reason::Subscription, now) };
        held.note_unusable(now);
        let pause = match trouble {
            // One from before that may not even be looked at is another client's by now.
            Trouble::Refused if held.expires_at.is_none() => {
                return self.abandon(Reason::Subscription, now, Some(Duration::ZERO));
            }
            Trouble::Refused | Trouble::Conflict => REFUSED_PAUSE,
            Trouble::Later(after) => self.pause_asked_for(after),
            _ => self.pauses.after_failure(),
        };
        if self.held.as_ref().is_some_and(|held| held.is_over(now)) {
            return self.abandon(Reason::Subscription, now, Some(pause));
        }
        self.fail(Reason::Subscription, now, pause)
    }

    /// A creation ended in the dark: it counts as made, as it may never be found.
    pub(super) fn doubt_creation(&mut self, now: Instant) {
        self.creations.push_back(now);
        self.doubt = Some(Doubt { since: now, cause: Cause::Dark });
    }

    /// AXP shows no subscription of ours that is not held.
    fn not_found(&mut self, now: Instant) -> Action {
        match self.doubt {
            // What has just been asked for may still be made.
            Some(Doubt { since, cause: Cause::Dark }) if now.duration_since(since) < DOUBT_MIN => {
                let pause = self.pauses.after_failure();
                self.pause(now, pause);
                Action::None
            }
            _ => self.found_nothing(now),
        }
    }

    /// There is no subscription of ours that is not held.
    fn found_nothing(&mut self, now: Instant) -> Action {
        match self.doubt.take() {
            // Those that are too many are others': trying again and again changes nothing.
            Some(Doubt { cause: Cause::TooMany, .. }) => {
                let pause = self.pauses.after_failure();
                let pause = if self.crowded_until.is_some() { REFUSED_PAUSE } else { pause };
                self.crowded_until = Some(now + pause);
                self.fail(Reason::Subscription, now, pause)
            }
            _ => self.create(now),
        }
    }

    /// One subscription less is there: a wait for that ends soon.
    pub(in crate::ingest) fn place_freed(&mut self, now: Instant) {
        let crowded_until = self.crowded_until.take();
        if let State::Paused { until } = &mut self.state
            && crowded_until == Some(*until)
        {
            *until = (now + self.pauses.after_failure()).min(*until);
        }
    }
}
