//! AXP as the session sees it: the rows of a small contact centre, and what comes over it.
//! What is asked of it is in [`super::subscription`], what it sends in [`super::connection`].
//! It does things at once, and says when its answers arrive.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::connection::{Arrival, Connection};
use super::fault::{Chances, Fault, one_of, up_to};
use super::subscription::{Endpoint, Subscription};
use crate::ingest::link::Status;

const QUEUES: u64 = 8;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) random: StdRng,
    pub(super) chances: Chances,
    /// Makes them anew now and then.
    chances_from: fn(&mut StdRng) -> Chances,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) connections: Vec<Option<Connection>>,
    /// What is on its way to us, by connection.
    pub(super) arrivals: Vec<(Instant, usize, Arrival)>,
    pub(super) rows: BTreeMap<u64, u64>,
    pub(super) requests: Vec<(Instant, Endpoint)>,
    /// When the token that the client holds ends.
    pub(super) token_until: Option<Instant>,
    /// Until when the client remembers that there is none.
    pub(super) no_token_until: Option<Instant>,
    pub(super) life: Option<Duration>,
    pub(super) ping_interval: Option<Duration>,
    pub(super) closes_expired: bool,
    next_value: u64,
}

impl World {
    pub(super) fn new(seed: u64, start: Instant, chances_from: fn(&mut StdRng) -> Chances) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let lives = [Some(900), Some(900), Some(300), Some(60), Some(20), Some(0), None];
        Self {
            now: start,
            chances: chances_from(&mut random),
            chances_from,
            subscriptions: Vec::new(),
            connections: Vec::new(),
            arrivals: Vec::new(),
            rows: BTreeMap::new(),
            requests: Vec::new(),
            token_until: None,
            no_token_until: None,
            life: one_of(&lives, &mut random).map(Duration::from_secs),
            ping_interval: one_of(&[None, Some(300), Some(60), Some(20)], &mut random)
                .map(Duration::from_secs),
            closes_expired: random.random(),
            next_value: 0,
            random,
        }
    }

    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        self.chances.strikes(fault, &mut self.random)
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
            self.send_live(id, action, queue, value);
        }
    }

    /// Faults that need no occasion, and others from now on; true if the machine slept.
    pub(super) fn disturb(&mut self) -> bool {
        if self.random.random_ratio(1, 4) {
            self.chances = (self.chances_from)(&mut self.random);
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
        }
        slept
    }

    /// No more faults; what withholds events gives up.
    pub(super) fn settle(&mut self) {
        self.chances = Chances::none();
        self.close_all(|connection| connection.withheld);
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let arrival = self.arrivals.iter().map(|(at, ..)| *at);
        self.connections.iter().flatten().filter_map(Connection::deadline).chain(arrival).min()
    }
}
