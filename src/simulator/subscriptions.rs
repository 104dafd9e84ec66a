//! The subscriptions of the account and their life: PENDING, ACTIVE, INACTIVE.
//!
//! A subscription lives as long as the token it was created or renewed with. It becomes INACTIVE when that time has
//! passed, when its socket was not pinged, or by a fault; renewing makes it ACTIVE again. When there are as many as
//! allowed, the oldest INACTIVE one makes room; where all are in use a new one is refused.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{measures::Producer, stamp};

/// The state of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A socket may authenticate for it.
    Active,
    /// It has expired, was not pinged, or was told to.
    Inactive,
    /// It is not ready yet, and maybe never will be.
    Pending,
}

/// What a client asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) producer: Producer,
    pub(super) events: Vec<Value>,
    pub(super) extensions: Map<String, Value>,
}

/// One subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) wanted: Wanted,
    pub(super) status: Status,
    pub(super) created: SystemTime,
    pub(super) expires: Instant,
    pending: Pending,
}

/// What a new subscription waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nothing: it is ACTIVE.
    No,
    /// So many GETs that answer PENDING.
    Polls(u32),
    /// It stays PENDING.
    ForEver,
}

/// All subscriptions, oldest first.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_number: BTreeMap<u64, Subscription>,
    created: u64,
}

impl Status {
    /// AXP's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Pending => "PENDING",
        }
    }
}

impl Subscription {
    /// Seconds it has left.
    pub(super) fn left(&self, now: Instant) -> Duration {
        match self.status {
            Status::Inactive => Duration::ZERO,
            Status::Active | Status::Pending => self.expires.saturating_duration_since(now),
        }
    }

    /// The subscription as the Notification API shows it.
    pub(super) fn json(&self, endpoint: Option<&str>, ping_interval: Duration, now: Instant) -> Value {
        let left = self.left(now);
        let mut transport = json!({
            "type": "WEBSOCKET",
            "authTokenHeader": "auth-token",
            "pingInterval": ping_interval.as_secs(),
        });
        if let (Some(endpoint), Some(transport)) = (endpoint, transport.as_object_mut()) {
            transport.insert("endpoint".to_owned(), endpoint.into());
        }
        json!({
            "family": "ANALYTICS",
            "events": self.wanted.events,
            "transport": transport,
            "extensions": self.wanted.extensions,
            "subscriptionId": self.id,
            "createdAt": stamp::iso(self.created),
            "expiresAt": stamp::iso(SystemTime::now() + left),
            "expiresIn": left.as_secs(),
            "status": self.status.as_str(),
        })
    }
}

impl Subscriptions {
    /// Adds a subscription. `None` if there are `max` already and none of them can make room.
    pub(super) fn create(
        &mut self,
        id: String,
        wanted: Wanted,
        expires: Instant,
        pending: Pending,
        max: usize,
    ) -> Option<Subscription> {
        if self.by_number.len() >= max {
            let oldest = self.by_number.iter().find(|(_, one)| one.status == Status::Inactive);
            let number = *oldest?.0;
            self.by_number.remove(&number);
        }
        let subscription = Subscription {
            id,
            wanted,
            status: if pending == Pending::No { Status::Active } else { Status::Pending },
            created: SystemTime::now(),
            expires,
            pending,
        };
        self.created += 1;
        self.by_number.insert(self.created, subscription.clone());
        Some(subscription)
    }

    /// All of them, oldest first.
    pub(super) fn all(&mut self, now: Instant) -> Vec<Subscription> {
        self.expire(now);
        self.by_number.values().cloned().collect()
    }

    /// One of them.
    pub(super) fn get(&mut self, id: &str, now: Instant) -> Option<Subscription> {
        self.expire(now);
        self.find(id).cloned()
    }

    /// One of them, asked for by GET: this is what a PENDING one waits for.
    pub(super) fn poll(&mut self, id: &str, now: Instant) -> Option<Subscription> {
        self.expire(now);
        let subscription = self.find(id)?;
        if subscription.status == Status::Pending {
            match &mut subscription.pending {
                Pending::No | Pending::Polls(0) => subscription.status = Status::Active,
                Pending::Polls(polls) => *polls -= 1,
                Pending::ForEver => {}
            }
        }
        Some(subscription.clone())
    }

    /// Gives it a new life; an INACTIVE one is ACTIVE again.
    pub(super) fn renew(&mut self, id: &str, expires: Instant) -> Option<Subscription> {
        let subscription = self.find(id)?;
        subscription.expires = expires;
        if subscription.status == Status::Inactive {
            subscription.status = Status::Active;
        }
        Some(subscription.clone())
    }

    /// Removes it.
    pub(super) fn delete(&mut self, id: &str) -> bool {
        let number = self.by_number.iter().find(|(_, one)| one.id == id).map(|(number, _)| *number);
        number.is_some_and(|number| self.by_number.remove(&number).is_some())
    }

    /// Sets those that `which` picks to INACTIVE; gives how many.
    pub(super) fn deactivate(&mut self, which: impl Fn(&Subscription) -> bool) -> usize {
        let chosen = self.by_number.values_mut().filter(|one| which(one));
        chosen.map(|one| one.status = Status::Inactive).count()
    }

    fn find(&mut self, id: &str) -> Option<&mut Subscription> {
        self.by_number.values_mut().find(|one| one.id == id)
    }

    fn expire(&mut self, now: Instant) {
        self.deactivate(|one| one.expires <= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { producer: Producer::Queue, events: vec!["ALL".into()], extensions: Map::new() }
    }

    #[test]
    fn a_pending_one_becomes_active_after_its_polls_and_others_never() {
        let (mut all, now) = (Subscriptions::default(), Instant::now());
        let expires = now + Duration::from_secs(10);
        all.create("a".to_owned(), wanted(), expires, Pending::Polls(1), 9);
        all.create("b".to_owned(), wanted(), expires, Pending::ForEver, 9);
        let mut poll = |id| all.poll(id, now).unwrap().status;
        assert_eq!([poll("a"), poll("a"), poll("a")], [Status::Pending, Status::Active, Status::Active]);
        assert!((0..9).all(|_| poll("b") == Status::Pending));
    }

    #[test]
    fn one_that_has_expired_is_inactive_until_it_is_renewed() {
        let (mut all, now) = (Subscriptions::default(), Instant::now());
        let later = now + Duration::from_secs(10);
        all.create("a".to_owned(), wanted(), later, Pending::No, 9);
        assert_eq!(all.get("a", now).unwrap().status, Status::Active);
        assert_eq!(all.get("a", later).unwrap().status, Status::Inactive);
        all.renew("a", later + Duration::from_secs(5));
        assert_eq!(all.get("a", later).unwrap().status, Status::Active);
        assert!(all.delete("a") && !all.delete("a"));
    }

    #[test]
    fn an_inactive_one_makes_room_and_an_active_one_does_not() {
        let (mut all, now) = (Subscriptions::default(), Instant::now());
        let later = now + Duration::from_secs(10);
        assert!(all.create("a".to_owned(), wanted(), later, Pending::No, 1).is_some());
        assert!(all.create("b".to_owned(), wanted(), later, Pending::No, 1).is_none());
        all.deactivate(|one| one.id == "a");
        assert!(all.create("b".to_owned(), wanted(), later, Pending::No, 1).is_some());
        assert_eq!(all.all(now).len(), 1);
    }
}
