//! The agenda of the model: what is due when.
//!
//! A heap ordered by time and then by the order of entry, so that two runs with one seed never differ. It holds a few
//! entries per agent, contact and queue and is bounded by them. An entry is never taken back; each names the step it
//! was made for, and whoever takes it out drops it when that step has passed.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::channel::Channel;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The next contact comes to a queue.
    Arrival {
        /// Index of the queue.
        queue: usize,
        /// Its channel.
        channel: Channel,
    },
    /// A waiting contact gives up.
    Impatience {
        /// Id of the contact.
        contact: u64,
    },
    /// A contact leaves its phase.
    Phase {
        /// Id of the contact.
        contact: u64,
        /// The step of the contact that this was made for.
        step: u32,
    },
    /// An agent would take a break.
    Break {
        /// Index of the agent.
        agent: usize,
        /// The agent's log-in that this was made for.
        login: u32,
    },
    /// A break is over.
    BreakOver {
        /// Index of the agent.
        agent: usize,
        /// The agent's log-in that this was made for.
        login: u32,
    },
    /// An agent would go home.
    LogOut {
        /// Index of the agent.
        agent: usize,
        /// The agent's log-in that this was made for.
        login: u32,
    },
    /// An agent comes to work.
    LogIn {
        /// Index of the agent.
        agent: usize,
        /// The agent's log-in that this was made for.
        login: u32,
    },
}

/// What is due, earliest first.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<(u64, u64, Due)>>,
    entered: u64,
}

impl Agenda {
    /// Enters `due` for the time `at_ms`.
    pub(super) fn enter(&mut self, at_ms: u64, due: Due) {
        self.entered += 1;
        self.entries.push(Reverse((at_ms, self.entered, due)));
    }

    /// Takes the first entry that is due by `now_ms`.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<(u64, Due)> {
        let Reverse((at_ms, _, _)) = self.entries.peek()?;
        if *at_ms > now_ms {
            return None;
        }
        self.entries.pop().map(|Reverse((at_ms, _, due))| (at_ms, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_keep_their_order() {
        let mut agenda = Agenda::default();
        agenda.enter(20, Due::Impatience { contact: 1 });
        agenda.enter(10, Due::Impatience { contact: 3 });
        agenda.enter(10, Due::Impatience { contact: 2 });
        assert_eq!(agenda.take(15), Some((10, Due::Impatience { contact: 3 })));
        assert_eq!(agenda.take(15), Some((10, Due::Impatience { contact: 2 })));
        assert_eq!(agenda.take(15), None, "the third is not due yet");
    }
}
