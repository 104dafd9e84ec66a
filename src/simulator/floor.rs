//! The floor of the contact centre: queues, the contacts in them, and the agents who answer.
//!
//! A contact comes to a queue on a channel, waits, alerts at the ready agent who has been idle longest, and is
//! answered, left unanswered or abandoned. Answered ones talk, are put on hold now and then, are coached now and then,
//! end or go on to another queue, and leave the agent with wrap-up ([`super::handling`]). Breaks, log-ins and log-outs
//! are in [`super::shift`]. No I/O and no clock: time moves by [`Floor::advance`], randomness comes from the seed. What
//! waits is bounded by patience: contacts give up.

#![expect(
    clippy::indexing_slicing,
    reason = "queue and agent indices are made here and nothing is ever removed"
)]

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::StdRng};

use super::{
    agenda::{Agenda, Due},
    agent::Agent,
    channel::Channel,
    contact::{Contact, Phase},
    options::CentreOptions,
    pace::{self, Pace},
    queue::Queue,
};

/// The whole floor.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) rng: StdRng,
    pub(super) pace: Pace,
    pub(super) now_ms: u64,
    pub(super) agents: Vec<Agent>,
    pub(super) queues: Vec<Queue>,
    pub(super) agenda: Agenda,
    pub(super) contacts: BTreeMap<u64, Contact>,
    contacts_seen: u64,
    weight: f64,
    /// Agents and queues with channel that changed since [`Floor::take_changed`], in order of change.
    changed: Vec<Touched>,
}

/// Something whose numbers changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    /// An agent as a whole: log-in, log-out, reset.
    Agent(usize),
    /// An agent's work on one channel.
    AgentOn(usize, Channel),
    /// A queue's contacts on one channel.
    QueueOn(usize, Channel),
}

impl Floor {
    /// A floor at `now_ms` with everybody logged out and nobody waiting.
    pub(super) fn new(options: &CentreOptions, seed: u64, now_ms: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let queues: Vec<Queue> = (0..options.queues).map(|number| Queue::new(number, &mut rng)).collect();
        let agents = (0..options.agents).map(|number| Agent::new(number, options.queues, &mut rng)).collect();
        let weight = queues.iter().map(|queue| queue.weight * queue.channel_weight()).sum();
        let mut floor = Self {
            rng,
            pace: Pace::new(options),
            now_ms,
            agents,
            queues,
            agenda: Agenda::default(),
            contacts: BTreeMap::new(),
            contacts_seen: 0,
            weight,
            changed: Vec::new(),
        };
        for queue in 0..floor.queues.len() {
            for channel in floor.queues[queue].channels.clone() {
                floor.expect_arrival(queue, channel);
            }
        }
        floor
    }

    /// Lets everything happen that is due by `now_ms`. Time never goes back: an earlier `now_ms` does nothing.
    pub(super) fn advance(&mut self, now_ms: u64) {
        while let Some((at_ms, due)) = self.agenda.take(now_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            match due {
                Due::Arrival { queue, channel } => {
                    self.arrive(queue, channel, false);
                    self.expect_arrival(queue, channel);
                }
                Due::Impatience { contact } => self.give_up(contact),
                Due::Phase { contact, step } => self.leave_phase(contact, step),
                Due::Break { agent, login } => self.want_break(agent, login),
                Due::BreakOver { agent, login } => self.end_break(agent, login),
                Due::LogOut { agent, login } => self.want_leave(agent, login),
                Due::LogIn { agent, login } => self.come_to_work(agent, login),
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Begins a new interval: counts and durations are 0 again.
    pub(super) fn reset_interval(&mut self) {
        for queue in 0..self.queues.len() {
            for channel in self.queues[queue].channels.clone() {
                self.queues[queue].books[channel.index()].reset();
                self.touch(Touched::QueueOn(queue, channel));
            }
        }
        for agent in 0..self.agents.len() {
            self.agents[agent].reset(self.now_ms);
            self.touch(Touched::Agent(agent));
        }
        // A phase under way counts from here on: what it took before belongs to the last interval.
        for contact in self.contacts.values_mut() {
            contact.phase_since_ms = self.now_ms;
            contact.coach = contact.coach.map(|(coach, _)| (coach, self.now_ms));
        }
    }

    /// What changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Touched> {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn touch(&mut self, touched: Touched) {
        self.changed.push(touched);
    }

    /// Gives an idle agent the contact that has waited longest, or enters them among the idle.
    pub(super) fn take_next(&mut self, agent: usize) {
        let worker = &self.agents[agent];
        let next = worker
            .queues
            .iter()
            .flat_map(|&queue| worker.channels.iter().map(move |channel| (queue, channel.index())))
            .filter_map(|(queue, channel)| self.queues[queue].waiting[channel].first().copied())
            .min();
        match next {
            Some((_, contact)) => self.alert(contact, agent),
            None => self.list_idle(agent, true),
        }
    }

    /// Enters an agent among the idle ones of their queues and channels, or strikes them off.
    pub(super) fn list_idle(&mut self, agent: usize, idle: bool) {
        let worker = &self.agents[agent];
        let entry = (worker.idle_since_ms, agent);
        for &queue in &worker.queues {
            for channel in &worker.channels {
                let list = &mut self.queues[queue].idle[channel.index()];
                if idle {
                    list.insert(entry);
                } else {
                    list.remove(&entry);
                }
            }
        }
    }

    fn expect_arrival(&mut self, queue: usize, channel: Channel) {
        if !self.pace.moves() {
            return;
        }
        let share = self.queues[queue].weight * channel.weight() / self.weight;
        let per_second = self.pace.arrivals_per_second * share * Pace::wave(self.now_ms);
        let wait_ms = pace::exponential_ms(&mut self.rng, 1.0 / per_second);
        self.agenda.enter(self.now_ms + wait_ms, Due::Arrival { queue, channel });
    }

    /// A contact comes to a queue.
    pub(super) fn arrive(&mut self, queue: usize, channel: Channel, transferred: bool) {
        self.contacts_seen += 1;
        let id = self.contacts_seen;
        let contact = Contact {
            queue,
            channel,
            arrived_ms: self.now_ms,
            phase: Phase::Waiting,
            phase_since_ms: self.now_ms,
            step: 0,
            agent: None,
            coach: None,
            transferred,
        };
        self.contacts.insert(id, contact);
        self.queues[queue].books[channel.index()].offer();
        self.touch(Touched::QueueOn(queue, channel));
        let patience = (self.pace.handling_seconds * channel.patience()).max(10.0);
        let patience_ms = pace::exponential_ms(&mut self.rng, patience);
        self.agenda.enter(self.now_ms + patience_ms, Due::Impatience { contact: id });
        self.wait(id);
    }

    /// Puts a contact in line, or alerts the agent who has been idle longest.
    pub(super) fn wait(&mut self, id: u64) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        contact.phase = Phase::Waiting;
        contact.step += 1;
        let (queue, channel) = (contact.queue, contact.channel.index());
        self.queues[queue].waiting[channel].insert((contact.arrived_ms, id));
        if let Some((_, agent)) = self.queues[queue].idle[channel].first().copied() {
            self.list_idle(agent, false);
            self.alert(id, agent);
        }
    }

    fn give_up(&mut self, id: u64) {
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        if contact.phase != Phase::Waiting {
            return;
        }
        let (queue, channel) = (contact.queue, contact.channel);
        self.queues[queue].waiting[channel.index()].remove(&(contact.arrived_ms, id));
        self.queues[queue].books[channel.index()].abandon(None);
        self.contacts.remove(&id);
        self.touch(Touched::QueueOn(queue, channel));
    }
}
