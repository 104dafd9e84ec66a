//! The books: interval-to-date counts and durations, and the current numbers beside them.
//!
//! One book for each queue and channel, one for each agent and channel; what is wider (a queue, an agent) is the sum,
//! and so agrees with its parts by construction. Two balances hold at all times, and the model's tests add them up
//! after every step:
//!
//! - offered + carried over = answered + abandoned (+ not answered, for an agent) + not answered yet
//! - answered + carried over = completed + active + in wrap-up
//!
//! "Carried over" is what was under way when the interval was reset. Numbers saturate; nothing here can fail.

use std::{iter::Sum, ops::Add};

/// Counts, durations and current numbers of one queue or agent on one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Book {
    pub(super) offered: u64,
    pub(super) answered: u64,
    pub(super) completed: u64,
    pub(super) abandoned_from_queue: u64,
    pub(super) abandoned_from_alerting: u64,
    pub(super) not_answered: u64,
    pub(super) held: u64,
    pub(super) transferred_out: u64,
    pub(super) transferred_in: u64,
    pub(super) coached: u64,
    pub(super) coaching: u64,
    pub(super) active_ms: u64,
    pub(super) alert_ms: u64,
    pub(super) hold_ms: u64,
    pub(super) acw_ms: u64,
    pub(super) coached_ms: u64,
    pub(super) coaching_ms: u64,
    /// Contacts not answered yet: waiting or alerting at a queue, alerting at an agent.
    pub(super) queueing: u64,
    /// Contacts connected to an agent, held ones included.
    pub(super) active: u64,
    /// Contacts in wrap-up.
    pub(super) in_acw: u64,
    /// What was not answered yet when the interval began.
    pub(super) unanswered_before: u64,
    /// What was answered and not completed when the interval began.
    pub(super) uncompleted_before: u64,
}

impl Book {
    /// Begins a new interval: counts and durations are 0 again, what is under way stays.
    pub(super) fn reset(&mut self) {
        *self = Self {
            queueing: self.queueing,
            active: self.active,
            in_acw: self.in_acw,
            unanswered_before: self.queueing,
            uncompleted_before: self.active + self.in_acw,
            ..Self::default()
        };
    }

    /// A contact is offered.
    pub(super) fn offer(&mut self) {
        self.offered += 1;
        self.queueing += 1;
    }

    /// A contact is answered after it alerted for `alert_ms`.
    pub(super) fn answer(&mut self, alert_ms: u64) {
        self.answered += 1;
        self.alert_ms += alert_ms;
        self.queueing = self.queueing.saturating_sub(1);
        self.active += 1;
    }

    /// A connected contact goes to wrap-up.
    pub(super) fn wrap_up(&mut self) {
        self.active = self.active.saturating_sub(1);
        self.in_acw += 1;
    }

    /// A contact is done after `acw_ms` of wrap-up.
    pub(super) fn complete(&mut self, acw_ms: u64) {
        self.acw_ms += acw_ms;
        self.completed += 1;
        self.in_acw = self.in_acw.saturating_sub(1);
    }

    /// A contact left before it was answered, out of the queue or while it alerted for `alert_ms`.
    pub(super) fn abandon(&mut self, alert_ms: Option<u64>) {
        match alert_ms {
            Some(alert_ms) => {
                self.abandoned_from_alerting += 1;
                self.alert_ms += alert_ms;
            }
            None => self.abandoned_from_queue += 1,
        }
        self.queueing = self.queueing.saturating_sub(1);
    }

    /// Whether the two balances hold; `leaves` says that a contact that is not answered leaves this book, as it leaves
    /// an agent and not a queue.
    #[cfg(test)]
    pub(super) fn balances(&self, leaves: bool) -> bool {
        let not_answered = if leaves { self.not_answered } else { 0 };
        self.offered + self.unanswered_before
            == self.answered
                + self.abandoned_from_queue
                + self.abandoned_from_alerting
                + not_answered
                + self.queueing
            && self.answered + self.uncompleted_before == self.completed + self.active + self.in_acw
    }
}

impl Add for Book {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            offered: self.offered + other.offered,
            answered: self.answered + other.answered,
            completed: self.completed + other.completed,
            abandoned_from_queue: self.abandoned_from_queue + other.abandoned_from_queue,
            abandoned_from_alerting: self.abandoned_from_alerting + other.abandoned_from_alerting,
            not_answered: self.not_answered + other.not_answered,
            held: self.held + other.held,
            transferred_out: self.transferred_out + other.transferred_out,
            transferred_in: self.transferred_in + other.transferred_in,
            coached: self.coached + other.coached,
            coaching: self.coaching + other.coaching,
            active_ms: self.active_ms + other.active_ms,
            alert_ms: self.alert_ms + other.alert_ms,
            hold_ms: self.hold_ms + other.hold_ms,
            acw_ms: self.acw_ms + other.acw_ms,
            coached_ms: self.coached_ms + other.coached_ms,
            coaching_ms: self.coaching_ms + other.coaching_ms,
            queueing: self.queueing + other.queueing,
            active: self.active + other.active,
            in_acw: self.in_acw + other.in_acw,
            unanswered_before: self.unanswered_before + other.unanswered_before,
            uncompleted_before: self.uncompleted_before + other.uncompleted_before,
        }
    }
}

impl<'a> Sum<&'a Book> for Book {
    fn sum<I: Iterator<Item = &'a Self>>(books: I) -> Self {
        books.fold(Self::default(), |sum, book| sum + *book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_forgets_counts_and_keeps_what_is_under_way() {
        let mut book = Book::default();
        book.offer();
        book.offer();
        book.answer(2_000);
        book.reset();
        assert_eq!((book.offered, book.answered, book.alert_ms), (0, 0, 0));
        assert_eq!((book.queueing, book.active), (1, 1));
        assert!(book.balances(false));
        book.abandon(None);
        book.wrap_up();
        book.complete(500);
        assert!(book.balances(false));
    }
}
