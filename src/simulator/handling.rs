//! What happens to a contact once it alerts at an agent: it is answered or not, talks, is held, is coached, is passed on
//! and written up. Every step writes the books of the queue and of the agent in one go, so that they agree.

#![expect(
    clippy::indexing_slicing,
    reason = "queue and agent indices are made by the floor and nothing is ever removed"
)]

use rand::RngExt;

use super::{
    agenda::Due,
    agent::{Presence, Wish},
    book::Book,
    contact::Phase,
    floor::{Floor, Touched},
    pace,
};

/// How long an agent's phone rings, in seconds.
const ALERT_SECONDS: f64 = 2.0;

impl Floor {
    /// Ends an agent's contact at once, whatever its phase: an alerting one goes back to its queue.
    pub(super) fn drop_contact(&mut self, agent: usize) {
        let Some(id) = self.agents[agent].contact else {
            return;
        };
        if self.phase(id) == Some(Phase::Alerting) {
            self.not_answered(id);
        }
        if self.phase(id) == Some(Phase::OnHold) {
            self.take_off_hold(id);
        }
        if self.phase(id) == Some(Phase::Active) {
            self.wrap_up(id);
        }
        if self.agents[agent].contact == Some(id) {
            self.complete(id);
        }
    }

    fn phase(&self, id: u64) -> Option<Phase> {
        self.contacts.get(&id).map(|contact| contact.phase)
    }

    /// Lets a contact ring at an agent.
    pub(super) fn alert(&mut self, id: u64, agent: usize) {
        let alert_ms = pace::around_ms(&mut self.rng, ALERT_SECONDS);
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let (queue, channel) = (contact.queue, contact.channel);
        self.queues[queue].waiting[channel.index()].remove(&(contact.arrived_ms, id));
        contact.agent = Some(agent);
        let worker = &mut self.agents[agent];
        worker.account(self.now_ms);
        worker.contact = Some(id);
        worker.books[channel.index()].offer();
        self.begin(id, Phase::Alerting, alert_ms);
    }

    /// Begins a phase that lasts `span_ms`.
    fn begin(&mut self, id: u64, phase: Phase, span_ms: u64) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        contact.phase = phase;
        contact.phase_since_ms = self.now_ms;
        contact.step += 1;
        self.agenda.enter(self.now_ms + span_ms, Due::Phase { contact: id, step: contact.step });
        let touched = Touched::QueueOn(contact.queue, contact.channel);
        if let Some(agent) = contact.agent {
            let channel = contact.channel;
            let since_ms = |wanted| if phase == wanted { self.now_ms } else { 0 };
            let worker = &mut self.agents[agent];
            worker.active_since_ms = since_ms(Phase::Active);
            worker.hold_since_ms = since_ms(Phase::OnHold);
            worker.acw_since_ms = since_ms(Phase::Acw);
            worker.account(self.now_ms);
            self.touch(Touched::AgentOn(agent, channel));
        }
        self.touch(touched);
    }

    /// A phase has lasted as long as it was to last.
    pub(super) fn leave_phase(&mut self, id: u64, step: u32) {
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        if contact.step != step {
            return;
        }
        match contact.phase {
            Phase::Waiting => {}
            Phase::Alerting => match self.rng.random_range(0..100) {
                0..3 => self.abandon_alerting(id),
                3..5 => self.not_answered(id),
                _ => self.answer(id),
            },
            Phase::Active if self.rng.random_bool(0.15) => self.hold(id),
            Phase::Active => self.wrap_up(id),
            Phase::OnHold => self.take_off_hold(id),
            Phase::Acw => self.complete(id),
        }
    }

    /// Applies `change` to the books of a contact's queue and agent; gives the time since its phase began.
    fn write(&mut self, id: u64, change: impl Fn(&mut Book, u64)) {
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        let passed_ms = self.now_ms.saturating_sub(contact.phase_since_ms);
        let channel = contact.channel.index();
        change(&mut self.queues[contact.queue].books[channel], passed_ms);
        if let Some(agent) = contact.agent {
            change(&mut self.agents[agent].books[channel], passed_ms);
        }
    }

    /// Takes a contact from its agent, who is free again.
    fn free_agent(&mut self, id: u64) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let channel = contact.channel;
        let Some(agent) = contact.agent.take() else {
            return;
        };
        let worker = &mut self.agents[agent];
        worker.account(self.now_ms);
        worker.contact = None;
        worker.active_since_ms = 0;
        worker.hold_since_ms = 0;
        worker.acw_since_ms = 0;
        worker.idle_since_ms = self.now_ms;
        self.touch(Touched::AgentOn(agent, channel));
        self.after_contact(agent);
    }

    fn abandon_alerting(&mut self, id: u64) {
        self.write(id, |book, passed_ms| book.abandon(Some(passed_ms)));
        self.end(id);
    }

    fn end(&mut self, id: u64) {
        if let Some(contact) = self.contacts.get(&id) {
            self.touch(Touched::QueueOn(contact.queue, contact.channel));
        }
        self.free_agent(id);
        self.contacts.remove(&id);
    }

    /// The agent let it ring: the contact goes back to its old place in line, the agent is not ready for a while.
    fn not_answered(&mut self, id: u64) {
        self.write(id, |book, passed_ms| {
            book.not_answered += 1;
            book.alert_ms += passed_ms;
        });
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        let (queue, channel, agent) = (contact.queue, contact.channel, contact.agent);
        if let Some(agent) = agent {
            // It stays with the queue and leaves the agent.
            let book = &mut self.agents[agent].books[channel.index()];
            book.queueing = book.queueing.saturating_sub(1);
            self.agents[agent].wish.get_or_insert(Wish::Break);
        }
        self.touch(Touched::QueueOn(queue, channel));
        self.free_agent(id);
        let patience_ms = pace::exponential_ms(&mut self.rng, self.pace.handling_seconds);
        self.agenda.enter(self.now_ms + patience_ms, Due::Impatience { contact: id });
        self.wait(id);
    }

    fn answer(&mut self, id: u64) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let transferred = contact.transferred;
        let (channel, agent) = (contact.channel, contact.agent);
        self.write(id, |book, passed_ms| {
            book.answer(passed_ms);
            book.transferred_in += u64::from(transferred);
        });
        if self.rng.random_bool(0.04) {
            let coach = self.rng.random_range(0..self.agents.len());
            let other = &self.agents[coach];
            let able = other.presence != Presence::LoggedOut && other.channels.contains(&channel);
            if Some(coach) != agent && able {
                self.coach(id, coach);
            }
        }
        let talk = self.pace.handling_seconds * channel.handling() * 0.65;
        let talk_ms = pace::around_ms(&mut self.rng, talk);
        self.begin(id, Phase::Active, talk_ms);
    }

    fn coach(&mut self, id: u64, coach: usize) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        contact.coach = Some((coach, self.now_ms));
        let (queue, channel) = (contact.queue, contact.channel);
        let book = &mut self.queues[queue].books[channel.index()];
        book.coached += 1;
        book.coaching += 1;
        if let Some(agent) = contact.agent {
            self.agents[agent].books[channel.index()].coached += 1;
        }
        self.agents[coach].books[channel.index()].coaching += 1;
        self.touch(Touched::AgentOn(coach, channel));
    }

    fn end_coaching(&mut self, id: u64) {
        let Some(contact) = self.contacts.get_mut(&id) else {
            return;
        };
        let Some((coach, since_ms)) = contact.coach.take() else {
            return;
        };
        let passed_ms = self.now_ms.saturating_sub(since_ms);
        let (queue, channel) = (contact.queue, contact.channel);
        let book = &mut self.queues[queue].books[channel.index()];
        book.coached_ms += passed_ms;
        book.coaching_ms += passed_ms;
        if let Some(agent) = contact.agent {
            self.agents[agent].books[channel.index()].coached_ms += passed_ms;
        }
        self.agents[coach].books[channel.index()].coaching_ms += passed_ms;
        self.touch(Touched::AgentOn(coach, channel));
    }

    fn hold(&mut self, id: u64) {
        self.write(id, |book, passed_ms| {
            book.active_ms += passed_ms;
            book.held += 1;
        });
        let hold_ms = pace::around_ms(&mut self.rng, self.pace.handling_seconds * 0.15);
        self.begin(id, Phase::OnHold, hold_ms);
    }

    fn take_off_hold(&mut self, id: u64) {
        self.write(id, |book, passed_ms| book.hold_ms += passed_ms);
        let talk_ms = pace::around_ms(&mut self.rng, self.pace.handling_seconds * 0.2);
        self.begin(id, Phase::Active, talk_ms);
    }

    /// The contact hangs up or is passed on to another queue; the agent writes it up.
    fn wrap_up(&mut self, id: u64) {
        self.end_coaching(id);
        self.write(id, |book, passed_ms| {
            book.active_ms += passed_ms;
            book.wrap_up();
        });
        let Some(contact) = self.contacts.get(&id) else {
            return;
        };
        let (queue, channel) = (contact.queue, contact.channel);
        let other = self.rng.random_range(0..self.queues.len());
        let goes_on =
            self.rng.random_bool(0.06) && other != queue && self.queues[other].channels.contains(&channel);
        if goes_on {
            self.write(id, |book, _| book.transferred_out += 1);
        }
        let acw_ms = pace::around_ms(&mut self.rng, self.pace.handling_seconds * 0.25);
        self.begin(id, Phase::Acw, acw_ms);
        if goes_on {
            self.arrive(other, channel, true);
        }
    }

    fn complete(&mut self, id: u64) {
        self.write(id, Book::complete);
        self.end(id);
    }
}
