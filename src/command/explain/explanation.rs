//! The explanation of one event: what each stage was given and what it gave.
//!
//! It is what `--json` prints, key by key; every key is always there, null where there is nothing
//! to say.

use std::collections::BTreeMap;

use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use super::input::why_no_event;
use super::measure::MeasureExplained;
use crate::command::kit::Kit;
use crate::config::{OnDelete, Personal, Producer};
use crate::ingest::event::{Action, Event, EventBuffer, PayloadType, Scalar};
use crate::label::labels::{Labels, clean_value};
use crate::label::relabel::{Action as RuleAction, RelabelRule, RuleTrace};
use crate::parse::name::snake_case;
use crate::parse::privacy::Privacy;
use crate::pipeline::trace::Trace;
use crate::pipeline::{LineOutput, Moment, SharedTable};
use crate::reject::{EventReject, RowReject};
use crate::sink::exposition::pages::Pages;
use crate::sink::exposition::{self, Format};
use crate::sink::queue::{self, Batch, LineReceiver};
use crate::table::pick::Pick;
use crate::table::view::View;

/// Most bytes of a key, an id or a label that are shown.
const TEXT_BYTES_MAX: usize = 1024;

/// What each stage makes of one event.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The configuration file; null where there is none, and all is as by default.
    pub(super) configuration: Option<String>,
    pub(super) event: EventExplained,
    pub(super) producer: ProducerExplained,
    /// `not_asked`, or `off` where the configuration does not want it.
    pub(super) dictionary: &'static str,
    /// `applied`, `retires`, `dropped` or `refused`.
    pub(super) outcome: &'static str,
    /// Why it is not applied, in one word.
    pub(super) reason: Option<&'static str>,
    /// The same in words.
    pub(super) words: Option<String>,
    pub(super) measures: Vec<MeasureExplained>,
    pub(super) keys: Vec<KeyExplained>,
    pub(super) labels: LabelsExplained,
    /// Names of measures and keys whose value the privacy rule keeps back.
    pub(super) hidden: Vec<Hidden>,
    /// The series that `/metrics` would show.
    pub(super) series: Vec<String>,
    /// The line that each `[[influx]]` would get.
    pub(super) line: Option<String>,
}

/// What the event says of itself.
#[derive(Debug, Serialize)]
pub(super) struct EventExplained {
    pub(super) action: Option<&'static str>,
    pub(super) payload_type: Option<&'static str>,
    pub(super) account_id: Option<String>,
    pub(super) event_source_id: Option<String>,
    pub(super) producer_id: Option<String>,
}

/// Whose it is.
#[derive(Debug, Serialize)]
pub(super) struct ProducerExplained {
    pub(super) id: String,
    pub(super) stem: String,
    /// True if there is a `[[producer]]` block for it.
    pub(super) block: bool,
    /// False if there are blocks, and none for it: then `run` would not subscribe to it.
    pub(super) subscribed: bool,
}

/// A key, and the label that it becomes.
#[derive(Debug, Serialize)]
pub(super) struct KeyExplained {
    pub(super) name: String,
    /// Null where it is hidden.
    pub(super) given: Option<String>,
    pub(super) label: String,
}

/// The labels on their way through the rules.
#[derive(Debug, Serialize)]
pub(super) struct LabelsExplained {
    /// What the rules get to see; null where there is no set of labels.
    pub(super) first: Option<BTreeMap<String, String>>,
    pub(super) rules: Vec<RuleExplained>,
    /// How many rules there are, run or not.
    pub(super) rules_count: usize,
    /// What the row is shown under; null where it is not shown.
    pub(super) last: Option<BTreeMap<String, String>>,
}

/// What one rule has done.
#[derive(Debug, Serialize)]
pub(super) struct RuleExplained {
    /// Its place in the configuration, from 0.
    pub(super) index: usize,
    pub(super) action: &'static str,
    /// The values of `source_labels`, joined; null for the actions that look at names.
    pub(super) looked_at: Option<String>,
    /// Null for the actions that have none.
    pub(super) regex: Option<String>,
    /// The label that it writes or compares; null for the actions that have none.
    pub(super) target_label: Option<String>,
    pub(super) before: BTreeMap<String, String>,
    pub(super) after: BTreeMap<String, String>,
    /// True if it drops the row.
    pub(super) drops: bool,
}

/// What the privacy rule keeps back.
#[derive(Debug, Serialize)]
pub(super) struct Hidden {
    /// `measure` or `key`.
    pub(super) what: &'static str,
    pub(super) name: String,
    /// `dropped` or `hashed`.
    pub(super) how: &'static str,
}

impl Explanation {
    /// Has the event go through a pipeline of this kit, which must have seen none yet.
    ///
    /// # Errors
    /// Why it is no event, in words.
    pub(super) fn of(kit: &Kit, frame: &str, now: Moment) -> Result<Self, String> {
        let limit = kit.config.limits.frame_bytes;
        if frame.len() as u64 > limit.get() {
            return Err(format!("longer than limits.frame_bytes, which is {limit}"));
        }
        let mut buffer = EventBuffer::default();
        let mut event = Event::parse(frame, &mut buffer).map_err(|reject| why_no_event(frame, reject))?;
        let (settings, producer) = choose(kit, &event)?;
        let (sender, lines) = queue::lines(1, Counter::default());
        let outputs = vec![LineOutput { sender, on_delete: OnDelete::None }];
        let (mut pipeline, table) = kit.pipeline(settings, outputs);
        let about = EventExplained::of(&event);
        let given: Vec<(String, Scalar<'_>)> =
            event.measures.iter().map(|(name, given)| (name.to_string(), given.clone())).collect();
        let is_delete = event.action == Some(Action::Delete);
        let trace = pipeline.trace(&mut event, frame, now);
        let (outcome, reason, words) = conclude(&trace, is_delete);
        let privacy = pipeline.measures().privacy();
        let measures: Vec<_> = given
            .iter()
            .enumerate()
            .map(|(index, given)| {
                MeasureExplained::of(&pipeline, given, trace.seen.get(index), outcome == "dropped")
            })
            .collect();
        Ok(Self {
            configuration: kit.file.clone(),
            event: about,
            producer,
            dictionary: if kit.config.axp.dictionary { "not_asked" } else { "off" },
            outcome,
            reason,
            words,
            keys: event.keys.iter().map(|(name, value)| KeyExplained::of(name, value, privacy)).collect(),
            hidden: hidden(&event, &measures, privacy),
            measures,
            labels: LabelsExplained::of(&trace, &kit.config.relabel),
            series: series(&table),
            line: line(&lines),
        })
    }
}

/// The settings of the event's producer, and what there is to be said of it.
fn choose(kit: &Kit, event: &Event<'_>) -> Result<(Producer, ProducerExplained), String> {
    let block = match event.producer_id.as_deref() {
        Some(id) => kit.block(id),
        None => kit.only_producer(),
    };
    let settings = match (block, event.producer_id.as_deref()) {
        (Some(block), _) => block.clone(),
        (None, Some(id)) => {
            Producer { id: clean_value(id, TEXT_BYTES_MAX).into_owned(), ..Producer::default() }
        }
        (None, None) => {
            return Err("measureProducerId is missing, and the configuration does not name a single \
                        [[producer]] whose it could be"
                .to_owned());
        }
    };
    let producer = ProducerExplained {
        id: settings.id.clone(),
        stem: settings.stem(),
        block: block.is_some(),
        subscribed: block.is_some() || kit.config.producer.is_empty(),
    };
    Ok((settings, producer))
}

/// What became of the event as a whole, and why.
fn conclude(trace: &Trace, is_delete: bool) -> (&'static str, Option<&'static str>, Option<String>) {
    let refused = |label, words: &str| ("refused", Some(label), Some(words.to_owned()));
    match (trace.outcome, &trace.first_labels, &trace.labels) {
        // Nothing came before it, so there is no row yet.
        (Ok(()) | Err(EventReject::UnknownRow), ..) if is_delete => ("retires", None, None),
        (Err(EventReject::RowRefused), Err(reject), _) => refused(reject.label(), reject.words()),
        (Err(reject), ..) => refused(reject.label(), reject.words()),
        (Ok(()), _, None) => {
            ("dropped", Some(RowReject::Relabel.label()), Some(RowReject::Relabel.words().to_owned()))
        }
        (Ok(()), ..) => ("applied", None, None),
    }
}

fn hidden(event: &Event<'_>, measures: &[MeasureExplained], privacy: &Privacy) -> Vec<Hidden> {
    let how = match privacy.mode() {
        Personal::Keep => return Vec::new(),
        Personal::Drop => "dropped",
        Personal::Hash => "hashed",
    };
    let keys = event.keys.iter().filter(|(name, _)| privacy.is_personal(name));
    let keys = keys.map(|(name, _)| Hidden { what: "key", name: text(name), how });
    let is_kept_back = |measure: &&MeasureExplained| measure.personal && measure.reason != Some("allowlist");
    let measures = measures.iter().filter(is_kept_back);
    let measures = measures.map(|measure| Hidden { what: "measure", name: measure.name.clone(), how });
    keys.chain(measures).collect()
}

impl EventExplained {
    fn of(event: &Event<'_>) -> Self {
        Self {
            action: event.action.map(Action::label),
            payload_type: event.payload_type.map(PayloadType::label),
            account_id: event.account_id.as_deref().map(text),
            event_source_id: event.event_source_id.as_deref().map(text),
            producer_id: event.producer_id.as_deref().map(text),
        }
    }
}

impl KeyExplained {
    fn of(name: &str, value: &str, privacy: &Privacy) -> Self {
        let is_hidden = privacy.mode_of(name) != Personal::Keep;
        Self { name: text(name), given: (!is_hidden).then(|| text(value)), label: snake_case(name) }
    }
}

impl LabelsExplained {
    fn of(trace: &Trace, rules: &[RelabelRule]) -> Self {
        let explained = |(index, (trace, rule))| RuleExplained::of(index, trace, rule);
        Self {
            first: trace.first_labels.as_ref().ok().map(map_of),
            rules: trace.rules.iter().zip(rules).enumerate().map(explained).collect(),
            rules_count: rules.len(),
            last: trace.labels.as_ref().map(map_of),
        }
    }
}

impl RuleExplained {
    fn of(index: usize, trace: &RuleTrace, rule: &RelabelRule) -> Self {
        use RuleAction::{
            Drop, DropEqual, HashMod, Keep, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
            Uppercase,
        };
        let by_name = matches!(rule.action, LabelMap | LabelDrop | LabelKeep);
        let has_regex = match rule.action {
            Replace | Keep | Drop | LabelMap | LabelDrop | LabelKeep => true,
            KeepEqual | DropEqual | HashMod | Lowercase | Uppercase => false,
        };
        Self {
            index,
            action: rule.action.as_str(),
            looked_at: (!by_name).then(|| trace.looked_at.clone()),
            regex: has_regex.then(|| rule.regex.clone()),
            target_label: Some(rule.target_label.clone()).filter(|label| !label.is_empty()),
            before: map_of(&trace.before),
            after: map_of(&trace.after),
            drops: !trace.keeps,
        }
    }
}

fn map_of(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn text(value: &str) -> String {
    clean_value(value, TEXT_BYTES_MAX).into_owned()
}

/// The samples of a table, as they stand in the text format.
fn series(table: &SharedTable) -> Vec<String> {
    let mut pages = Pages::whole(Vec::new());
    exposition::measures(&mut pages, &[View::of(table, &Pick::default())], Format::Text);
    let page = pages.finish();
    let text = String::from_utf8_lossy(&page);
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The line that came of it, without its end.
fn line(lines: &LineReceiver) -> Option<String> {
    let mut batch = Batch::default();
    lines.take(&mut batch);
    (batch.lines > 0).then(|| String::from_utf8_lossy(&batch.bytes).trim_end_matches('\n').to_owned())
}
