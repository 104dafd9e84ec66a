//! The documents behind the status page. Keys are stable: every one is always there, `null` where
//! there is nothing to say. Numbers are numbers; times, which end in `_at`, are seconds since the
//! epoch; texts of the feed are cleaned and bounded.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde::Serialize;

use crate::ingest::report::Setback;

/// Both documents, made at one moment, and as they go out: however many read them, however slowly,
/// they are there once.
#[derive(Debug)]
pub struct Documents {
    /// How the exporter stands.
    pub status: StatusDocument,
    /// `/api/v1/status`.
    pub status_json: Bytes,
    /// `/api/v1/measures`.
    pub measures_json: Bytes,
}

impl Documents {
    /// These two.
    ///
    /// # Errors
    /// None that there is a reason for: maps of them have text for keys, and nothing else can fail.
    pub fn new(status: StatusDocument, measures: &MeasuresDocument) -> serde_json::Result<Self> {
        let status_json = serde_json::to_vec(&status)?.into();
        let measures_json = serde_json::to_vec(measures)?.into();
        Ok(Self { status, status_json, measures_json })
    }
}

/// `/api/v1/status`: how the exporter stands.
#[derive(Debug, Serialize)]
pub struct StatusDocument {
    /// When this was made.
    pub now_at: f64,
    /// The program's version.
    pub version: &'static str,
    /// The revision it was built from.
    pub revision: &'static str,
    /// When it was started.
    pub started_at: f64,
    /// How long ago that was.
    pub uptime_seconds: f64,
    /// What `/-/ready` says.
    pub ready: bool,
    /// The producers without a first snapshot; `null` while it is not known which there are.
    pub waiting_for: Option<Vec<String>>,
    /// When the access token ends.
    pub token_expires_at: Option<f64>,
    /// The feeds, in the order of the configuration.
    pub feeds: Vec<FeedDocument>,
    /// Limits and what is used of them.
    pub limits: LimitsDocument,
    /// The sinks of lines.
    pub sinks: Vec<SinkDocument>,
    /// What there is most of.
    pub cardinality: CardinalityDocument,
    /// The last refusals of all feeds, the latest first.
    pub refusals: Vec<RefusalDocument>,
}

/// One feed.
#[derive(Debug, Serialize)]
pub struct FeedDocument {
    /// The producer's id.
    pub producer_id: String,
    /// `waiting`, `subscribing`, `connecting`, `authenticating`, `up`, `off`; `busy` where it
    /// did not answer in time, `ended` where its task is gone.
    pub state: &'static str,
    /// What its rows are worth: `current`, `loading` (a snapshot is on its way), `stale` (the
    /// feed is lost, rows are as they were), `none`, or `unknown` where it did not answer.
    pub data: &'static str,
    /// When a feed that waits tries again.
    pub waits_until_at: Option<f64>,
    /// True while a second session is to take over from the first.
    pub taking_over: Option<bool>,
    /// True once a snapshot of the session has closed.
    pub snapshot_complete: Option<bool>,
    /// When the last event came.
    pub last_event_at: Option<f64>,
    /// How long the last answered ping took.
    pub ping_seconds: Option<f64>,
    /// When the subscription ends unless renewed.
    pub subscription_expires_at: Option<f64>,
    /// The last trouble, also once it is over: `at`, `words`.
    pub trouble: Option<Setback>,
    /// Sessions that ended, by every reason there is.
    pub reconnects: Option<BTreeMap<&'static str, u64>>,
    /// Rows held, shown or not.
    pub rows: usize,
    /// Series shown.
    pub series: usize,
    /// Measures seen.
    pub measures: Option<usize>,
}

/// A limit.
#[derive(Debug, Serialize)]
pub struct LimitDocument {
    /// What is used of it.
    pub used: usize,
    /// What may be used.
    pub limit: usize,
}

/// The limits.
#[derive(Debug, Serialize)]
pub struct LimitsDocument {
    /// Places for series and texts: `limits.series`.
    pub series: LimitDocument,
    /// Places for rows.
    pub rows: LimitDocument,
    /// Measures of the producer that has most.
    pub measures: LimitDocument,
}

/// A sink of lines.
#[derive(Debug, Serialize)]
pub struct SinkDocument {
    /// Its name in the configuration.
    pub name: String,
    /// True while the last write went through.
    pub up: bool,
    /// Lines that arrived.
    pub written: u64,
    /// Lines that the target refused.
    pub rejected: u64,
    /// Lines given up.
    pub dropped: u64,
    /// Lines that wait.
    pub queue_lines: u64,
    /// Their bytes.
    pub queue_bytes: LimitDocument,
    /// Bytes that wait on disk; `null` where the sink has no `spool_dir`.
    pub spool_bytes: Option<LimitDocument>,
}

/// What there is most of, at most ten each.
#[derive(Debug, Serialize)]
pub struct CardinalityDocument {
    /// The metrics with the most series.
    pub metrics: Vec<MetricDocument>,
    /// The labels with the most values; never a value.
    pub labels: Vec<LabelDocument>,
    /// When the labels were counted, which is not done each time.
    pub labels_counted_at: f64,
}

/// A metric and its series.
#[derive(Debug, Serialize)]
pub struct MetricDocument {
    /// Its name.
    pub metric: String,
    /// The producer it is of.
    pub producer_id: String,
    /// Series shown.
    pub series: usize,
}

/// A label and its values.
#[derive(Debug, Clone, Serialize)]
pub struct LabelDocument {
    /// Its name.
    pub label: String,
    /// Different values of it in all series.
    pub values: usize,
}

/// A refusal.
#[derive(Debug, Serialize)]
pub struct RefusalDocument {
    /// When.
    pub at: f64,
    /// Whose event it was.
    pub producer_id: String,
    /// AXP's name of the measure; `null` for a whole event.
    pub measure: Option<String>,
    /// Why, as in `axp_exporter_readings_rejected_total` or `axp_exporter_events_rejected_total`.
    pub reason: &'static str,
    /// What it was, at most 64 bytes; `null` where it is personal, or no text.
    pub value: Option<String>,
}

/// `/api/v1/measures`: every measure seen.
#[derive(Debug, Serialize)]
pub struct MeasuresDocument {
    /// When this was made.
    pub now_at: f64,
    /// The measures, by producer, in the order in which they came.
    pub measures: Vec<MeasureDocument>,
}

/// One measure.
#[derive(Debug, Serialize)]
pub struct MeasureDocument {
    /// Whose it is.
    pub producer_id: String,
    /// AXP's name.
    pub name: String,
    /// The metric that shows it; for a text, the info metric.
    pub metric: Option<String>,
    /// The label that holds a text.
    pub label: Option<String>,
    /// `number`, `duration`, `timestamp`, `boolean`, `state`, `text`; `null` before its first value.
    pub kind: Option<&'static str>,
    /// `exported`, `denied` or `refused`.
    pub verdict: &'static str,
    /// Why it is not exported.
    pub reason: Option<&'static str>,
    /// Series it has; 0 for a text, which is a label.
    pub series: usize,
    /// What `/metrics` shows of it, in seconds where it is a time: in the row of the last event,
    /// or else in another row. `null` where it has no value, and always for personal data.
    pub value: Option<ValueDocument>,
    /// True if it names a person.
    pub personal: bool,
    /// How many of its readings were refused.
    pub refusals: u64,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ValueDocument {
    /// Of a number, a duration or a point in time.
    Number(f64),
    /// Of a flag.
    Boolean(bool),
    /// Of a state or a text, at most 64 bytes.
    Text(String),
}
