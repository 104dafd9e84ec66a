//! The contact centre: the floor where things happen, and the rows that tell of it.
//!
//! No I/O, no clock: [`Centre::tick`] says what time it is and gets the changes, ready to be published. The same seed
//! and the same calls give the same changes, on every machine with this version of `rand`. A tick costs what happened
//! in it, however large the centre. Time that stands still or goes back changes nothing; a leap forward plays all that
//! would have happened.

use std::collections::BTreeSet;

use super::{
    floor::{Floor, Touched},
    measures::Producer,
    options::CentreOptions,
    pace::Pace,
    row::{Row, Subject, Value},
};

/// Contacts to be handled before the simulation begins, at most: enough for books that look like the middle of a day.
const WARM_UP_CONTACTS: f64 = 3_000.0;

/// Longest warm-up, in handling times.
const WARM_UP_HANDLINGS: f64 = 20.0;

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Index of the row.
    pub(super) row: usize,
    /// The values that changed, with their names; `None` if the row is gone.
    pub(super) measures: Option<Vec<(&'static str, Value)>>,
}

/// A contact centre.
#[derive(Debug)]
pub(super) struct Centre {
    floor: Floor,
    rows: Vec<Row>,
    /// The rows of each agent and queue: the one of its own first, then those by channel.
    agent_rows: Vec<Vec<usize>>,
    queue_rows: Vec<Vec<usize>>,
}

impl Centre {
    /// A centre that has been at work for a while at `now_ms` (epoch milliseconds).
    pub(super) fn new(options: &CentreOptions, seed: u64, now_ms: u64) -> Self {
        let pace = Pace::new(options);
        let seconds = (WARM_UP_HANDLINGS * pace.handling_seconds)
            .min(WARM_UP_CONTACTS / pace.arrivals_per_second.max(0.001));
        let warm_up_ms = std::time::Duration::from_secs_f64(seconds).as_millis();
        let mut floor =
            Floor::new(options, seed, now_ms.saturating_sub(u64::try_from(warm_up_ms).unwrap_or(0)));
        floor.begin_day();
        floor.advance(now_ms);
        let rows: Vec<Row> = Subject::all(&floor).map(|subject| Row::new(subject, &floor)).collect();
        let mut centre = Self {
            agent_rows: vec![Vec::new(); floor.agents.len()],
            queue_rows: vec![Vec::new(); floor.queues.len()],
            floor,
            rows,
        };
        for (index, row) in centre.rows.iter().enumerate() {
            let list = match row.subject {
                Subject::Agent(agent) | Subject::AgentOn(agent, _) => centre.agent_rows.get_mut(agent),
                Subject::Queue(queue) | Subject::QueueOn(queue, _) => centre.queue_rows.get_mut(queue),
            };
            if let Some(list) = list {
                list.push(index);
            }
        }
        centre.floor.take_changed();
        for row in &mut centre.rows {
            row.published = row.values(&centre.floor);
        }
        centre
    }

    /// Lets time pass up to `now_ms` and gives what changed in it, one change a row at most.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Change> {
        self.floor.advance(now_ms);
        self.publish()
    }

    /// Begins a new interval: counts and durations are 0 again.
    pub(super) fn reset_interval(&mut self) -> Vec<Change> {
        self.floor.reset_interval();
        self.publish()
    }

    /// Logs an agent out: this one, or the first who is logged in. Gives the agent's id and what changed, `None` if
    /// there is no such agent or nobody is logged in.
    pub(super) fn log_out(&mut self, agent_id: Option<&str>) -> Option<(String, Vec<Change>)> {
        self.force(agent_id, Floor::force_log_out)
    }

    /// Logs an agent in: this one, or the first who is logged out.
    pub(super) fn log_in(&mut self, agent_id: Option<&str>) -> Option<(String, Vec<Change>)> {
        self.force(agent_id, Floor::log_in)
    }

    /// Events a second to be made by sending rows again.
    pub(super) fn resends_per_second(&self) -> f64 {
        self.floor.pace.resends_per_second
    }

    /// All rows, those that do not show included.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows of a producer that show.
    pub(super) fn shown(&self, producer: Producer) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.producer == producer && row.published.is_some())
    }

    fn force(
        &mut self,
        agent_id: Option<&str>,
        act: impl Fn(&mut Floor, usize) -> bool,
    ) -> Option<(String, Vec<Change>)> {
        let wanted: Vec<usize> = match agent_id {
            Some(id) => self.floor.agents.iter().position(|agent| agent.id == id).into_iter().collect(),
            None => (0..self.floor.agents.len()).collect(),
        };
        let agent = wanted.into_iter().find(|&agent| act(&mut self.floor, agent))?;
        let id = self.floor.agents.get(agent)?.id.clone();
        Some((id, self.publish()))
    }

    /// Compares the rows that were touched with what was last published.
    fn publish(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for index in self.touched_rows() {
            let Some(row) = self.rows.get_mut(index) else {
                continue;
            };
            let values = row.values(&self.floor);
            let names = row.producer.measures().iter().map(|measure| measure.name);
            let measures = match (&row.published, &values) {
                (None, None) => continue,
                (Some(_), None) => None,
                (None, Some(new)) => Some(names.zip(new.iter().cloned()).collect()),
                (Some(old), Some(new)) => {
                    let fresh: Vec<_> = names
                        .zip(old.iter().zip(new))
                        .filter(|(_, (old, new))| old != new)
                        .map(|(name, (_, new))| (name, new.clone()))
                        .collect();
                    if fresh.is_empty() {
                        continue;
                    }
                    Some(fresh)
                }
            };
            changes.push(Change { row: index, measures });
            row.published = values;
        }
        changes
    }

    fn touched_rows(&mut self) -> BTreeSet<usize> {
        let mut touched = BTreeSet::new();
        for change in self.floor.take_changed() {
            let (list, channel) = match change {
                Touched::Agent(agent) => (self.agent_rows.get(agent), None),
                Touched::AgentOn(agent, channel) => (self.agent_rows.get(agent), Some(channel)),
                Touched::QueueOn(queue, channel) => (self.queue_rows.get(queue), Some(channel)),
            };
            for &index in list.into_iter().flatten() {
                let on = match self.rows.get(index).map(|row| row.subject) {
                    Some(Subject::AgentOn(_, on) | Subject::QueueOn(_, on)) => Some(on),
                    _ => None,
                };
                if channel.is_none() || on.is_none() || on == channel {
                    touched.insert(index);
                }
            }
        }
        touched
    }
}

#[cfg(test)]
mod tests;
