//! The agents' day: log-in, breaks with a reason, log-out, by chance or by force.
//!
//! Who is busy finishes the contact first, except for a forced log-out, which ends it there and then. An agent who was
//! logged out by force stays away until logged in by force.

#![expect(
    clippy::indexing_slicing,
    reason = "agent indices are made by the floor and nothing is ever removed"
)]

use rand::{RngExt, seq::IndexedRandom};

use super::{
    agenda::Due,
    agent::{Presence, Wish},
    floor::{Floor, Touched},
    names, pace,
};

/// Mean spans of the day, as multiples of the mean handling time.
const BETWEEN_BREAKS: f64 = 20.0;
const BREAK: f64 = 4.0;
const STAY: f64 = 120.0;
const AWAY: f64 = 6.0;

/// Share of the agents who are at work when the simulation begins.
const AT_WORK: f64 = 0.9;

impl Floor {
    /// Everybody who works now logs in, the others some time later.
    pub(super) fn begin_day(&mut self) {
        for agent in 0..self.agents.len() {
            if agent == 0 || self.rng.random_bool(AT_WORK) {
                self.log_in(agent);
            } else {
                self.expect(agent, AWAY, |agent, login| Due::LogIn { agent, login });
            }
        }
    }

    /// Logs an agent in. Gives false if that is the case already.
    pub(super) fn log_in(&mut self, agent: usize) -> bool {
        let worker = &mut self.agents[agent];
        if worker.presence != Presence::LoggedOut {
            return false;
        }
        worker.login += 1;
        worker.wish = None;
        worker.logged_in_ms = self.now_ms;
        worker.enter(Presence::Ready, self.now_ms);
        self.touch(Touched::Agent(agent));
        self.expect(agent, BETWEEN_BREAKS, |agent, login| Due::Break { agent, login });
        self.expect(agent, STAY, |agent, login| Due::LogOut { agent, login });
        self.take_next(agent);
        true
    }

    /// Logs an agent out at once and for good. Gives false if that is the case already.
    pub(super) fn force_log_out(&mut self, agent: usize) -> bool {
        if self.agents[agent].presence == Presence::LoggedOut {
            return false;
        }
        if self.agents[agent].contact.is_some() {
            self.agents[agent].wish = Some(Wish::Leave);
            self.drop_contact(agent);
        } else {
            self.leave(agent);
        }
        // Voids the log-in that leaving has entered in the agenda.
        self.agents[agent].login += 1;
        true
    }

    /// What an agent does after a contact.
    pub(super) fn after_contact(&mut self, agent: usize) {
        match self.agents[agent].wish.take() {
            Some(Wish::Leave) => self.leave(agent),
            Some(Wish::Break) => self.begin_break(agent),
            None => self.take_next(agent),
        }
    }

    /// An agent would take a break.
    pub(super) fn want_break(&mut self, agent: usize, login: u32) {
        let worker = &mut self.agents[agent];
        if worker.login != login || worker.presence == Presence::LoggedOut {
            return;
        }
        if worker.contact.is_some() {
            worker.wish.get_or_insert(Wish::Break);
        } else if worker.is_idle() {
            self.begin_break(agent);
        }
        self.expect(agent, BETWEEN_BREAKS, |agent, login| Due::Break { agent, login });
    }

    /// A break is over.
    pub(super) fn end_break(&mut self, agent: usize, login: u32) {
        let worker = &mut self.agents[agent];
        if worker.login != login || !matches!(worker.presence, Presence::NotReady(_)) {
            return;
        }
        worker.enter(Presence::Ready, self.now_ms);
        self.touch(Touched::Agent(agent));
        self.take_next(agent);
    }

    /// An agent would go home.
    pub(super) fn want_leave(&mut self, agent: usize, login: u32) {
        let worker = &mut self.agents[agent];
        if worker.login != login || worker.presence == Presence::LoggedOut {
            return;
        }
        if worker.contact.is_some() {
            worker.wish = Some(Wish::Leave);
        } else {
            self.leave(agent);
        }
    }

    /// An agent comes to work.
    pub(super) fn come_to_work(&mut self, agent: usize, login: u32) {
        if self.agents[agent].login == login {
            self.log_in(agent);
        }
    }

    fn begin_break(&mut self, agent: usize) {
        self.list_idle(agent, false);
        let reason = names::REASONS.choose(&mut self.rng).copied().unwrap_or("Break");
        self.agents[agent].enter(Presence::NotReady(reason), self.now_ms);
        self.touch(Touched::Agent(agent));
        self.expect(agent, BREAK, |agent, login| Due::BreakOver { agent, login });
    }

    fn leave(&mut self, agent: usize) {
        self.list_idle(agent, false);
        let worker = &mut self.agents[agent];
        worker.enter(Presence::LoggedOut, self.now_ms);
        worker.login += 1;
        self.touch(Touched::Agent(agent));
        self.expect(agent, AWAY, |agent, login| Due::LogIn { agent, login });
    }

    /// Enters something an agent is to do after about `handlings` contacts.
    fn expect(&mut self, agent: usize, handlings: f64, due: impl Fn(usize, u32) -> Due) {
        if !self.pace.moves() {
            return;
        }
        let wait_ms = pace::around_ms(&mut self.rng, handlings * self.pace.handling_seconds);
        self.agenda.enter(self.now_ms + wait_ms, due(agent, self.agents[agent].login));
    }
}
