//! A producer that AXP offers, and what a configuration makes of it.
//!
//! All texts of AXP's are cleaned here, so that those who print them need not.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::{Config, Kind, Personal, Producer};
use crate::ingest::api::{MeasureProducer, Words};
use crate::label::labels::clean_value;
use crate::parse::measure::{AxpType, Definition, Dictionary, Measure, Verdict};
use crate::parse::measures::Measures;
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;

/// Most bytes of a name that are shown; longer ones are refused anyway.
const NAME_BYTES_MAX: usize = 256;
/// Most bytes of a description that are shown.
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// What AXP says of one producer, as far as it could be had.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its id, which went through [`crate::ingest::discovery::usable`].
    pub(super) id: String,
    /// Its measures.
    pub(super) producer: Option<MeasureProducer>,
    /// What they mean.
    pub(super) words: Option<Words>,
}

/// A producer.
#[derive(Debug)]
pub(super) struct Offer {
    /// Its id.
    pub(super) id: String,
    /// What its metrics are called after `axp_`.
    pub(super) stem: String,
    /// Whether the configuration has a block for it.
    pub(super) configured: bool,
    /// Whether `run` would subscribe to it.
    pub(super) subscribed: bool,
    /// The keys of its rows, for each set of measures; none where AXP did not say.
    pub(super) keys: Option<Vec<String>>,
    /// Its measures, each once.
    pub(super) entries: Vec<Entry>,
}

/// One measure.
#[derive(Debug)]
pub(super) struct Entry {
    /// AXP's name.
    pub(super) name: String,
    /// AXP's type.
    pub(super) axp_type: AxpType,
    /// Whether AXP calculates it.
    pub(super) active: bool,
    /// What it is, or can still become.
    pub(super) kind: String,
    /// The metric that it becomes, or why it becomes none.
    pub(super) metric: String,
    /// What it means, as the configuration or AXP says.
    pub(super) description: String,
}

impl Offer {
    /// What AXP offers under this configuration; the earlier ones have the first claim on names.
    pub(super) fn all(answers: Vec<Answer>, config: &Config, privacy: &Privacy) -> Vec<Self> {
        let names = Arc::default();
        answers.into_iter().map(|answer| Self::new(answer, config, privacy, &names)).collect()
    }

    fn new(answer: Answer, config: &Config, privacy: &Privacy, names: &Arc<Names>) -> Self {
        let Answer { id, producer, words } = answer;
        let settings = config.producer.iter().find(|producer| producer.id == id);
        let configured = settings.is_some();
        let settings =
            settings.cloned().unwrap_or_else(|| Producer { id: id.clone(), ..Producer::default() });
        let mut measures =
            Measures::new(settings, privacy.clone(), Arc::clone(names), config.limits.label_value_bytes);
        let keys = producer.as_ref().map(keys);
        let listed = listed(producer, words);
        if config.axp.dictionary {
            let definition = |(name, listed): &(String, Listed)| (name.clone(), listed.definition.clone());
            measures.set_dictionary(listed.iter().map(definition).collect::<Dictionary>());
        }
        let entries = listed.into_iter().map(|(name, listed)| entry(&name, &listed, &mut measures)).collect();
        let subscribed = configured || config.producer.is_empty();
        Self { id, stem: measures.stem().to_owned(), configured, subscribed, keys, entries }
    }
}

/// A measure as AXP lists and describes it.
struct Listed {
    definition: Definition,
    display_name: String,
    active: bool,
}

/// The measures in AXP's order, each once, with their descriptions.
fn listed(producer: Option<MeasureProducer>, words: Option<Words>) -> Vec<(String, Listed)> {
    let words = words.into_iter().flat_map(|words| words.measures);
    let mut descriptions: std::collections::HashMap<_, _> =
        words.map(|word| (word.name, word.description)).collect();
    let sets = producer.into_iter().flat_map(|producer| producer.measure_sets);
    let mut seen = HashSet::new();
    sets.flat_map(|set| set.measures)
        .filter(|measure| seen.insert(measure.name.clone()))
        .map(|measure| {
            let description = descriptions.remove(&measure.name).unwrap_or_default();
            let listed = Listed {
                definition: Definition { axp_type: measure.axp_type, description },
                display_name: measure.display_name,
                active: measure.active.unwrap_or(true),
            };
            (measure.name, listed)
        })
        .collect()
}

/// The keys of each set of measures, each set of keys once.
fn keys(producer: &MeasureProducer) -> Vec<String> {
    let mut seen = HashSet::new();
    let keys = producer.measure_sets.iter().map(|set| {
        let keys: Vec<_> = set.keys.iter().map(|key| clean_value(key, NAME_BYTES_MAX)).collect();
        keys.join(", ")
    });
    keys.filter(|keys| !keys.is_empty() && seen.insert(keys.clone())).collect()
}

fn entry(name: &str, listed: &Listed, measures: &mut Measures) -> Entry {
    let privacy = measures.privacy();
    let dropped = privacy.mode_of(name) == Personal::Drop;
    let stem = measures.stem().to_owned();
    let (kind, metric, help) = match measures.foresee(name) {
        Ok(_) if dropped => (String::new(), "dropped: personal".to_owned(), ""),
        Ok((measure, kinds)) => (in_words(&kinds), metric(measure, &kinds, &stem), &*measure.description),
        Err(reject) => (String::new(), refused(reject.label()), ""),
    };
    let Listed { definition, display_name, active } = listed;
    let descriptions = [help, &definition.description, display_name];
    let description = descriptions.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default();
    Entry {
        kind,
        metric,
        name: clean_value(name, NAME_BYTES_MAX).into_owned(),
        axp_type: definition.axp_type,
        active: *active,
        description: clean_value(description.trim(), DESCRIPTION_BYTES_MAX).into_owned(),
    }
}

/// `text, number or boolean`.
fn in_words(kinds: &[Kind]) -> String {
    let words: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The metric that a measure becomes, or what becomes of it instead.
fn metric(measure: &Measure, kinds: &[Kind], stem: &str) -> String {
    let field = &measure.field;
    match measure.verdict {
        Verdict::Denied => "denied".to_owned(),
        Verdict::Refused(reject) => refused(reject.label()),
        Verdict::Exported if measure.promoted => format!("label of all its series: {field}"),
        Verdict::Exported => match kinds {
            [Kind::Text] => format!("label of axp_{stem}_info: {field}"),
            [Kind::State] => format!("axp_{stem}_{field}{{state}}"),
            [_] => format!("axp_{stem}_{field}"),
            _ => format!("axp_{stem}_{field}, or label of …_info"),
        },
    }
}

fn refused(reason: &str) -> String {
    format!("refused: {}", reason.replace('_', " "))
}
