//! AXP's REST interfaces as the session sees them: subscriptions and tokens, with answers
//! that take their time or get lost.

use std::time::{Duration, Instant};

use super::fault::{Fault, one_of, up_to};
use super::world::World;
use crate::ingest::link::{Call, REFUSED_PAUSE, RETRY_AFTER_MAX, Standing, Status, Trouble};

/// How long a leftover of an earlier run is worth looking for.
const LEFTOVER_WORTH: Duration = Duration::from_secs(60);
/// How long a call may take before its caller gives it up.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const TOKEN_LIFE: Duration = Duration::from_secs(900);

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) status: Status,
    /// When it is no longer PENDING.
    settles_at: Instant,
    pub(super) expires_at: Instant,
    pub(super) endpoint_allowed: bool,
    pub(super) gone: bool,
    /// What could not be looked for until then may be given up.
    worth_until: Instant,
    /// We asked for its end, or could not look for it.
    pub(super) given_up: bool,
}

impl Subscription {
    pub(super) fn status(&self, now: Instant) -> Status {
        match self.status {
            Status::Active | Status::Pending if now >= self.expires_at => Status::Inactive,
            Status::Pending if now >= self.settles_at => Status::Active,
            status => status,
        }
    }
}

/// An endpoint that requests are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Token,
    Create,
    Find,
    Get,
    Renew,
    Connect,
}

/// What a call brings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Subscription(usize, Standing),
    NotFound,
    Token,
    Trouble(Trouble),
}

impl World {
    pub(super) fn count(&mut self, endpoint: Endpoint) {
        self.requests.push((self.now, endpoint));
    }

    pub(super) fn forget_token(&mut self) {
        self.token_until = None;
    }

    /// An earlier run has left a subscription behind.
    pub(super) fn leave_behind(&mut self) -> usize {
        let id = self.create();
        self.subscriptions[id].worth_until = self.now + LEFTOVER_WORTH;
        id
    }

    pub(super) fn patience(&mut self) -> Option<Duration> {
        one_of(&[None, Some(0), Some(7), Some(120), Some(100_000)], &mut self.random).map(Duration::from_secs)
    }

    /// A token, as all feeds share it: the one in use, for most of its life, or one asked for now.
    fn token(&mut self, fresh: bool) -> Result<(), Trouble> {
        let left = self.token_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(self.now));
        if !fresh && left > TOKEN_LIFE / 5 {
            return Ok(());
        }
        self.ask_for_token().or_else(|trouble| if fresh || left.is_zero() { Err(trouble) } else { Ok(()) })
    }

    /// Asks for a token, unless it is remembered that there is none.
    fn ask_for_token(&mut self) -> Result<(), Trouble> {
        if let Some(until) = self.no_token_until.filter(|until| self.now < *until) {
            return Err(Trouble::NoToken(Some(until - self.now)));
        }
        self.count(Endpoint::Token);
        let wait = if self.strikes(Fault::NoToken) {
            REFUSED_PAUSE
        } else if self.strikes(Fault::NoTokenNow) {
            self.patience().unwrap_or_default().clamp(Duration::from_secs(1), RETRY_AFTER_MAX)
        } else {
            self.token_until = Some(self.now + TOKEN_LIFE);
            return Ok(());
        };
        self.no_token_until = Some(self.now + wait);
        Err(Trouble::NoToken(Some(wait)))
    }

    /// Makes a call for `held`; when its answer arrives, and what it is. `others` are the
    /// subscriptions that are held besides.
    pub(super) fn call(
        &mut self,
        call: Call,
        held: Option<usize>,
        others: Option<usize>,
    ) -> (Instant, Answer) {
        let longest = if self.strikes(Fault::SlowAnswer) { CALL_TIMEOUT } else { Duration::from_millis(500) };
        let answered_at = self.now + up_to(longest, &mut self.random);
        if let Err(trouble) = self.token(call == Call::Renew) {
            return (answered_at, Answer::Trouble(trouble));
        }
        let endpoint = match call {
            Call::Token => return (answered_at, Answer::Token),
            Call::Create => Endpoint::Create,
            Call::Find => Endpoint::Find,
            Call::Get => Endpoint::Get,
            Call::Renew => Endpoint::Renew,
        };
        if self.strikes(Fault::NotSent) {
            return (answered_at, Answer::Trouble(Trouble::NotSent));
        }
        self.count(endpoint);
        if let Some(trouble) = self.trouble(call) {
            if call == Call::Find && trouble == Trouble::Refused {
                self.subscriptions.iter_mut().for_each(|subscription| subscription.given_up = true);
            }
            return (answered_at, Answer::Trouble(trouble));
        }
        let answer = self.perform(call, held, others);
        if self.strikes(Fault::AnswerLost) {
            return (self.now + CALL_TIMEOUT, Answer::Trouble(Trouble::Unknown));
        }
        (answered_at, answer)
    }

    fn trouble(&mut self, call: Call) -> Option<Trouble> {
        if self.strikes(Fault::Unauthorized) {
            self.forget_token();
            return Some(Trouble::Unauthorized);
        }
        if self.strikes(Fault::Refused) {
            return Some(Trouble::Refused);
        }
        if self.strikes(Fault::Later) {
            return Some(Trouble::Later(self.patience()));
        }
        if call == Call::Create && self.strikes(Fault::Conflict) {
            return Some(Trouble::Conflict);
        }
        self.strikes(Fault::NotDone).then_some(Trouble::Unknown)
    }

    fn perform(&mut self, call: Call, held: Option<usize>, others: Option<usize>) -> Answer {
        let id = match call {
            Call::Create => self.create(),
            Call::Find => {
                let is_lost = |(id, subscription): &(usize, &Subscription)| {
                    !subscription.gone && !subscription.given_up && others != Some(*id)
                };
                match self.subscriptions.iter().enumerate().find(is_lost) {
                    Some((id, _)) => id,
                    None => return Answer::NotFound,
                }
            }
            Call::Get | Call::Renew | Call::Token => match held {
                Some(id) if !self.subscriptions[id].gone => id,
                _ => return Answer::Trouble(Trouble::Gone),
            },
        };
        if call == Call::Renew {
            let (extends, revives) = (!self.strikes(Fault::NotExtended), !self.strikes(Fault::NotRevived));
            let expires_at = self.now + self.actual_life();
            let subscription = &mut self.subscriptions[id];
            match subscription.status(self.now) {
                Status::Active if extends => subscription.expires_at = expires_at,
                Status::Inactive if revives => {
                    subscription.status = Status::Active;
                    subscription.expires_at = expires_at;
                }
                _ => {}
            }
        }
        Answer::Subscription(id, self.standing(id))
    }

    /// What AXP does, whatever it says.
    fn actual_life(&self) -> Duration {
        self.life.filter(|life| !life.is_zero()).unwrap_or(Duration::from_secs(900))
    }

    fn create(&mut self) -> usize {
        for subscription in &mut self.subscriptions {
            subscription.given_up |= self.now >= subscription.worth_until;
        }
        let pending = self.strikes(Fault::Pending);
        let settles_in = up_to(Duration::from_secs(300), &mut self.random);
        let endpoint_allowed = !self.strikes(Fault::Foreign);
        self.subscriptions.push(Subscription {
            status: if pending { Status::Pending } else { Status::Active },
            settles_at: self.now + settles_in,
            expires_at: self.now + self.actual_life(),
            endpoint_allowed,
            gone: false,
            worth_until: self.now + TOKEN_LIFE,
            given_up: false,
        });
        self.subscriptions.len() - 1
    }

    fn standing(&self, id: usize) -> Standing {
        let subscription = &self.subscriptions[id];
        let left = subscription.expires_at.saturating_duration_since(self.now);
        Standing {
            status: subscription.status(self.now),
            life: self.life.map(|life| if life.is_zero() { life } else { left }),
            ping_interval: self.ping_interval,
            endpoint_allowed: subscription.endpoint_allowed,
        }
    }

    /// Ends a subscription, if that can be asked for.
    pub(super) fn delete(&mut self, id: usize) {
        self.subscriptions[id].given_up = true;
        if self.token_until.is_some_and(|until| self.now < until) && !self.strikes(Fault::NotDone) {
            self.subscriptions[id].gone = true;
        }
    }
}
