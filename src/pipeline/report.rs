//! What a pipeline reports of itself when it is asked: its measures, and what it refused.

use super::Pipeline;
use super::refusals::{NAME_BYTES_MAX, Refusal};
use crate::config::{Kind, Personal};
use crate::label::labels::clean_value;
use crate::parse::measure::{Measure, Verdict};
use crate::reject::ReadingReject;
use crate::table::rows::{ColumnId, RowId};

/// What a pipeline says of itself.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every measure seen, in the order in which they came.
    pub measures: Vec<MeasureReport>,
    /// The last refusals, the latest first.
    pub refusals: Vec<Refusal>,
    /// The row of the last event that was shown.
    pub last_row: Option<RowId>,
}

/// One measure seen.
#[derive(Debug, Clone)]
pub struct MeasureReport {
    /// AXP's name, cleaned.
    pub name: String,
    /// The metric whose series show it; none for a label of all series, and for what is not exported.
    pub metric: Option<String>,
    /// The label that holds a text.
    pub label: Option<String>,
    /// What it is; none until its first present value.
    pub kind: Option<Kind>,
    /// `exported`, `denied` or `refused`.
    pub verdict: &'static str,
    /// Why it is not exported: `allowlist`, `personal`, or the label of a reading's refusal.
    pub reason: Option<&'static str>,
    /// True if it names a person.
    pub personal: bool,
    /// How many of its readings were refused.
    pub refusals: u64,
    /// Where the table keeps it, once a value came.
    pub column: Option<ColumnId>,
}

impl Pipeline {
    /// Reports the measures and the refusals.
    pub fn report(&self) -> Report {
        let measures = self.parts.derivation.measures.iter().enumerate();
        Report {
            measures: measures
                .map(|(id, measure)| MeasureReport {
                    refusals: self.refusals.of(id),
                    ..self.report_measure(measure)
                })
                .collect(),
            refusals: self.refusals.samples(),
            last_row: self.last_row,
        }
    }

    /// How many readings were refused so far, and of the last one its measure, by AXP's name, and
    /// why; without a name where it is none of the producer's measures.
    pub fn refused_readings(&self) -> (u64, Option<(&str, ReadingReject)>) {
        let (count, last) = self.refusals.all();
        let name = |id| self.measures().get(id).map_or("", |measure| &*measure.name);
        (count, last.map(|(id, reject)| (name(id), reject)))
    }

    /// When the last event came, seconds since the epoch; none before the first.
    pub fn last_event_at(&self) -> Option<f64> {
        Some(self.parts.metrics.last_event.get()).filter(|at| *at > 0.0)
    }

    /// True while `axp_exporter_feed_snapshot_complete` says so.
    pub fn shows_complete(&self) -> bool {
        self.parts.metrics.snapshot_complete.get() == 1
    }

    pub(super) fn report_measure(&self, measure: &Measure) -> MeasureReport {
        let (measures, privacy) = (&self.parts.derivation.measures, self.parts.derivation.measures.privacy());
        let personal = privacy.is_personal(&measure.name);
        let (verdict, reason) = match measure.verdict {
            Verdict::Exported => ("exported", None),
            Verdict::Denied if privacy.mode_of(&measure.name) == Personal::Drop => {
                ("denied", Some("personal"))
            }
            Verdict::Denied => ("denied", Some("allowlist")),
            Verdict::Refused(reject) => ("refused", Some(reject.label())),
        };
        let kind = measure.kind.filter(|_| measure.verdict == Verdict::Exported);
        let of = |end: &str| Some(format!("axp_{}_{end}", measures.stem()));
        let (metric, label) = match kind {
            None => (None, None),
            Some(Kind::Text) if measure.promoted => (None, Some(measure.field.to_string())),
            Some(Kind::Text) => (of("info"), Some(measure.field.to_string())),
            Some(_) => (of(&measure.field), None),
        };
        MeasureReport {
            name: clean_value(&measure.name, NAME_BYTES_MAX).into_owned(),
            metric,
            label,
            kind: measure.kind,
            verdict,
            reason,
            personal,
            refusals: 0,
            column: measure.column,
        }
    }
}
