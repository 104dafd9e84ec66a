//! One measure explained: what came, what it is taken for, and what became of it.

use serde::Serialize;

use crate::config::{Format, Kind, Personal};
use crate::ingest::event::Scalar;
use crate::label::labels::clean_value;
use crate::parse::allowlist::Listing;
use crate::parse::measure::{Value, Verdict};
use crate::parse::number;
use crate::pipeline::Pipeline;
use crate::pipeline::refusals::NAME_BYTES_MAX;
use crate::pipeline::trace::Seen;
use crate::reject::ReadingReject;

/// Most bytes of a value that is shown.
const VALUE_BYTES_MAX: usize = 1024;

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is in the outputs.
    Exported,
    /// It has no value.
    Absent,
    /// The allowlist or the privacy rule leaves it out.
    Denied,
    /// It is refused.
    Refused,
    /// A rule drops its row.
    Dropped,
    /// A DELETE's measures, and those of an event that is refused, are not looked at.
    Ignored,
}

/// One measure of the event.
#[derive(Debug, Serialize)]
pub(super) struct MeasureExplained {
    /// AXP's name.
    pub(super) name: String,
    /// What came, as text; null where that is hidden, or has no text.
    pub(super) given: Option<String>,
    /// What it was in JSON.
    pub(super) given_as: &'static str,
    /// True if the measure names a person.
    pub(super) personal: bool,
    /// `all`, `allowed`, `not_allowed` or `denied`, by the allowlist.
    pub(super) listed: &'static str,
    /// The glob that says so.
    pub(super) glob: Option<String>,
    /// What it is; null until its first value.
    pub(super) kind: Option<&'static str>,
    /// What says so.
    pub(super) kind_from: Option<&'static str>,
    /// How its numbers are spelled, where that is not as usual.
    pub(super) format: Option<&'static str>,
    /// What its numbers are divided by, where that is not 1.
    pub(super) divided_by: Option<f64>,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// Why it is not in the outputs, in one word.
    pub(super) reason: Option<&'static str>,
    /// The same in words.
    pub(super) words: Option<String>,
    /// Its value, as printed.
    pub(super) value: Option<String>,
    /// The metric that shows it.
    pub(super) metric: Option<String>,
    /// The label that shows it.
    pub(super) label: Option<String>,
    /// True if the value shown is a hash of what came.
    pub(super) hashed: bool,
}

impl MeasureExplained {
    /// Explains what came, and what the pipeline has made of it: nothing where it did not look.
    pub(super) fn of(
        pipeline: &Pipeline,
        (name, given): &(String, Scalar<'_>),
        seen: Option<&Seen>,
        is_dropped: bool,
    ) -> Self {
        let measures = pipeline.measures();
        let personal = measures.privacy().is_personal(name);
        let mode = measures.privacy().mode_of(name);
        let (is_hidden, hashed) = (mode != Personal::Keep, mode == Personal::Hash);
        let (listed, glob) = listing(measures.allowlist().listing(name));
        let report = pipeline.measure_report(name);
        let exported = pipeline.measure(name).filter(|measure| measure.verdict != Verdict::Denied);
        let kind = exported.and_then(|measure| Some((measure.kind?, measure.source, measure.spelling())));
        let (given_as, text) = shown(given);
        let mut explained = Self {
            name: clean_value(name, NAME_BYTES_MAX).into_owned(),
            given: text.filter(|_| !is_hidden),
            given_as,
            personal,
            listed,
            glob: glob.map(str::to_owned),
            kind: kind.map(|(kind, ..)| kind.as_str()),
            kind_from: kind.map(|(_, source, _)| source.as_str()),
            format: kind
                .map(|(.., (format, _))| format)
                .filter(|format| *format != Format::Strict)
                .map(Format::as_str),
            divided_by: kind
                .map(|(.., (_, divisor))| divisor)
                .filter(|divisor| (divisor - 1.0).abs() > f64::EPSILON),
            outcome: Outcome::Exported,
            reason: None,
            words: None,
            value: None,
            metric: None,
            label: None,
            hashed: false,
        };
        match seen {
            None => explained.outcome = Outcome::Ignored,
            Some(Seen::Denied) => explained.deny(personal && is_hidden && !hashed),
            Some(Seen::Read(Value::Refused(reject))) => explained.refuse(*reject),
            Some(Seen::Read(Value::Absent)) => {
                let kind = kind.map(|(kind, ..)| kind);
                let is_null = given.text().is_some_and(|text| measures.is_null(text));
                explained.miss(given, is_null, kind);
            }
            Some(Seen::Read(value)) => {
                explained.value = Some(printed(value));
                explained.hashed = hashed;
                (explained.metric, explained.label) =
                    report.map_or((None, None), |report| (report.metric, report.label));
                if is_dropped {
                    explained.outcome = Outcome::Dropped;
                    (explained.reason, explained.words) =
                        (Some("relabel"), Some("a rule drops its row".to_owned()));
                }
            }
        }
        explained
    }

    fn deny(&mut self, by_privacy: bool) {
        self.outcome = Outcome::Denied;
        let (reason, words) = match (&self.glob, by_privacy) {
            (_, true) => ("personal", "personal, and privacy.personal = \"drop\"".to_owned()),
            (Some(glob), _) => ("allowlist", format!("deny has {glob:?}")),
            (None, _) => ("allowlist", "no glob of allow describes it".to_owned()),
        };
        (self.reason, self.words) = (Some(reason), Some(words));
    }

    fn refuse(&mut self, reject: ReadingReject) {
        self.outcome = Outcome::Refused;
        (self.reason, self.words) = (Some(reject.label()), Some(reject.words().to_owned()));
    }

    fn miss(&mut self, given: &Scalar<'_>, is_null: bool, kind: Option<Kind>) {
        self.outcome = Outcome::Absent;
        let (reason, words) = match kind {
            _ if matches!(given, Scalar::Null) => ("null", "null is no value"),
            _ if is_null => ("null_values", "null_values lists it"),
            Some(Kind::Timestamp) => ("zero_timestamp", "0 stands for no point in time"),
            _ => ("empty", "nothing is left of it once it is cleaned"),
        };
        (self.reason, self.words) = (Some(reason), Some(words.to_owned()));
    }
}

fn listing(listing: Listing<'_>) -> (&'static str, Option<&str>) {
    match listing {
        Listing::Unlisted => ("all", None),
        Listing::Allowed(glob) => ("allowed", Some(glob)),
        Listing::NotAllowed => ("not_allowed", None),
        Listing::Denied(glob) => ("denied", Some(glob)),
    }
}

/// What a scalar is in JSON, and its text as it may be shown.
fn shown(scalar: &Scalar<'_>) -> (&'static str, Option<String>) {
    let kind = match scalar {
        Scalar::Text(_) => "string",
        Scalar::Number(_) => "number",
        Scalar::Boolean(_) => "boolean",
        Scalar::Null => "null",
        Scalar::Nested => "object",
        Scalar::BadText => "no_text",
    };
    (kind, scalar.text().map(|text| clean_value(text, VALUE_BYTES_MAX).into_owned()))
}

/// A value as it is printed.
fn printed(value: &Value<'_>) -> String {
    match value {
        Value::Number(value) => {
            let mut out = Vec::new();
            number::write(&mut out, *value);
            String::from_utf8(out).unwrap_or_default()
        }
        Value::State(text) | Value::Text(text) => text.to_string(),
        Value::Absent | Value::Refused(_) => String::new(),
    }
}
