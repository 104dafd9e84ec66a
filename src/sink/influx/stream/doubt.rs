//! Doubt: what was written last, and may not have arrived.
//!
//! At most [`DOUBT_BYTES`] of whole lines are kept, each with the time it was written at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hyper::body::Bytes;

use crate::sink::influx::load::cut_at;

/// How long after a write a connection that ended well makes it doubtful.
const DOUBT_TIME: Duration = Duration::from_secs(10);
/// Most bytes in doubt: more than the buffers of two systems hold, of which ours is bounded by
/// [`super::connection::SEND_BYTES`] and another's, on Linux, has 6 MiB where nobody allowed more.
const DOUBT_BYTES: usize = 8 << 20;
/// Most bytes that are doubted and forgotten together.
const DOUBT_STEP_BYTES: usize = 64 << 10;

/// Lines that were written, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    steps: VecDeque<(Bytes, Instant)>,
    bytes: usize,
}

impl Doubt {
    /// Keeps lines that were written now; those before them that are too many go.
    pub(super) fn add(&mut self, lines: &[u8]) {
        let (mut rest, now) = (lines, Instant::now());
        while !rest.is_empty() {
            let (step, after) = rest.split_at(cut_at(rest, DOUBT_STEP_BYTES));
            // A copy, as they may be a small part of a large piece of memory.
            self.steps.push_back((Bytes::copy_from_slice(step), now));
            self.bytes += step.len();
            rest = after;
        }
        while self.bytes > DOUBT_BYTES {
            self.forget_oldest();
        }
    }

    /// All of them, to be written again.
    pub(super) fn lines(&self) -> VecDeque<Bytes> {
        self.steps.iter().map(|(lines, _)| lines.clone()).collect()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// All of them were written again, now.
    pub(super) fn renew(&mut self) {
        self.steps.iter_mut().for_each(|(_, written_at)| *written_at = Instant::now());
    }

    /// A connection ended well: what is older than that has arrived.
    pub(super) fn forget_old(&mut self) {
        while self.steps.front().is_some_and(|(_, written_at)| written_at.elapsed() >= DOUBT_TIME) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let forgotten = self.steps.pop_front().map_or(0, |(lines, _)| lines.len());
        self.bytes -= forgotten;
    }

    /// Makes all of them older.
    #[cfg(test)]
    pub(super) fn age(&mut self, by: Duration) {
        self.steps.iter_mut().for_each(|(_, written_at)| *written_at = written_at.checked_sub(by).unwrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_is_bounded_and_of_whole_lines() {
        let mut doubt = Doubt::default();
        doubt.add("a line x=1 1\n".repeat(1_000_000).as_bytes());
        let kept = doubt.lines().into_iter().collect::<Vec<_>>().concat();
        assert!(kept.len() <= DOUBT_BYTES && kept.len() + DOUBT_STEP_BYTES > DOUBT_BYTES);
        assert!(kept.starts_with(b"a line") && kept.ends_with(b"1\n"));
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_was_written_again_is_not_old() {
        let mut doubt = Doubt::default();
        doubt.add(b"old x=1 1\n");
        doubt.age(DOUBT_TIME);
        doubt.add(b"new x=1 1\n");
        doubt.forget_old();
        assert_eq!(doubt.lines(), ["new x=1 1\n"]);
        doubt.age(DOUBT_TIME);
        doubt.renew();
        doubt.forget_old();
        assert_eq!((doubt.lines().len(), doubt.bytes), (1, 10));
    }
}
