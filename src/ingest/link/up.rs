//! A link that is up: pings, the first event, and renewals of its subscription.

use std::time::{Duration, Instant};

use super::held::Held;
use super::message::{Action, Call, Input, Standing, Status, Trouble, Verdict};
use super::{Link, REFUSED_PAUSE, RETRY_AFTER_MAX, State};
use crate::ingest::session::Reason;

/// How long a session may go without any event before it counts as broken.
pub(super) const FIRST_EVENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pings without an answer after which the link counts as dead.
const PINGS_UNANSWERED_MAX: u32 = 2;
/// How long the last of them may take.
pub(super) const LAST_PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a session has to live on after its snapshot closed, for failures before it to be
/// forgiven: a server that sends a snapshot and closes is as broken as one that closes.
const LASTING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Up {
    ping_at: Instant,
    pings_unanswered: u32,
    /// None once an event came.
    event_until: Option<Instant>,
    /// When it has lasted; none before its snapshot closed, and after that was noted.
    lasting_at: Option<Instant>,
    renewal: Renewal,
}

#[derive(Debug)]
pub(super) enum Renewal {
    Due(Instant),
    UnderWay {
        anew: bool,
    },
    /// The subscription is lost; another link takes over.
    Lost,
}

impl Up {
    /// Up from now on, with this subscription.
    pub(super) fn new(held: &Held, ping_interval: Duration, now: Instant) -> Self {
        Self {
            ping_at: now + held.ping_every(ping_interval),
            pings_unanswered: 0,
            event_until: Some(now + FIRST_EVENT_TIMEOUT),
            lasting_at: None,
            renewal: Renewal::Due(held.renew_at(now)),
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Instant {
        let renew_at = match self.renewal {
            Renewal::Due(at) => Some(at),
            Renewal::UnderWay { .. } | Renewal::Lost => None,
        };
        [self.event_until, renew_at].into_iter().flatten().fold(self.ping_at, Instant::min)
    }

    /// True once: when it has lasted.
    pub(super) fn begins_to_last(&mut self, now: Instant) -> bool {
        self.lasting_at.take_if(|at| now >= *at).is_some()
    }
}

impl Link {
    /// Something happened while events may come.
    pub(super) fn up(&mut self, input: Input, now: Instant) -> Action {
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
            Trouble::Later(after) | Trouble::NoToken(after) => after.map(|after| after.min(RETRY_AFTER_MAX)),
            Trouble::Refused => Some(REFUSED_PAUSE),
            _ => None,
        };
        let patient_until = patience.map(|patience| now + patience);
        let expired = held.expires_at.is_some_and(|expires_at| now >= expires_at);
        // Where calls are to wait, or no token is to be had, another link would not come up.
        let hopeless = matches!(trouble, Trouble::NoToken(_) | Trouble::Later(_));
        if trouble == Trouble::Gone || expired && !hopeless {
            return self.lose();
        }
        let retry_at = held.retry_renewal_at(now);
        up.renewal = Renewal::Due(patient_until.map_or(retry_at, |until| until.max(retry_at)));
        // A token that cannot be had is no reason to wait: the one in use may be good for all else.
        self.patient_until = patient_until.filter(|_| !matches!(trouble, Trouble::NoToken(_)));
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
}
