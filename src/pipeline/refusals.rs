//! What a producer's pipeline refused, for who wants to know why: a count for each measure, and
//! the last few as samples.
//!
//! A refused value is not kept on the way of an event: its frame is read a second time, and that
//! for a few events a second only, so that a flood of bad values costs little more than a flood of
//! good ones. Of one measure and reason only the latest sample is kept. Events are
//! sampled by their reason alone, and no value of a personal measure is: whether it is dropped,
//! hashed or kept in the outputs.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::Moment;
use crate::ingest::event::{Event, EventBuffer, Scalar};
use crate::label::labels::clean_value;
use crate::parse::measure::MeasureId;
use crate::parse::measures::Measures;
use crate::parse::privacy::Privacy;
use crate::reject::{EventReject, ReadingReject};

/// Samples kept.
pub const SAMPLES_MAX: usize = 16;
/// Most bytes of a sample's value.
pub const VALUE_BYTES_MAX: usize = 64;
/// Most bytes of a measure's name where it is shown.
pub const NAME_BYTES_MAX: usize = 128;
/// Readings of one event that are sampled.
const READINGS_MAX: usize = 8;
/// Events a second that are read a second time.
const LOOKS_MAX: u32 = 4;

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When, nanoseconds since the epoch.
    pub unix_ns: i64,
    /// Of which measure, by AXP's name; none for a whole event.
    pub measure: Option<String>,
    /// Why: the label of an [`EventReject`] or a [`ReadingReject`].
    pub reason: &'static str,
    /// What it was, cleaned and cut; none where there is no text, or it is not to be shown.
    pub value: Option<String>,
}

/// The refusals of one producer.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_measure: Vec<u64>,
    /// Of the event at hand: measures, and why.
    at_hand: Vec<(MeasureId, ReadingReject)>,
    samples: VecDeque<Refusal>,
    /// The second that counts now, and the events looked into.
    looks: Option<(Instant, u32)>,
    /// All refused readings, and the last of them.
    total: u64,
    last: Option<(MeasureId, ReadingReject)>,
}

impl Refusals {
    /// Counts a refused reading of the event at hand.
    pub(super) fn count(&mut self, measure: MeasureId, reject: ReadingReject) {
        // A late snapshot or a row's lack of a place says nothing about the value.
        let is_telling = !matches!(reject, ReadingReject::Superseded | ReadingReject::RowRefused);
        if is_telling && self.at_hand.len() < READINGS_MAX {
            self.at_hand.push((measure, reject));
        }
        self.total += 1;
        self.last = Some((measure, reject));
        if measure == MeasureId::MAX {
            return;
        }
        if self.by_measure.len() <= measure {
            self.by_measure.resize(measure + 1, 0);
        }
        if let Some(count) = self.by_measure.get_mut(measure) {
            *count += 1;
        }
    }

    /// How many readings of a measure were refused.
    pub(super) fn of(&self, measure: MeasureId) -> u64 {
        self.by_measure.get(measure).copied().unwrap_or_default()
    }

    /// How many readings were refused, and the last of them.
    pub(super) const fn all(&self) -> (u64, Option<(MeasureId, ReadingReject)>) {
        (self.total, self.last)
    }

    /// The last ones, the latest first.
    pub(super) fn samples(&self) -> Vec<Refusal> {
        self.samples.iter().cloned().collect()
    }

    /// Forgets the values of samples that are personal by this rule.
    pub(super) fn hide(&mut self, privacy: &Privacy) {
        for sample in &mut self.samples {
            sample.value.take_if(|_| sample.measure.as_ref().is_some_and(|name| privacy.is_personal(name)));
        }
    }

    /// Samples the refused readings of the event at hand, which was this frame.
    pub(super) fn sample_readings(&mut self, frame: &str, measures: &Measures, now: Moment) {
        if self.at_hand.is_empty() {
            return;
        }
        if !self.may_look(now.instant) {
            self.at_hand.clear();
            return;
        }
        let at_hand = std::mem::take(&mut self.at_hand);
        let mut buffer = EventBuffer::default();
        let Ok(event) = Event::parse(frame, &mut buffer) else { return };
        let mut strangers = strangers(&event, measures, &at_hand);
        for (id, reject) in at_hand {
            let name = measures.get(id).map(|measure| &*measure.name).or_else(|| strangers.pop_front());
            let Some(name) = name else { continue };
            let scalar = event.measures.iter().find(|(found, _)| found == name).map(|(_, scalar)| scalar);
            let value = scalar.filter(|_| !measures.privacy().is_personal(name)).and_then(shown);
            let measure = Some(clean_value(name, NAME_BYTES_MAX).into_owned());
            self.push(Refusal { unix_ns: now.unix_ns, measure, reason: reject.label(), value });
        }
    }

    /// Samples a refused event.
    pub(super) fn sample_event(&mut self, reject: EventReject, now: Moment) {
        // The outgoing one of two sessions is refused by design.
        if reject != EventReject::Superseded {
            self.push(Refusal { unix_ns: now.unix_ns, measure: None, reason: reject.label(), value: None });
        }
    }

    fn may_look(&mut self, now: Instant) -> bool {
        let (second, looks) = self.looks.unwrap_or((now, 0));
        let begins = now.saturating_duration_since(second) >= Duration::from_secs(1);
        let (second, looks) = if begins { (now, 0) } else { (second, looks) };
        self.looks = Some((second, (looks + 1).min(LOOKS_MAX)));
        looks < LOOKS_MAX
    }

    fn push(&mut self, refusal: Refusal) {
        let is_like = |other: &Refusal| other.measure == refusal.measure && other.reason == refusal.reason;
        self.samples.retain(|other| !is_like(other));
        self.samples.truncate(SAMPLES_MAX - 1);
        self.samples.push_front(refusal);
    }
}

/// The names of an event that are no measure's, in their order, where one was refused for that.
fn strangers<'e>(
    event: &'e Event<'_>,
    measures: &Measures,
    refused: &[(MeasureId, ReadingReject)],
) -> VecDeque<&'e str> {
    let wanted = refused.iter().filter(|(id, _)| *id == MeasureId::MAX).count();
    if wanted == 0 {
        return VecDeque::new();
    }
    let known: HashSet<&str> = measures.iter().map(|measure| &*measure.name).collect();
    let names = event.measures.iter().map(|(name, _)| &**name);
    names.filter(|name| !known.contains(name)).take(wanted).collect()
}

/// A scalar as text that may be shown.
fn shown(scalar: &Scalar<'_>) -> Option<String> {
    scalar.text().map(|text| clean_value(text, VALUE_BYTES_MAX).into_owned())
}
