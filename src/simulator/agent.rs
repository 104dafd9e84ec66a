//! An agent of the model: who it is, what it can do, in which state it is and since when.
//!
//! Time is accounted when a state ends, so durations exclude the running state, as AXP's seem to.

use rand::{
    RngExt,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};

use super::{
    book::Book,
    channel::{CHANNELS, Channel},
    names,
};

/// Queues one agent serves at most.
const QUEUES_PER_AGENT: usize = 3;

/// Whether an agent takes contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    LoggedOut,
    Ready,
    /// Not ready, with the name of the reason.
    NotReady(&'static str),
}

/// What an agent does as soon as the contact in hand is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Break,
    Leave,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) login_id: String,
    /// Indices of the queues the agent serves.
    pub(super) queues: Vec<usize>,
    /// Channels the agent works on, in their order.
    pub(super) channels: Vec<Channel>,
    pub(super) presence: Presence,
    pub(super) presence_since_ms: u64,
    pub(super) logged_in_ms: u64,
    /// Counts log-ins: what the agenda holds for an earlier one is void.
    pub(super) login: u32,
    pub(super) wish: Option<Wish>,
    /// The contact in hand, alerting ones included.
    pub(super) contact: Option<u64>,
    /// The starts of the running phase, 0 outside of it.
    pub(super) active_since_ms: u64,
    pub(super) hold_since_ms: u64,
    pub(super) acw_since_ms: u64,
    /// Since when the agent waits for a contact; orders the ready agents.
    pub(super) idle_since_ms: u64,
    /// Up to when time is accounted.
    pub(super) accounted_ms: u64,
    pub(super) idle_ms: u64,
    pub(super) logon_ms: u64,
    pub(super) not_ready_ms: u64,
    /// One book a channel.
    pub(super) books: [Book; CHANNELS],
}

impl Agent {
    /// A new agent, logged out.
    pub(super) fn new(number: usize, queues: usize, rng: &mut StdRng) -> Self {
        let (first_name, last_name, login_id) = names::agent(number);
        let mut served = vec![number % queues];
        for _ in 1..QUEUES_PER_AGENT {
            let queue = rng.random_range(0..queues);
            if !served.contains(&queue) {
                served.push(queue);
            }
        }
        let mut channels = Channel::ALL.to_vec();
        if rng.random_bool(0.6) {
            channels.shuffle(rng);
            channels.truncate([2, 3].choose(rng).copied().unwrap_or(2));
            channels.sort_unstable();
        }
        Self {
            id: names::uuid(rng),
            first_name,
            last_name,
            login_id,
            queues: served,
            channels,
            presence: Presence::LoggedOut,
            presence_since_ms: 0,
            logged_in_ms: 0,
            login: 0,
            wish: None,
            contact: None,
            active_since_ms: 0,
            hold_since_ms: 0,
            acw_since_ms: 0,
            idle_since_ms: 0,
            accounted_ms: 0,
            idle_ms: 0,
            logon_ms: 0,
            not_ready_ms: 0,
            books: [Book::default(); CHANNELS],
        }
    }

    /// Whether the agent could take a contact now.
    pub(super) fn is_idle(&self) -> bool {
        self.presence == Presence::Ready && self.contact.is_none()
    }

    /// Accounts the time since the last change of state to the state that ends now.
    pub(super) fn account(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.accounted_ms);
        self.accounted_ms = now_ms;
        match self.presence {
            Presence::LoggedOut => return,
            Presence::NotReady(_) => self.not_ready_ms += passed_ms,
            Presence::Ready if self.contact.is_none() => self.idle_ms += passed_ms,
            Presence::Ready => {}
        }
        self.logon_ms += passed_ms;
    }

    /// Goes to another state.
    pub(super) fn enter(&mut self, presence: Presence, now_ms: u64) {
        self.account(now_ms);
        self.presence = presence;
        self.presence_since_ms = now_ms;
        self.idle_since_ms = now_ms;
    }

    /// Begins a new interval.
    pub(super) fn reset(&mut self, now_ms: u64) {
        self.account(now_ms);
        self.idle_ms = 0;
        self.logon_ms = 0;
        self.not_ready_ms = 0;
        for book in &mut self.books {
            book.reset();
        }
    }
}
