//! Websockets as the server sees them. What it sends arrives in order within a socket, each
//! after a time of its own: nothing is said about which of two sockets is ahead.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::fault::{Fault, one_of, up_to};
use super::subscription::Endpoint;
use super::world::World;
use crate::ingest::link::{Input, Status, Trouble, Verdict};
use crate::ingest::session::Reason;

/// The longest pause between two events of a snapshot; a longer one would end it.
const SNAPSHOT_GAP_MAX: Duration = Duration::from_secs(8);
/// The longest time for which a socket holds up what was sent: shorter than its pings allow.
const STALL_MAX: Duration = Duration::from_secs(20);

/// A websocket, as the server sees it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) subscription: Option<usize>,
    latency: Duration,
    /// What a frame may take longer than that.
    jitter_max: Duration,
    /// When the last thing that was sent arrives: nothing overtakes it.
    busy_until: Instant,
    /// Nothing goes through any more.
    pub(super) silent_since: Option<Instant>,
    silent_at: Option<Instant>,
    close_at: Option<Instant>,
    /// Events are sent from the snapshot on.
    snapshot_at: Option<Instant>,
    /// What happens before the snapshot is sent, too.
    early: bool,
    /// The server sends none.
    pub(super) withheld: bool,
    last_ping: Instant,
}

/// What arrives at our end.
#[derive(Debug)]
pub(super) enum Arrival {
    Verdict(Verdict),
    Frame(String),
    Pong,
    /// It is gone, as this says.
    Closed(Input),
}

impl Connection {
    /// When the server has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent_at = self.silent_at.filter(|_| self.silent_since.is_none());
        let snapshot_at = self.snapshot_at.filter(|_| !self.withheld);
        [silent_at, self.close_at, snapshot_at].into_iter().flatten().min()
    }

    /// True while the client is told of all that happens.
    const fn listens(&self) -> bool {
        self.subscription.is_some() && self.snapshot_at.is_none()
    }
}

impl World {
    /// Opens a websocket; when that is done, and which it is or what comes instead.
    pub(super) fn connect(&mut self) -> (Instant, Result<usize, Input>) {
        self.count(Endpoint::Connect);
        let opened_at = self.now + up_to(Duration::from_millis(500), &mut self.random);
        if self.strikes(Fault::NoSocket) {
            return (opened_at, Err(Input::Broken(Reason::Connect)));
        }
        if self.strikes(Fault::TurnedAway) {
            let later = Trouble::Later(self.patience());
            let troubles = [Trouble::Unauthorized, Trouble::Refused, Trouble::Gone, Trouble::Unknown, later];
            return (opened_at, Err(Input::TurnedAway(one_of(&troubles, &mut self.random))));
        }
        self.connections.push(Some(Connection {
            subscription: None,
            latency: up_to(Duration::from_secs(2), &mut self.random),
            jitter_max: Duration::from_millis(one_of(&[0, 200, 1500], &mut self.random)),
            busy_until: opened_at,
            silent_since: None,
            silent_at: None,
            close_at: None,
            snapshot_at: None,
            early: false,
            withheld: false,
            last_ping: opened_at,
        }));
        (opened_at, Ok(self.connections.len() - 1))
    }

    pub(super) fn connection(&mut self, id: usize) -> Option<&mut Connection> {
        self.connections[id].as_mut()
    }

    /// Sends something to us, unless nothing goes through.
    fn send(&mut self, id: usize, arrival: Arrival) {
        let Self { now, random, connections, arrivals, .. } = self;
        let connection = connections[id].as_mut();
        if let Some(connection) = connection.filter(|connection| connection.silent_since.is_none()) {
            let delay = connection.latency + up_to(connection.jitter_max, random);
            connection.busy_until = connection.busy_until.max(*now + delay);
            arrivals.push((connection.busy_until, id, arrival));
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
        if self.strikes(Fault::ClosedAtOnce) {
            return self.close(id);
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
        let early = !slow && self.random.random_ratio(1, 4);
        let Some(connection) = self.connection(id) else { return };
        connection.subscription = Some(subscription);
        connection.snapshot_at = Some(now + snapshot_in);
        connection.close_at = closes.then_some(now + closes_in);
        connection.silent_at = silent.then_some(now + silent_in);
        connection.withheld = withheld;
        connection.early = early && !withheld;
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
                self.close(id);
            } else if connection.snapshot_at.is_some_and(|at| now >= at) && !connection.withheld {
                connection.snapshot_at = None;
                self.send_snapshot(id);
            }
        }
    }

    /// Tells a client what has happened.
    pub(super) fn send_live(&mut self, id: usize, action: &str, queue: u64, value: u64) {
        let tells = |connection: &Connection| {
            connection.subscription.is_some() && (connection.early || connection.listens())
        };
        if !self.connections[id].as_ref().is_some_and(tells) {
            return;
        }
        if self.strikes(Fault::Stalls) {
            let until = self.now + up_to(STALL_MAX, &mut self.random);
            if let Some(connection) = self.connection(id) {
                connection.busy_until = connection.busy_until.max(until);
            }
        }
        self.send(id, Arrival::Frame(event("LIVE", action, queue, value)));
    }

    /// Takes what has arrived: first from any of the sockets, in order from each.
    pub(super) fn arrival(&mut self) -> Option<(usize, Arrival)> {
        let now = self.now;
        let ids: Vec<usize> =
            self.arrivals.iter().filter(|(at, ..)| now >= *at).map(|(_, id, _)| *id).collect();
        if ids.is_empty() {
            return None;
        }
        let next = one_of(&ids, &mut self.random);
        let place = self.arrivals.iter().position(|(_, id, _)| *id == next)?;
        let (_, id, arrival) = self.arrivals.remove(place);
        Some((id, arrival))
    }

    /// True once a client knows all there is to know: it is told of everything, and nothing
    /// is on its way.
    pub(super) fn has_delivered(&self, id: usize) -> bool {
        self.connections[id]
            .as_ref()
            .is_some_and(|connection| connection.silent_since.is_none() && connection.listens())
            && !self.arrivals.iter().any(|(_, other, _)| *other == id)
    }

    /// Since when nothing has come through a connection, nor will.
    pub(super) fn dead_since(&self, id: usize) -> Option<Instant> {
        let connection = self.connections[id].as_ref()?;
        Some(connection.silent_since?.max(connection.busy_until))
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

    pub(super) fn close_all(&mut self, closes: impl Fn(&Connection) -> bool) {
        for id in 0..self.connections.len() {
            if self.connections[id].as_ref().is_some_and(&closes) {
                self.close(id);
            }
        }
    }

    fn close(&mut self, id: usize) {
        let ending = if self.strikes(Fault::Expelled) {
            Input::Expelled
        } else if self.strikes(Fault::Oversized) {
            Input::Broken(Reason::Oversized)
        } else if self.strikes(Fault::Protocol) {
            Input::Broken(Reason::Protocol)
        } else {
            Input::Broken(Reason::Closed)
        };
        self.send(id, Arrival::Closed(ending));
        self.connections[id] = None;
    }
}

fn event(payload_type: &str, action: &str, queue: u64, value: u64) -> String {
    format!(
        r#"{{"accountId":"EZCLTR","keys":{{"queueId":"{queue}"}},"eventAction":"{action}","eventSourceId":"IXCC_1.0.0","measureProducerId":"Queue_itd_1.0.0","payloadType":"{payload_type}","measures":{{"contactsWaiting":{value}}}}}"#
    )
}
