//! What came in, what went out and what was refused: told line by line as long as that is little,
//! and in one line at the end.
//!
//! A flood of bad lines is told of once a second, so that it neither fills a log nor slows us down.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::refusal::Refusal;
use crate::label::labels::clean_value;
use crate::pipeline::refusals::NAME_BYTES_MAX;
use crate::reject::ReadingReject;

/// Refusals that are told of one by one.
const TOLD_MAX: u32 = 10;
/// How long is waited after that between two.
const TOLD_INTERVAL: Duration = Duration::from_secs(1);

/// Counts, and who is told of what is refused.
#[derive(Debug)]
pub(super) struct Tally<T> {
    tell: T,
    /// Refusals told of, the last one's time, and how many were not told of since.
    told: u32,
    told_at: Option<Instant>,
    untold: u64,
    lines_in: u64,
    applied: u64,
    /// Refused lines by reason, in the order in which the reasons came up.
    refused: Vec<(&'static str, u64)>,
    readings_refused: u64,
    /// Lines written.
    pub(super) lines_out: u64,
}

impl<T: FnMut(String)> Tally<T> {
    /// Nothing counted yet; `tell` is given each line of text.
    pub(super) const fn new(tell: T) -> Self {
        Self {
            tell,
            told: 0,
            told_at: None,
            untold: 0,
            lines_in: 0,
            applied: 0,
            refused: Vec::new(),
            readings_refused: 0,
            lines_out: 0,
        }
    }

    /// An event was applied.
    pub(super) const fn applied(&mut self) {
        self.lines_in += 1;
        self.applied += 1;
    }

    /// A line was refused.
    pub(super) fn refused(&mut self, line: u64, refusal: Refusal, now: Instant) {
        self.lines_in += 1;
        let label = refusal.label();
        match self.refused.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((label, 1)),
        }
        self.say(now, || format!("line {line} refused, {label}: {refusal}"));
    }

    /// Readings of an applied event were refused, this one among them.
    pub(super) fn readings_refused(
        &mut self,
        line: u64,
        count: u64,
        (name, reject): (&str, ReadingReject),
        now: Instant,
    ) {
        self.readings_refused += count;
        self.say(now, || {
            let name = clean_value(name, NAME_BYTES_MAX);
            let name = if name.is_empty() { "a measure" } else { &*name };
            format!("line {line}, {name} refused, {}: {}", reject.label(), reject.words())
        });
    }

    /// All of it in one line.
    pub(super) fn summary(&self) -> String {
        let refused: u64 = self.refused.iter().map(|(_, count)| count).sum();
        let mut text = format!("lines: {} in, {} applied, {refused} refused", self.lines_in, self.applied);
        for (index, (label, count)) in self.refused.iter().enumerate() {
            let _ = write!(text, "{}{label} {count}", if index == 0 { " (" } else { ", " });
        }
        if refused > 0 {
            text.push(')');
        }
        let _ = write!(text, ", {} out", self.lines_out);
        if self.readings_refused > 0 {
            let _ = write!(text, "; values refused: {}", self.readings_refused);
        }
        text
    }

    /// Says something, whatever was said before.
    pub(super) fn tell(&mut self, text: String) {
        (self.tell)(text);
    }

    /// Says something, unless much was said already.
    fn say(&mut self, now: Instant, text: impl FnOnce() -> String) {
        let is_time = self.told_at.is_none_or(|at| now.saturating_duration_since(at) >= TOLD_INTERVAL);
        if self.told >= TOLD_MAX && !is_time {
            self.untold += 1;
            return;
        }
        (self.told, self.told_at) = (self.told.saturating_add(1), Some(now));
        let mut text = text();
        if self.untold > 0 {
            let _ = write!(text, " (and {} refusals before it)", std::mem::take(&mut self.untold));
        }
        self.tell(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::EventReject;

    #[test]
    fn a_flood_is_told_of_once_a_second_and_counted_to_the_last() {
        let told = std::cell::RefCell::new(Vec::new());
        let start = Instant::now();
        let mut tally = Tally::new(|text| told.borrow_mut().push(text));
        for line in 1..=2500_u64 {
            let now = start + Duration::from_millis(line);
            tally.refused(line, Refusal::Event(EventReject::NotJson), now);
        }
        tally.refused(2501, Refusal::TooLong, start + Duration::from_secs(60));
        tally.applied();
        tally.readings_refused(2502, 3, ("a\nb", ReadingReject::NotANumber), start + Duration::from_secs(61));
        tally.lines_out = 1;
        let summary = tally.summary();
        drop(tally);
        let told = told.into_inner();
        assert_eq!(told.len(), 14, "ten, two by time, two after pauses: {told:?}");
        assert_eq!(
            told[0],
            "line 1 refused, not_json: Text that is not JSON at all, such as a proxy's `ping`"
        );
        assert_eq!(
            told[10],
            format!("{} (and 999 refusals before it)", told[0].replace("line 1 ", "line 1010 "))
        );
        assert_eq!(
            told[12],
            "line 2501 refused, too_long: Longer than limits.frame_bytes (and 490 refusals before it)"
        );
        assert_eq!(told[13], "line 2502, a b refused, not_a_number: Text outside the number grammar");
        assert_eq!(
            summary,
            "lines: 2502 in, 1 applied, 2501 refused (not_json 2500, too_long 1), 1 out; values refused: 3"
        );
    }
}
