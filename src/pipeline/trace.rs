//! One event traced: what each stage made of it, for whoever asks why a number is not there.
//!
//! The event goes the way of every other; a trace only looks on. What the stages do not keep
//! (labels before the rules) is made a second time, by the same functions.

use super::labels::{first_labels, write_identity};
use super::report::MeasureReport;
use super::{Moment, Pipeline, write_table};
use crate::ingest::event::{Action, Event};
use crate::label::labels::Labels;
use crate::label::relabel::RuleTrace;
use crate::parse::measure::{Measure, Value, Verdict};
use crate::reject::{EventReject, RowReject};

/// What became of one measure of the event.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// It was passed over, as it is not exported.
    Denied,
    /// It was read, and came to this.
    Read(Value<'static>),
}

/// What became of one event.
#[derive(Debug)]
pub struct Trace {
    /// Whether it took effect.
    pub outcome: Result<(), EventReject>,
    /// What became of its measures, in its order; empty where they were not looked at.
    pub seen: Vec<Seen>,
    /// The labels that the rules got to see, or why there are none.
    pub first_labels: Result<Labels, RowReject>,
    /// What each rule that ran made of them.
    pub rules: Vec<RuleTrace>,
    /// The row's labels; none where it is dropped, or has none.
    pub labels: Option<Labels>,
}

impl Pipeline {
    /// Takes an event as [`Self::apply_streamed`] does, and tells what became of it.
    pub fn trace(&mut self, event: &mut Event<'_>, frame: &str, now: Moment) -> Trace {
        let names: Vec<String> = event.measures.iter().map(|(name, _)| name.to_string()).collect();
        self.witness = Some(Vec::new());
        let outcome = self.apply_streamed(event, frame, now);
        let mut values = self.witness.take().unwrap_or_default().into_iter();
        let is_read =
            event.action == Some(Action::Upsert) && matches!(outcome, Ok(()) | Err(EventReject::RowRefused));
        let denied =
            |name: &str| self.measure(name).is_some_and(|measure| measure.verdict == Verdict::Denied);
        // All others are there in the event's order.
        let of_name =
            |name: &String| if denied(name) { Some(Seen::Denied) } else { values.next().map(Seen::Read) };
        let seen = names.iter().filter(|_| is_read).map_while(of_name).collect();
        let (first_labels, rules, labels) = self.trace_labels(event);
        Trace { outcome, seen, first_labels, rules, labels }
    }

    fn trace_labels(
        &mut self,
        event: &Event<'_>,
    ) -> (Result<Labels, RowReject>, Vec<RuleTrace>, Option<Labels>) {
        let Self { parts, identity, .. } = self;
        write_identity(identity, event, &parts.account_id);
        let mut table = write_table(&parts.table);
        let id = table.find(identity);
        let first = first_labels(&parts.derivation, identity, &table, id, &mut Vec::new());
        let Ok(mut labels) = first.clone() else { return (first, Vec::new(), None) };
        let rules = parts.derivation.rules.trace(&mut labels);
        labels.drop_internal();
        let is_kept = rules.iter().all(|rule| rule.keeps);
        (first, rules, is_kept.then_some(labels))
    }

    /// A measure that was seen, by AXP's name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures().iter().find(|measure| &*measure.name == name)
    }

    /// The same, as it is reported.
    pub fn measure_report(&self, name: &str) -> Option<MeasureReport> {
        self.measure(name).map(|measure| self.report_measure(measure))
    }
}
