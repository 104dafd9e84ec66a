//! A link: one way from nothing to an authenticated websocket, and what keeps it up.
//! No I/O, no clock.
//!
//! A link asks for calls to AXP, a socket and frames ([`Action`]); whoever drives it
//! reports what came of them ([`Input`]), one at a time, and lets time pass when
//! [`Link::deadline`] says so. It holds a subscription for as long as that can be used:
//! a broken socket is opened anew on the same one.
//!
//! What a failure leads to depends on what it says. Refused credentials wait for minutes,
//! as trying again would change nothing; a server that asks for patience gets it; a
//! creation with an unknown end is looked for before another is made; a subscription that
//! is gone is replaced at once, though not again and again. All else waits for a pause
//! that doubles; the first is of a second or two, which is quick and yet not all at once where
//! a server that restarts has closed many.
//!
//! A subscription that the websocket's server does not let in, time and again, is given up
//! for a new one. What counts is that the server answered: with a status that says neither
//! when to come again nor that we may not, with a refusal, by closing, or by saying nothing on a
//! socket that it has opened. Where nobody answers, the network may be away, and a new
//! subscription would fare no better.

mod admission;
mod held;
mod message;
mod subscribing;
mod up;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ingest::pause::Pauses;
use crate::ingest::session::Reason;
use held::Held;
pub use message::{Action, Call, Input, Standing, Status, Trouble, Verdict};
use subscribing::Doubt;
use up::Up;

/// How long authentication may take after the socket is open.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait after a refusal that trying again will not change.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(300);
/// The longest wait that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// What a link may be set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Between pings.
    pub ping_interval: Duration,
    /// The first pause after a failure.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Settings {
    /// The usual pauses, with this ping interval.
    pub const fn new(ping_interval: Duration) -> Self {
        Self { ping_interval, pause_min: Duration::from_secs(1), pause_max: Duration::from_secs(60) }
    }

    /// The pauses of something that is tried again and again.
    pub fn pauses(&self, seed: u64) -> Pauses {
        Pauses::new(self.pause_min, self.pause_max, seed)
    }
}

/// What is known of a subscription that an earlier run made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// There is none.
    None,
    /// There may be one that was not written down: it is looked for, once.
    Lost,
    /// It is known: how it stands is looked at first.
    Held,
}

/// How far a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It does nothing any more.
    Off,
    /// It tries again then.
    Waiting(Instant),
    /// It calls AXP, for a subscription or a token.
    Subscribing,
    /// It opens the websocket.
    Connecting,
    /// It waits for the answer to authentication.
    Authenticating,
    /// Events may come.
    Up,
}

#[derive(Debug)]
enum State {
    /// Nothing is to be done any more.
    Off,
    Paused {
        until: Instant,
    },
    /// A call is under way; `anew` if it was made once already and the token not taken.
    Calling {
        call: Call,
        anew: bool,
    },
    Connecting,
    Authenticating {
        until: Instant,
    },
    Up(Up),
}

/// One way to a websocket.
#[derive(Debug)]
pub struct Link {
    settings: Settings,
    state: State,
    pauses: Pauses,
    held: Option<Held>,
    /// Why there may be a subscription of ours that is not held.
    doubt: Option<Doubt>,
    /// No call before this: a server asked for patience, or refused for good.
    patient_until: Option<Instant>,
    /// The token in use was refused by the websocket.
    token_refused: bool,
    /// A refused token has led to a new one at once since a session lasted.
    token_renewed: bool,
    /// Sessions in a row that brought no event.
    silences: u32,
    /// A message over the limit has ended a session since the last snapshot.
    oversized: bool,
    /// When subscriptions were made, or may have been, within the window.
    creations: VecDeque<Instant>,
    /// Until when it was last waited for a place among too many subscriptions, since one was had.
    crowded_until: Option<Instant>,
}

impl Link {
    /// A link that begins at once, with what is known of an earlier run's subscription.
    pub fn new(settings: Settings, now: Instant, seed: u64, before: Before) -> Self {
        Self {
            settings,
            state: State::Paused { until: now },
            pauses: settings.pauses(seed),
            held: (before == Before::Held).then(Held::default),
            doubt: (before == Before::Lost).then(|| Doubt::before(now)),
            patient_until: None,
            token_refused: false,
            token_renewed: false,
            silences: 0,
            oversized: false,
            creations: VecDeque::new(),
            crowded_until: None,
        }
    }

    /// A link that takes over from this one: what it makes counts together with what this
    /// one made.
    #[must_use]
    pub fn successor(&self, now: Instant, seed: u64) -> Self {
        Self { creations: self.creations.clone(), ..Self::new(self.settings, now, seed, Before::None) }
    }

    /// A link that does nothing.
    pub fn off(settings: Settings, now: Instant) -> Self {
        Self { state: State::Off, ..Self::new(settings, now, 0, Before::None) }
    }

    /// Goes by these settings from the next start on; one that waits, for whatever reason, does not
    /// wait any longer, since that may be gone.
    pub fn renew(&mut self, settings: Settings, now: Instant) {
        self.settings = settings;
        self.patient_until = None;
        if let State::Paused { until } = &mut self.state {
            *until = now;
        }
    }

    /// Takes what happened; says what to do.
    pub fn handle(&mut self, input: Input, now: Instant) -> Action {
        if let State::Up(up) = &mut self.state
            && up.begins_to_last(now)
        {
            self.pauses.reset();
            self.token_renewed = false;
            self.oversized = false;
        }
        match (&mut self.state, input) {
            (State::Off, _) => Action::None,
            (State::Paused { until }, Input::Woke) => {
                *until = now;
                Action::None
            }
            (_, Input::Woke) => {
                if matches!(self.state, State::Calling { call: Call::Create, .. }) {
                    self.doubt_creation(now);
                }
                self.fail(Reason::Suspended, now, Duration::ZERO)
            }
            (State::Paused { until }, Input::Tick) if now >= *until => self.resume(now),
            (State::Calling { call, anew }, _) => {
                let (call, anew) = (*call, *anew);
                self.called(call, anew, input, now)
            }
            (State::Connecting, Input::Opened) => {
                self.state = State::Authenticating { until: now + AUTHENTICATION_TIMEOUT };
                Action::Authenticate
            }
            (State::Connecting, Input::TurnedAway(trouble)) => self.turned_away(trouble, now),
            (State::Authenticating { until }, Input::Tick) if now >= *until => {
                self.not_let_in(Reason::Authentication, now)
            }
            (State::Authenticating { .. }, Input::Authentication(verdict)) => {
                self.authenticated(verdict, now)
            }
            (State::Authenticating { .. }, Input::Expelled) => self.replace_token(Reason::Closed, now),
            (State::Authenticating { .. } | State::Up(_), Input::Broken(Reason::Oversized)) => {
                self.oversized(now)
            }
            (State::Authenticating { .. }, Input::Broken(reason)) => self.not_let_in(reason, now),
            (State::Connecting | State::Up(_), Input::Broken(reason)) => self.fail_after_pause(reason, now),
            (State::Up(_), input) => self.up(input, now),
            _ => Action::None,
        }
    }

    /// When [`Input::Tick`] will have something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Paused { until } | State::Authenticating { until } => Some(*until),
            State::Off | State::Calling { .. } | State::Connecting => None,
            State::Up(up) => Some(up.deadline()),
        }
    }

    /// How far it is.
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Off => Phase::Off,
            State::Paused { until } => Phase::Waiting(until),
            State::Calling { .. } => Phase::Subscribing,
            State::Connecting => Phase::Connecting,
            State::Authenticating { .. } => Phase::Authenticating,
            State::Up(_) => Phase::Up,
        }
    }

    /// True while events may come.
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// True while an answer to authentication is awaited.
    pub const fn is_authenticating(&self) -> bool {
        matches!(self.state, State::Authenticating { .. })
    }

    fn fail(&mut self, reason: Reason, now: Instant, pause: Duration) -> Action {
        self.pause(now, pause);
        Action::Close(reason)
    }

    /// Waits, and at least as long as was asked for.
    fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        let asked = self.patient_until.take();
        self.state = State::Paused { until: asked.map_or(until, |asked| asked.max(until)) };
    }

    fn fail_after_pause(&mut self, reason: Reason, now: Instant) -> Action {
        let pause = self.pauses.after_failure();
        self.fail(reason, now, pause)
    }

    /// Fails with the wait that the server asked for, and no less than a pause.
    fn fail_later(&mut self, reason: Reason, now: Instant, after: Option<Duration>) -> Action {
        let pause = self.pause_asked_for(after);
        self.fail(reason, now, pause)
    }

    fn pause_asked_for(&mut self, after: Option<Duration>) -> Duration {
        let pause = self.pauses.after_failure();
        after.map_or(pause, |after| after.min(RETRY_AFTER_MAX).max(pause))
    }

    fn abandon(&mut self, reason: Reason, now: Instant, pause: Option<Duration>) -> Action {
        self.held = None;
        let pause = pause.unwrap_or_else(|| self.pauses.after_failure());
        self.pause(now, pause);
        Action::Abandon(reason)
    }
}

#[cfg(test)]
mod tests;
