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

mod held;
mod message;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ingest::pause::Pauses;
use crate::ingest::session::Reason;
use held::{Held, UNRENEWED_MAX};
pub use message::{Action, Call, Input, Standing, Status, Trouble, Verdict};

/// How long authentication may take after the socket is open.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a session may go without any event before it counts as broken.
const FIRST_EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a session has to live on after its snapshot closed, for failures before it to be
/// forgiven: a server that sends a snapshot and closes is as broken as one that closes.
const LASTING: Duration = Duration::from_secs(60);
/// Pings without an answer after which the link counts as dead.
const PINGS_UNANSWERED_MAX: u32 = 2;
/// How long the last of them may take.
const LAST_PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The wait after a refusal that trying again will not change.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(300);
/// The longest wait that a server may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How long a subscription may stay PENDING, or INACTIVE, before it is given up.
const UNUSABLE_MAX: Duration = Duration::from_secs(120);
/// The longest wait between two looks at a PENDING subscription; the first is a second.
const PENDING_POLL_MAX: Duration = Duration::from_secs(15);
/// How long to look for a subscription that may have been made.
const DOUBT_MAX: Duration = UNRENEWED_MAX;
/// How long AXP may take to carry out a creation whose answer was lost: before that, finding
/// none says little.
const DOUBT_MIN: Duration = Duration::from_secs(5);
/// Subscriptions made within the window after which making more waits.
const CREATIONS_MAX: usize = 4;
const CREATIONS_WINDOW: Duration = Duration::from_secs(600);
/// Refusals of one subscription by the websocket, after which it is replaced.
const REFUSALS_MAX: u32 = 5;

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

#[derive(Debug)]
struct Up {
    ping_at: Instant,
    pings_unanswered: u32,
    /// None once an event came.
    event_until: Option<Instant>,
    /// When it has lasted; none before its snapshot closed, and after that was noted.
    lasting_at: Option<Instant>,
    renewal: Renewal,
}

#[derive(Debug)]
enum Renewal {
    Due(Instant),
    UnderWay {
        anew: bool,
    },
    /// The subscription is lost; another link takes over.
    Lost,
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
    /// When subscriptions were made, within the window.
    creations: VecDeque<Instant>,
}

/// A subscription of ours may be there that is not held.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    since: Instant,
    cause: Cause,
}

/// Why that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// AXP says that there are too many.
    TooMany,
    /// AXP put a creation off, by what it says.
    PutOff,
    /// A creation ended in the dark.
    Dark,
}

impl Link {
    /// A link that begins at once. With `held` it first sees how a subscription stands
    /// that is known from before.
    pub fn new(settings: Settings, now: Instant, seed: u64, held: bool) -> Self {
        Self {
            settings,
            state: State::Paused { until: now },
            pauses: settings.pauses(seed),
            held: held.then(Held::default),
            doubt: None,
            patient_until: None,
            token_refused: false,
            token_renewed: false,
            silences: 0,
            oversized: false,
            creations: VecDeque::new(),
        }
    }

    /// A link that takes over from this one: what it makes counts together with what this
    /// one made.
    #[must_use]
    pub fn successor(&self, now: Instant, seed: u64) -> Self {
        Self { creations: self.creations.clone(), ..Self::new(self.settings, now, seed, false) }
    }

    /// A link that does nothing.
    pub fn off(settings: Settings, now: Instant) -> Self {
        Self { state: State::Off, ..Self::new(settings, now, 0, false) }
    }

    /// Takes what happened; says what to do.
    pub fn handle(&mut self, input: Input, now: Instant) -> Action {
        if let State::Up(up) = &mut self.state
            && up.lasting_at.take_if(|at| now >= *at).is_some()
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
            State::Up(up) => {
                let renew_at = match up.renewal {
                    Renewal::Due(at) => Some(at),
                    Renewal::UnderWay { .. } | Renewal::Lost => None,
                };
                [Some(up.ping_at), up.event_until, renew_at].into_iter().flatten().min()
            }
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

    /// Goes on after a pause.
    fn resume(&mut self, now: Instant) -> Action {
        // What nobody renewed for so long is no longer there.
        self.doubt = self.doubt.filter(|doubt| now.duration_since(doubt.since) < DOUBT_MAX);
        let call = match (&self.held, self.doubt) {
            (Some(_), _) => Call::Get,
            (None, Some(_)) => Call::Find,
            (None, None) => return self.create(now),
        };
        self.state = State::Calling { call, anew: false };
        if std::mem::take(&mut self.token_refused) { Action::CallAnew(call) } else { Action::Call(call) }
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
        Action::Call(call)
    }

    /// A call on the way up has ended.
    fn called(&mut self, call: Call, anew: bool, input: Input, now: Instant) -> Action {
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
        self.doubt = None;
        if matches!(call, Call::Create | Call::Find) {
            self.creations.push_back(now);
        }
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
            Status::Pending if worn_out => self.abandon(Reason::Pending, now, Some(REFUSED_PAUSE)),
            Status::Pending => {
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
            Trouble::Refused | Trouble::Conflict | Trouble::Later(_) | Trouble::Unknown
                if matches!(call, Call::Get | Call::Renew) =>
            {
                self.out_of_sight(trouble, now)
            }
            Trouble::NoToken => self.fail(Reason::Token, now, REFUSED_PAUSE),
            Trouble::NoTokenNow(after) => self.fail_later(Reason::Token, now, after),
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
            Trouble::Unknown => {
                if call == Call::Create {
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

    const fn doubt_creation(&mut self, now: Instant) {
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
            // Those that are too many are others': trying again changes nothing.
            Some(Doubt { cause: Cause::TooMany, .. }) => self.fail(Reason::Subscription, now, REFUSED_PAUSE),
            _ => self.create(now),
        }
    }

    fn authenticated(&mut self, verdict: Verdict, now: Instant) -> Action {
        let Some(held) = &mut self.held else { return self.fail_after_pause(Reason::Authentication, now) };
        match verdict {
            Verdict::Confirmed => {
                held.refusals = 0;
                let until = now + FIRST_EVENT_TIMEOUT;
                self.state = State::Up(Up {
                    ping_at: now + held.ping_every(self.settings.ping_interval),
                    pings_unanswered: 0,
                    event_until: Some(until),
                    lasting_at: None,
                    renewal: Renewal::Due(held.renew_at(now)),
                });
                Action::Begin
            }
            Verdict::InvalidToken => self.replace_token(Reason::Authentication, now),
            Verdict::UnknownSubscription | Verdict::ServerError => {
                self.not_let_in(Reason::Authentication, now)
            }
            Verdict::ConstraintViolation => self.fail(Reason::Authentication, now, REFUSED_PAUSE),
        }
    }

    /// A server answered the request for a websocket with a status.
    fn turned_away(&mut self, trouble: Trouble, now: Instant) -> Action {
        match trouble {
            Trouble::Unauthorized => self.replace_token(Reason::Connect, now),
            // It knows the subscription, which is not to blame.
            Trouble::Refused => self.fail(Reason::Connect, now, REFUSED_PAUSE),
            Trouble::Later(after) => self.fail_later(Reason::Connect, now, after),
            _ => self.not_let_in(Reason::Connect, now),
        }
    }

    /// The token in use is not taken: another one at once, but once.
    fn replace_token(&mut self, reason: Reason, now: Instant) -> Action {
        self.token_refused = true;
        let pause = self.pauses.after_failure();
        let first = !std::mem::replace(&mut self.token_renewed, true);
        self.fail(reason, now, if first { Duration::ZERO } else { pause })
    }

    /// The websocket's server answered, but not as it should: the next look at the subscription may
    /// say otherwise, but not for ever.
    fn not_let_in(&mut self, reason: Reason, now: Instant) -> Action {
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
    fn oversized(&mut self, now: Instant) -> Action {
        if std::mem::replace(&mut self.oversized, true) {
            return self.fail(Reason::Oversized, now, REFUSED_PAUSE);
        }
        self.fail_after_pause(Reason::Oversized, now)
    }

    /// Something happened while events may come.
    fn up(&mut self, input: Input, now: Instant) -> Action {
        let State::Up(up) = &mut self.state else { return Action::None };
        match input {
            Input::Event => {
                up.event_until = None;
                up.pings_unanswered = 0;
                self.silences = 0;
                Action::None
            }
            // The next ping stays where it is: pongs that nobody asked for cannot put it off.
            Input::Pong | Input::Frame => {
                up.pings_unanswered = 0;
                Action::None
            }
            Input::SnapshotClosed => {
                up.lasting_at = Some(now + LASTING);
                Action::None
            }
            Input::Subscription(standing) => self.renewed(standing, now),
            Input::Trouble(trouble) => self.not_renewed(trouble, now),
            // A token that is no longer taken on an open socket: a new session has a new one.
            Input::Authentication(verdict) if verdict != Verdict::Confirmed => {
                self.token_refused = verdict == Verdict::InvalidToken;
                self.fail_after_pause(Reason::Authentication, now)
            }
            Input::Expelled => {
                self.token_refused = true;
                self.fail_after_pause(Reason::Closed, now)
            }
            Input::Tick => self.tick(now),
            _ => Action::None,
        }
    }

    fn tick(&mut self, now: Instant) -> Action {
        let State::Up(up) = &mut self.state else { return Action::None };
        if up.event_until.is_some_and(|until| now >= until) {
            up.event_until = None;
            self.silences += 1;
            // Twice nothing: there is nothing to be sent.
            return if self.silences == 1 {
                self.fail_after_pause(Reason::Silent, now)
            } else {
                Action::AcceptEmpty
            };
        }
        if now >= up.ping_at {
            if up.pings_unanswered == PINGS_UNANSWERED_MAX {
                return self.fail_after_pause(Reason::Ping, now);
            }
            up.pings_unanswered += 1;
            let is_last = up.pings_unanswered == PINGS_UNANSWERED_MAX;
            let interval = self.ping_every();
            let State::Up(up) = &mut self.state else { return Action::None };
            up.ping_at = now + if is_last { interval.min(LAST_PING_TIMEOUT) } else { interval };
            return Action::Ping;
        }
        match up.renewal {
            Renewal::Due(at) if now >= at => {
                up.renewal = Renewal::UnderWay { anew: false };
                Action::Call(Call::Renew)
            }
            _ => Action::None,
        }
    }

    /// A renewal was answered while the websocket works.
    fn renewed(&mut self, standing: Standing, now: Instant) -> Action {
        let (State::Up(up), Some(held)) = (&mut self.state, &mut self.held) else { return Action::None };
        if !matches!(up.renewal, Renewal::UnderWay { .. }) {
            return Action::None;
        }
        let (before, life) = (held.expires_at, held.life);
        held.note(standing, now);
        if standing.status != Status::Active || !standing.endpoint_allowed {
            return self.lose();
        }
        let extended = match (before, held.expires_at) {
            (Some(before), Some(after)) => after > before + Duration::from_secs(1),
            _ => true,
        };
        if extended {
            up.renewal = Renewal::Due(held.renew_at(now));
            return Action::None;
        }
        if before.is_some_and(|before| now >= before) {
            return self.lose();
        }
        // What is left of a life is not the life.
        held.life = life;
        up.renewal = Renewal::Due(held.retry_renewal_at(now));
        Action::None
    }

    /// A renewal failed while the websocket works: again, as long as the subscription lives.
    fn not_renewed(&mut self, trouble: Trouble, now: Instant) -> Action {
        let (State::Up(up), Some(held)) = (&mut self.state, &self.held) else { return Action::None };
        let Renewal::UnderWay { anew } = up.renewal else { return Action::None };
        if trouble == Trouble::Unauthorized && !anew {
            up.renewal = Renewal::UnderWay { anew: true };
            return Action::CallAnew(Call::Renew);
        }
        let patience = match trouble {
            Trouble::Later(after) | Trouble::NoTokenNow(after) => {
                after.map(|after| after.min(RETRY_AFTER_MAX))
            }
            Trouble::NoToken | Trouble::Refused => Some(REFUSED_PAUSE),
            _ => None,
        };
        let expired = held.expires_at.is_some_and(|expires_at| now >= expires_at);
        // Where calls are to wait, or no token is to be had, another link would not come up.
        let hopeless = matches!(trouble, Trouble::NoToken | Trouble::NoTokenNow(_) | Trouble::Later(_));
        if trouble == Trouble::Gone || expired && !hopeless {
            return self.lose();
        }
        let retry_at = held.retry_renewal_at(now);
        self.patient_until = patience.map(|patience| now + patience);
        up.renewal = Renewal::Due(self.patient_until.map_or(retry_at, |until| until.max(retry_at)));
        Action::None
    }

    fn lose(&mut self) -> Action {
        if let State::Up(up) = &mut self.state {
            up.renewal = Renewal::Lost;
        }
        Action::Replace
    }

    fn ping_every(&self) -> Duration {
        let configured = self.settings.ping_interval;
        self.held.as_ref().map_or(configured, |held| held.ping_every(configured))
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
