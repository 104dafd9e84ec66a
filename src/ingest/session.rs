//! The session of one feed: what to do next, given what happened. No I/O, no clock.
//!
//! Inputs are the answers to calls, frames, closes and the passing of time; the output is
//! at most one [`Action`] for each, and [`Session::deadline`] says when time alone will
//! have something to do. Whoever drives it carries out the action and reports back.
//!
//! The way up is token → subscription → websocket → authentication → events. Any failure
//! on it closes what is open and starts again after a pause that doubles from 1 s to 60 s,
//! with jitter, and begins anew only after a snapshot was complete: a server that accepts
//! and then drops us is not hammered.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::ingest::pause::Pauses;

/// How long authentication may take after the socket is open.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a session may go without any event before it counts as broken.
const FIRST_EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pings without an answer after which the link counts as dead.
const PINGS_UNANSWERED_MAX: u32 = 2;
/// How long the last of them may take.
const LAST_PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest life of a subscription that is believed.
const SUBSCRIPTION_LIFE_MAX: Duration = Duration::from_secs(86_400);
/// A subscription's life where AXP does not say: that of its tokens.
const SUBSCRIPTION_LIFE_DEFAULT: Duration = Duration::from_secs(300);
/// The shortest time to the next renewal.
const RENEWAL_MIN: Duration = Duration::from_secs(5);

/// Why a session ended: `axp_exporter_reconnects_total{reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No token.
    Token,
    /// No subscription.
    Subscription,
    /// The subscription's endpoint is not one to send a token to.
    Endpoint,
    /// No websocket.
    Connect,
    /// Authentication was refused or not answered.
    Authentication,
    /// The server closed the socket, or it broke.
    Closed,
    /// Pings were not answered.
    Ping,
    /// A frame over the limit, or not of the protocol.
    Protocol,
    /// No event came at all.
    Silent,
}

impl Reason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Token,
        Self::Subscription,
        Self::Endpoint,
        Self::Connect,
        Self::Authentication,
        Self::Closed,
        Self::Ping,
        Self::Protocol,
        Self::Silent,
    ];

    /// The value of the `reason` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subscription => "subscription",
            Self::Endpoint => "endpoint",
            Self::Connect => "connect",
            Self::Authentication => "authentication",
            Self::Closed => "closed",
            Self::Ping => "ping",
            Self::Protocol => "protocol",
            Self::Silent => "silent",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Time passed.
    Tick,
    /// There is a subscription, with its life, and its endpoint may be used.
    Subscribed(Option<Duration>),
    /// A renewal succeeded, with the new life, or failed.
    Renewed(Option<Option<Duration>>),
    /// The websocket is open.
    Opened,
    /// A text frame came.
    Text(&'a str),
    /// A binary frame came.
    Binary,
    /// A pong came.
    Pong,
    /// A step failed, or the connection is gone.
    Failed(Reason),
    /// A snapshot of this session closed.
    SnapshotClosed,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing but wait.
    None,
    /// Get a token and a subscription.
    Subscribe,
    /// Open the websocket.
    Connect,
    /// Send the authentication message.
    Authenticate,
    /// The feed is up: events follow.
    Begin,
    /// Apply the frame as an event.
    Apply,
    /// Count the frame as one that is no event.
    RefuseBinary,
    /// Send a ping.
    Ping,
    /// Nothing came in two sessions: the producer has no rows.
    AcceptEmpty,
    /// Renew the subscription.
    Renew,
    /// Close what is open: the session is over for this reason.
    Close(Reason),
}

/// What a session may be set to.
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
    /// The pauses of something that is tried again and again.
    pub fn pauses(&self, seed: u64) -> Pauses {
        Pauses::new(self.pause_min, self.pause_max, seed)
    }

    /// The usual pauses, with this ping interval.
    pub const fn new(ping_interval: Duration) -> Self {
        Self { ping_interval, pause_min: Duration::from_secs(1), pause_max: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
enum State {
    Paused { until: Instant },
    Subscribing,
    Connecting,
    Authenticating { until: Instant },
    Up(Up),
}

#[derive(Debug)]
struct Up {
    ping_at: Instant,
    pings_unanswered: u32,
    /// None once an event came.
    event_until: Option<Instant>,
    renewing: bool,
}

/// The session of one feed.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    pauses: Pauses,
    /// Sessions in a row that brought no event.
    silences: u32,
    renew_at: Option<Instant>,
}

impl Session {
    /// A session that will begin at once; `seed` is for the jitter of its pauses.
    pub fn new(settings: Settings, now: Instant, seed: u64) -> Self {
        Self {
            settings,
            state: State::Paused { until: now },
            pauses: settings.pauses(seed),
            silences: 0,
            renew_at: None,
        }
    }

    /// Takes what happened; says what to do.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) -> Action {
        match (&mut self.state, input) {
            (State::Paused { .. }, Input::Failed(_)) => Action::None,
            (_, Input::Failed(reason)) => self.fail(reason, now),
            (State::Paused { until }, Input::Tick) if now >= *until => {
                self.state = State::Subscribing;
                Action::Subscribe
            }
            (State::Subscribing, Input::Subscribed(life)) => {
                self.schedule_renewal(life, now);
                self.state = State::Connecting;
                Action::Connect
            }
            (State::Connecting, Input::Opened) => {
                self.state = State::Authenticating { until: now + AUTHENTICATION_TIMEOUT };
                Action::Authenticate
            }
            (State::Authenticating { until }, Input::Tick) if now >= *until => {
                self.fail(Reason::Authentication, now)
            }
            (State::Authenticating { .. }, Input::Text(text)) => self.authenticated(text, now),
            (State::Up(up), Input::Text(_)) => {
                up.event_until = None;
                up.pings_unanswered = 0;
                self.silences = 0;
                Action::Apply
            }
            (State::Up(_), Input::Binary) => Action::RefuseBinary,
            (State::Up(up), Input::Pong) => {
                up.pings_unanswered = 0;
                up.ping_at = now + self.settings.ping_interval;
                Action::None
            }
            (State::Up(up), Input::Renewed(renewed)) => {
                up.renewing = false;
                // A renewal that failed is tried again while the subscription lives.
                self.schedule_renewal(renewed.flatten(), now);
                Action::None
            }
            (State::Up(_), Input::SnapshotClosed) => {
                self.pauses.reset();
                Action::None
            }
            (State::Up(_), Input::Tick) => self.tick(now),
            _ => Action::None,
        }
    }

    /// When [`Input::Tick`] will have something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Paused { until } | State::Authenticating { until } => Some(*until),
            State::Subscribing | State::Connecting => None,
            State::Up(up) => {
                let renew_at = self.renew_at.filter(|_| !up.renewing);
                [Some(up.ping_at), up.event_until, renew_at].into_iter().flatten().min()
            }
        }
    }

    /// True while events may come.
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    fn tick(&mut self, now: Instant) -> Action {
        let State::Up(up) = &mut self.state else {
            return Action::None;
        };
        if up.event_until.is_some_and(|until| now >= until) {
            up.event_until = None;
            self.silences += 1;
            // Twice nothing: there is nothing to be sent.
            return if self.silences == 1 { self.fail(Reason::Silent, now) } else { Action::AcceptEmpty };
        }
        if now >= up.ping_at {
            if up.pings_unanswered == PINGS_UNANSWERED_MAX {
                return self.fail(Reason::Ping, now);
            }
            up.pings_unanswered += 1;
            let is_last = up.pings_unanswered == PINGS_UNANSWERED_MAX;
            let interval = self.settings.ping_interval;
            up.ping_at = now + if is_last { interval.min(LAST_PING_TIMEOUT) } else { interval };
            return Action::Ping;
        }
        if !up.renewing && self.renew_at.is_some_and(|at| now >= at) {
            up.renewing = true;
            return Action::Renew;
        }
        Action::None
    }

    /// Reads the answer to authentication; what is none is passed over.
    fn authenticated(&mut self, text: &str, now: Instant) -> Action {
        match Answer::read(text) {
            Answer::Confirmed => {
                self.state = State::Up(Up {
                    ping_at: now + self.settings.ping_interval,
                    pings_unanswered: 0,
                    event_until: Some(now + FIRST_EVENT_TIMEOUT),
                    renewing: false,
                });
                Action::Begin
            }
            Answer::Refused => self.fail(Reason::Authentication, now),
            Answer::None => Action::None,
        }
    }

    fn schedule_renewal(&mut self, life: Option<Duration>, now: Instant) {
        let life = life.unwrap_or(SUBSCRIPTION_LIFE_DEFAULT).min(SUBSCRIPTION_LIFE_MAX);
        self.renew_at = Some(now + (life / 2).max(RENEWAL_MIN));
    }

    fn fail(&mut self, reason: Reason, now: Instant) -> Action {
        self.state = State::Paused { until: now + self.pauses.after_failure() };
        self.renew_at = None;
        Action::Close(reason)
    }
}

/// What a frame says about authentication.
enum Answer {
    Confirmed,
    Refused,
    None,
}

impl Answer {
    /// The document writes `authenticationResponse`, real servers have been seen to write
    /// `AUTHENTICATION_RESPONSE`: capitals and underscores do not count.
    fn read(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Frame {
            event: String,
            status: Option<String>,
        }
        let Ok(Frame { event, status }) = serde_json::from_str(text) else {
            return Self::None;
        };
        if !event.replace('_', "").eq_ignore_ascii_case("authenticationResponse") {
            return Self::None;
        }
        let status = status.unwrap_or_default().to_ascii_uppercase();
        if status.ends_with("CONFIRMED") { Self::Confirmed } else { Self::Refused }
    }
}

#[cfg(test)]
mod tests;
