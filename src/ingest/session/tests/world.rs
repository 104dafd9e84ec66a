//! AXP as the session sees it: subscriptions, tokens, websockets, and the rows of a small
//! contact centre. It does things at once, and says when its answers arrive.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fault::{Chances, Fault, one_of, up_to};
use crate::ingest::link::{Call, Standing, Status, Trouble, Verdict};

/// How long a call may take before its caller gives it up.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause between two events of a snapshot; a longer one would end it.
const SNAPSHOT_GAP_MAX: Duration = Duration::from_secs(8);
const TOKEN_LIFE: Duration = Duration::from_secs(900);
const QUEUES: u64 = 8;

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    status: Status,
    /// When it is no longer PENDING.
    settles_at: Instant,
    expires_at: Instant,
    endpoint_allowed: bool,
    pub(super) gone: bool,
    made_at: Instant,
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

/// A websocket, as the server sees it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) subscription: Option<usize>,
    latency: Duration,
    /// When the last thing that was sent arrives: nothing overtakes it.
    busy_until: Instant,
    /// Nothing goes through any more.
    silent_since: Option<Instant>,
    silent_at: Option<Instant>,
    close_at: Option<Instant>,
    /// Events are sent from the snapshot on.
    snapshot_at: Option<Instant>,
    /// The server sends none.
    withheld: bool,
    last_ping: Instant,
}

/// What arrives at our end.
#[derive(Debug)]
pub(super) enum Arrival {
    Verdict(Verdict),
    Frame(String),
    Pong,
    Closed,
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

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) random: StdRng,
    pub(super) chances: Chances,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) connections: Vec<Option<Connection>>,
    /// What is on its way to us, by connection.
    pub(super) arrivals: Vec<(Instant, usize, Arrival)>,
    pub(super) rows: BTreeMap<u64, u64>,
    pub(super) requests: Vec<(Instant, Endpoint)>,
    /// The token that the client holds is used until then.
    token_until: Option<Instant>,
    /// No request for a token may come before.
    pub(super) refused_until: Option<Instant>,
    life: Option<Duration>,
    ping_interval: Option<Duration>,
    closes_expired: bool,
    next_value: u64,
}

impl World {
    pub(super) fn new(seed: u64, start: Instant) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let lives = [Some(900), Some(900), Some(300), Some(60), Some(20), Some(0), None];
        Self {
            now: start,
            chances: Chances::any(&mut random),
            subscriptions: Vec::new(),
            connections: Vec::new(),
            arrivals: Vec::new(),
            rows: BTreeMap::new(),
            requests: Vec::new(),
            token_until: None,
            refused_until: None,
            life: one_of(&lives, &mut random).map(Duration::from_secs),
            ping_interval: one_of(&[None, Some(300), Some(60), Some(20)], &mut random)
                .map(Duration::from_secs),
            closes_expired: random.random(),
            next_value: 0,
            random,
        }
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        self.chances.strikes(fault, &mut self.random)
    }

    fn count(&mut self, endpoint: Endpoint) {
        self.requests.push((self.now, endpoint));
    }

    pub(super) fn forget_token(&mut self) {
        self.token_until = None;
    }

    fn patience(&mut self) -> Option<Duration> {
        one_of(&[None, Some(0), Some(7), Some(120), Some(100_000)], &mut self.random).map(Duration::from_secs)
    }

    /// A token, from the server or as it is in use.
    fn token(&mut self) -> Result<(), Trouble> {
        if self.token_until.is_some_and(|until| self.now < until) {
            return Ok(());
        }
        self.count(Endpoint::Token);
        assert!(
            self.refused_until.is_none_or(|until| self.now >= until),
            "refused credentials are tried again too early"
        );
        if self.strikes(Fault::NoToken) {
            return Err(Trouble::NoToken);
        }
        if self.strikes(Fault::NoTokenNow) {
            return Err(Trouble::NoTokenNow(self.patience()));
        }
        self.token_until = Some(self.now + TOKEN_LIFE * 4 / 5);
        Ok(())
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
        if call == Call::Renew {
            self.forget_token();
        }
        if let Err(trouble) = self.token() {
            return (answered_at, Answer::Trouble(trouble));
        }
        let endpoint = match call {
            Call::Token => return (answered_at, Answer::Token),
            Call::Create => Endpoint::Create,
            Call::Find => Endpoint::Find,
            Call::Get => Endpoint::Get,
            Call::Renew => Endpoint::Renew,
        };
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
        // What could not be looked for until it expired may be given up.
        for subscription in &mut self.subscriptions {
            subscription.given_up |= self.now - subscription.made_at >= TOKEN_LIFE;
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
            made_at: self.now,
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

    /// Opens a websocket; when that is done, and which it is.
    pub(super) fn connect(&mut self) -> (Instant, Option<usize>) {
        self.count(Endpoint::Connect);
        let opened_at = self.now + up_to(Duration::from_millis(500), &mut self.random);
        if self.strikes(Fault::NoSocket) {
            return (opened_at, None);
        }
        self.connections.push(Some(Connection {
            subscription: None,
            latency: up_to(Duration::from_secs(2), &mut self.random),
            busy_until: opened_at,
            silent_since: None,
            silent_at: None,
            close_at: None,
            snapshot_at: None,
            withheld: false,
            last_ping: opened_at,
        }));
        (opened_at, Some(self.connections.len() - 1))
    }

    pub(super) fn connection(&mut self, id: usize) -> Option<&mut Connection> {
        self.connections[id].as_mut()
    }

    /// Sends something to us, unless nothing goes through.
    fn send(&mut self, id: usize, arrival: Arrival) {
        let now = self.now;
        if let Some(connection) = self.connection(id).filter(|connection| connection.silent_since.is_none()) {
            let arrives_at = connection.busy_until.max(now + connection.latency);
            connection.busy_until = arrives_at;
            self.arrivals.push((arrives_at, id, arrival));
        }
    }

    pub(super) fn authenticate(&mut self, id: usize, subscription: usize) {
        let now = self.now;
        let stands = &self.subscriptions[subscription];
        assert!(stands.endpoint_allowed, "a token went to a foreign endpoint");
        let known = !stands.gone && stands.status(now) == Status::Active;
        if self.strikes(Fault::NoVerdict) {
            return;
        }
        let refusals = [
            (Fault::InvalidToken, Verdict::InvalidToken),
            (Fault::UnknownSubscription, Verdict::UnknownSubscription),
            (Fault::ServerError, Verdict::ServerError),
            (Fault::ConstraintViolation, Verdict::ConstraintViolation),
        ];
        let refusal = refusals.into_iter().find(|(fault, _)| self.strikes(*fault));
        let refusal = refusal.map(|(_, verdict)| verdict);
        if let Some(verdict) = refusal.or((!known).then_some(Verdict::UnknownSubscription)) {
            return self.send(id, Arrival::Verdict(verdict));
        }
        self.send(id, Arrival::Verdict(Verdict::Confirmed));
        let slow = self.strikes(Fault::SlowSnapshot);
        let snapshot_in = up_to(Duration::from_secs(if slow { 50 } else { 2 }), &mut self.random);
        let closes = self.strikes(Fault::ClosedSoon);
        let closes_in = up_to(Duration::from_secs(20), &mut self.random);
        let silent = self.strikes(Fault::FallsSilent);
        let silent_in = up_to(Duration::from_secs(120), &mut self.random);
        let withheld = self.strikes(Fault::NoEvents);
        let Some(connection) = self.connection(id) else { return };
        connection.subscription = Some(subscription);
        connection.snapshot_at = Some(now + snapshot_in);
        connection.close_at = closes.then_some(now + closes_in);
        connection.silent_at = silent.then_some(now + silent_in);
        connection.withheld = withheld;
    }

    pub(super) fn ping(&mut self, id: usize) {
        let now = self.now;
        let allowed = self.ping_interval.unwrap_or(Duration::from_secs(300));
        if let Some(connection) = self.connection(id) {
            let gap = now - std::mem::replace(&mut connection.last_ping, now);
            assert!(gap <= allowed, "{gap:?} between two pings");
            self.send(id, Arrival::Pong);
        }
    }

    /// Since when nothing has come through a connection, nor will.
    pub(super) fn dead_since(&self, id: usize) -> Option<Instant> {
        let connection = self.connections[id].as_ref()?;
        Some(connection.silent_since?.max(connection.busy_until))
    }

    /// Whatever is due.
    pub(super) fn pass(&mut self) {
        let now = self.now;
        for id in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[id] else { continue };
            if connection.silent_since.is_none() && connection.silent_at.is_some_and(|at| now >= at) {
                connection.silent_since = Some(now);
            }
            let expired = self.closes_expired
                && connection.subscription.is_some_and(|id| {
                    let subscription = &self.subscriptions[id];
                    subscription.gone || subscription.status(now) != Status::Active
                });
            if expired || connection.close_at.is_some_and(|at| now >= at) {
                self.send(id, Arrival::Closed);
                self.connections[id] = None;
            } else if connection.snapshot_at.is_some_and(|at| now >= at) && !connection.withheld {
                connection.snapshot_at = None;
                self.send_snapshot(id);
            }
        }
    }

    fn send_snapshot(&mut self, id: usize) {
        let rows = self.rows.clone();
        let gaps = if self.strikes(Fault::SlowSnapshot) { SNAPSHOT_GAP_MAX } else { Duration::ZERO };
        for (queue, value) in rows {
            let gap = up_to(gaps, &mut self.random);
            let now = self.now;
            let Some(connection) = self.connection(id) else { return };
            connection.busy_until = connection.busy_until.max(now + connection.latency) + gap;
            self.send(id, Arrival::Frame(event("INITIALIZING", "UPSERT", queue, value)));
        }
    }

    /// The contact centre works.
    pub(super) fn work(&mut self) {
        let queue = self.random.random_range(0..QUEUES);
        self.next_value += 1;
        let value = self.next_value;
        let action = if self.rows.contains_key(&queue) && self.random.random_ratio(1, 3) {
            self.rows.remove(&queue);
            "DELETE"
        } else {
            self.rows.insert(queue, value);
            "UPSERT"
        };
        for id in 0..self.connections.len() {
            let listens = self.connections[id].as_ref().is_some_and(|connection| {
                connection.subscription.is_some() && connection.snapshot_at.is_none()
            });
            if listens {
                self.send(id, Arrival::Frame(event("LIVE", action, queue, value)));
            }
        }
    }

    /// Faults that need no occasion, and others from now on; true if the machine slept.
    pub(super) fn disturb(&mut self) -> bool {
        if self.random.random_ratio(1, 4) {
            self.chances = Chances::any(&mut self.random);
        }
        if self.strikes(Fault::CloseAll) {
            self.close_all(|_| true);
        }
        if self.strikes(Fault::Vanish) {
            self.subscriptions.iter_mut().for_each(|subscription| subscription.gone = true);
        }
        if self.strikes(Fault::Deactivate) {
            self.subscriptions.iter_mut().for_each(|subscription| subscription.status = Status::Inactive);
        }
        let slept = self.strikes(Fault::Sleep);
        if slept {
            let now = self.now;
            let time = up_to(Duration::from_secs(1200), &mut self.random);
            self.connections.iter_mut().flatten().for_each(|connection| connection.silent_since = Some(now));
            for subscription in &mut self.subscriptions {
                subscription.expires_at = subscription.expires_at.checked_sub(time).unwrap_or(now);
            }
            self.refused_until = None;
        }
        slept
    }

    /// No more faults; what withholds events gives up.
    pub(super) fn settle(&mut self) {
        self.chances = Chances::none();
        self.close_all(|connection| connection.withheld);
    }

    fn close_all(&mut self, closes: impl Fn(&Connection) -> bool) {
        for id in 0..self.connections.len() {
            if self.connections[id].as_ref().is_some_and(&closes) {
                self.send(id, Arrival::Closed);
                self.connections[id] = None;
            }
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_connection = |connection: &Connection| {
            let silent_at = connection.silent_at.filter(|_| connection.silent_since.is_none());
            let snapshot_at = connection.snapshot_at.filter(|_| !connection.withheld);
            [silent_at, connection.close_at, snapshot_at].into_iter().flatten().min()
        };
        let arrival = self.arrivals.iter().map(|(at, ..)| *at);
        self.connections.iter().flatten().filter_map(of_connection).chain(arrival).min()
    }
}

fn event(payload_type: &str, action: &str, queue: u64, value: u64) -> String {
    format!(
        r#"{{"accountId":"EZCLTR","keys":{{"queueId":"{queue}"}},"eventAction":"{action}","eventSourceId":"IXCC_1.0.0","measureProducerId":"Queue_itd_1.0.0","payloadType":"{payload_type}","measures":{{"contactsWaiting":{value}}}}}"#
    )
}
