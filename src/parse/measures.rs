//! The measures of one producer: what each is, what it is called, and how it is read.
//!
//! A measure is settled when its first present value arrives: from then on its verdict,
//! kind and name are pinned, so that an Influx field never changes type but by a reload that asks for
//! it (`measures/inherit.rs`). What it is comes from, in this order: a `[[producer.measure]]` rule,
//! AXP's dictionary, the built-in table, the first value; where no rule says otherwise, personal data
//! and labels are text. The dictionary's `STRING` does not tell a state from a flag from free text, so
//! it only rules numbers out and leaves the rest to the two that follow.
//!
//! Finding a measure costs nothing where the event is known to name those of an event before; one
//! comparison where it names them in the same order as before; else one look-up. At most
//! [`MEASURES_MAX`] are kept.

mod foresee;
mod inherit;
mod kind;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{DurationUnit, Format, Kind, MeasureRule, Personal, Producer, Unit};
use crate::ingest::event::{RawReading, Scalar};
use crate::label::labels::clean_value;
use crate::parse::allowlist::Allowlist;
use crate::parse::measure::{
    Dictionary, KindSource, Measure, MeasureId, Reader, Reading, Value, Verdict, field_name,
};
use crate::parse::name::snake_case;
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;
use crate::parse::{format, number};
use crate::reject::ReadingReject;

pub use kind::kind_by_name;

/// Most measures of one producer; AXP's have under a hundred. Past it: refused.
pub const MEASURES_MAX: usize = 256;
/// Most bytes of a measure's name.
const NAME_BYTES_MAX: usize = 256;
/// Milliseconds a second: AXP's points in time are epoch milliseconds.
const MILLISECONDS: f64 = 1000.0;
/// Percent of one.
const PERCENT: f64 = 100.0;

/// The measures of one producer.
#[derive(Debug, Clone)]
pub struct Measures {
    producer_id: String,
    stem: String,
    list: Vec<Measure>,
    by_name: HashMap<Box<str>, MeasureId, hashbrown::DefaultHashBuilder>,
    first: MeasureId,
    /// Which names those of `places` are, by the number that events have for them.
    placed: u64,
    /// The measures of these names in their order.
    places: Vec<MeasureId>,
    events: u64,
    settings: Producer,
    allowlist: Allowlist,
    privacy: Privacy,
    dictionary: Dictionary,
    names: Arc<Names>,
    /// True if the names of the info metric are this producer's.
    info_owned: bool,
    text_bytes_max: usize,
}

impl Measures {
    /// The measures of the producer that `settings` names, none seen yet.
    pub fn new(settings: Producer, privacy: Privacy, names: Arc<Names>, text_bytes_max: usize) -> Self {
        let stem = settings.stem();
        // OpenMetrics names the family without the suffix of its sample.
        let info_owned = [format!("axp_{stem}_info"), format!("axp_{stem}")]
            .iter()
            .all(|metric| names.claim(metric, &settings.id, ""));
        Self {
            info_owned,
            producer_id: settings.id.clone(),
            stem,
            list: Vec::new(),
            by_name: HashMap::default(),
            first: 0,
            placed: 0,
            places: Vec::new(),
            events: 0,
            allowlist: Allowlist::new(&settings.allow, &settings.deny),
            settings,
            privacy,
            dictionary: Dictionary::new(),
            names,
            text_bytes_max,
        }
    }

    /// Takes what AXP says of the measures; it counts for those not settled yet.
    pub fn set_dictionary(&mut self, dictionary: Dictionary) {
        self.dictionary = dictionary;
    }

    /// What becomes of personal data.
    pub const fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Which measures are exported.
    pub const fn allowlist(&self) -> &Allowlist {
        &self.allowlist
    }

    /// Most bytes of a text, and of any other label value.
    pub const fn text_bytes_max(&self) -> usize {
        self.text_bytes_max
    }

    /// The producer's metric stem.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// The producer's id.
    pub fn producer_id(&self) -> &str {
        &self.producer_id
    }

    /// True if texts may be labels of their rows.
    pub const fn has_promoted(&self) -> bool {
        !self.settings.labels.is_empty()
    }

    /// A measure by its place; none past the end.
    pub fn get(&self, id: MeasureId) -> Option<&Measure> {
        self.list.get(id)
    }

    /// A measure by its place, to set where the outputs keep it.
    pub fn get_mut(&mut self, id: MeasureId) -> Option<&mut Measure> {
        self.list.get_mut(id)
    }

    /// Every measure seen, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Measure> {
        self.list.iter()
    }

    /// Reads the measures of one event into `readings`, and says how many were denied. `names` is
    /// the event's number for their names.
    ///
    /// A measure that stands twice is refused each time: nobody can tell which one holds.
    pub fn read<'a>(
        &mut self,
        names: u64,
        raw: impl Iterator<Item = RawReading<'a>>,
        readings: &mut Vec<Reading<'a>>,
    ) -> u64 {
        if names == 0 || names != self.placed {
            self.placed = names;
            self.places.clear();
        }
        self.events += 1;
        let event = self.events;
        let mut denied = 0;
        let mut previous: Option<MeasureId> = None;
        for (place, (name, scalar)) in raw.enumerate() {
            let id = if let Some(id) = self.places.get(place) {
                *id
            } else if let Some(id) = self.find(previous, &name) {
                self.places.push(id);
                id
            } else {
                // Without one for this place, those behind it would be out of step.
                self.placed = 0;
                readings.push(Reading { measure: MeasureId::MAX, value: Value::Refused(refusal(&name)) });
                continue;
            };
            previous = Some(id);
            let Some(measure) = self.list.get_mut(id) else {
                continue;
            };
            let repeated = measure.event == event;
            let repeated_before = measure.repeated_event == event;
            measure.event = event;
            if measure.verdict == Verdict::Denied {
                denied += 1;
                continue;
            }
            if repeated {
                measure.repeated_event = event;
                if !repeated_before
                    && let Some(first) = readings.iter_mut().find(|reading| reading.measure == id)
                {
                    first.value = Value::Refused(ReadingReject::Duplicate);
                }
                readings.push(Reading { measure: id, value: Value::Refused(ReadingReject::Duplicate) });
                continue;
            }
            // Made and filled where it stands, as it is larger than what moves in one piece.
            readings.extend(std::iter::once_with(|| Reading { measure: id, value: Value::Absent }));
            if let Some(reading) = readings.last_mut() {
                self.read_value(id, scalar, &mut reading.value);
            }
        }
        denied
    }

    /// A measure by name: first where it stood last time, then by look-up, then as new.
    fn find(&mut self, previous: Option<MeasureId>, name: &str) -> Option<MeasureId> {
        let guess = match previous {
            Some(id) => self.list.get(id)?.successor,
            None => self.first,
        };
        if self.list.get(guess).is_some_and(|measure| &*measure.name == name) {
            return Some(guess);
        }
        let id = match self.by_name.get(name) {
            Some(id) => *id,
            None => self.add(name)?,
        };
        match previous {
            Some(previous) => self.list.get_mut(previous)?.successor = id,
            None => self.first = id,
        }
        Some(id)
    }

    fn add(&mut self, name: &str) -> Option<MeasureId> {
        if !is_name(name) || self.list.len() == MEASURES_MAX {
            return None;
        }
        let denied =
            !self.allowlist.listing(name).is_exported() || self.privacy.mode_of(name) == Personal::Drop;
        let description = self.dictionary.get(name).map_or("", |definition| &definition.description);
        let rule = self.rule(name);
        let id = self.list.len();
        self.list.push(Measure {
            name: name.into(),
            verdict: if denied { Verdict::Denied } else { Verdict::Exported },
            kind: None,
            source: KindSource::FirstValue,
            field: Box::default(),
            promoted: self.settings.labels.iter().any(|label| label == name),
            states: rule.map_or_else(Vec::new, |rule| {
                rule.states.iter().map(|state| state.as_str().into()).collect()
            }),
            description: rule
                .map(|rule| &*rule.help)
                .filter(|help| !help.is_empty())
                .unwrap_or(description)
                .into(),
            column: None,
            inferred: None,
            reader: Reader { format: Format::Strict, divisor: 1.0, hashed: false },
            event: 0,
            repeated_event: 0,
            successor: 0,
        });
        self.by_name.insert(name.into(), id);
        Some(id)
    }

    fn rule(&self, name: &str) -> Option<&MeasureRule> {
        self.settings.measure.iter().find(|rule| rule.name == name)
    }

    /// Reads one value into its place, which is absent as yet; settles the measure if it is the
    /// first one present.
    fn read_value<'a>(&mut self, id: MeasureId, scalar: Scalar<'a>, value: &mut Value<'a>) {
        let text = match scalar {
            Scalar::Null => return,
            Scalar::Nested => return *value = Value::Refused(ReadingReject::NotScalar),
            Scalar::BadText => return *value = Value::Refused(ReadingReject::BadText),
            Scalar::Text(text) => text,
            Scalar::Number(text) => Cow::Borrowed(text),
            Scalar::Boolean(true) => Cow::Borrowed("true"),
            Scalar::Boolean(false) => Cow::Borrowed("false"),
        };
        if self.is_null(&text) {
            return;
        }
        if self.list.get(id).is_some_and(|measure| measure.kind.is_none()) {
            self.settle(id, &text);
        }
        let Some(measure) = self.list.get(id) else { return };
        if let Verdict::Refused(reject) = measure.verdict {
            return *value = Value::Refused(reject);
        }
        let Reader { format, divisor, hashed } = measure.reader;
        let number = match measure.kind {
            Some(Kind::Number | Kind::Duration) => read_number(format, &text).map(|value| value / divisor),
            Some(Kind::Timestamp) => match number::parse(&text) {
                Ok(0.0) => return,
                parsed => parsed.map(|value| value / MILLISECONDS),
            },
            Some(Kind::Boolean) => match &*text {
                "true" => Ok(1.0),
                "false" => Ok(0.0),
                _ => Err(ReadingReject::NotABoolean),
            },
            Some(Kind::Text) if hashed => {
                return *value = Value::Text(Cow::Owned(self.privacy.hash(&text)));
            }
            Some(kind @ (Kind::State | Kind::Text)) => {
                return match clean(text, self.text_bytes_max) {
                    text if text.is_empty() => {}
                    text if kind == Kind::State => *value = Value::State(text),
                    text => *value = Value::Text(text),
                };
            }
            None => return,
        };
        match number {
            Ok(number) => *value = Value::Number(number),
            Err(reject) => *value = Value::Refused(reject),
        }
    }

    /// True if a text means that there is no value.
    pub fn is_null(&self, text: &str) -> bool {
        self.settings.null_values.iter().any(|null| null == text)
    }

    /// Pins what a measure is and what it is called.
    fn settle(&mut self, id: MeasureId, first_value: &str) {
        let Some((name, inferred)) =
            self.list.get(id).map(|measure| (measure.name.clone(), measure.inferred))
        else {
            return;
        };
        let rule = self.rule(&name);
        let hashed = self.privacy.hashes(&name);
        let inferred = inferred.unwrap_or_else(|| self.infer(&name, first_value));
        let (kind, source) = self.kind(&name, inferred);
        let unit = rule.and_then(|rule| rule.unit);
        let format = rule.map_or(Format::Strict, |rule| rule.format);
        let divisor = match (kind, unit) {
            (_, Some(Unit::Ratio)) => PERCENT,
            // The two duration formats give seconds whatever the unit.
            (Kind::Duration, _) if matches!(format, Format::HhMmSs | Format::Iso8601) => 1.0,
            (Kind::Duration, Some(Unit::Millis)) => MILLISECONDS,
            (Kind::Duration, None) if self.settings.duration_unit == DurationUnit::Millis => MILLISECONDS,
            _ => 1.0,
        };
        let base = match rule.map(|rule| rule.rename.as_str()) {
            Some(rename) if !rename.is_empty() => rename.to_owned(),
            _ => snake_case(&name),
        };
        let field = field_name(&base, kind, unit);
        let is_text = kind == Kind::Text;
        // Labels that begin so are the scraper's own.
        let legal = !is_text || !field.starts_with("__");
        let owned = (!is_text || self.info_owned)
            && self.names.claim(&format!("axp_{}_{field}", self.stem), &self.producer_id, &name);
        if let Some(measure) = self.list.get_mut(id) {
            measure.kind = Some(kind);
            measure.source = source;
            measure.inferred = Some(inferred);
            measure.field = field.into();
            measure.promoted &= kind == Kind::Text;
            measure.reader = Reader { format, divisor, hashed };
            if !legal {
                measure.verdict = Verdict::Refused(ReadingReject::BadName);
            } else if !owned {
                measure.verdict = Verdict::Refused(ReadingReject::NameCollision);
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX
}

/// Why a name is in no list.
fn refusal(name: &str) -> ReadingReject {
    if is_name(name) { ReadingReject::TooManyMeasures } else { ReadingReject::BadName }
}

fn read_number(format: Format, text: &str) -> Result<f64, ReadingReject> {
    if format == Format::Strict { number::parse(text) } else { format::parse(format, text) }
}

/// Outside text as a label value, borrowed where nothing had to change.
fn clean(text: Cow<'_, str>, bytes_max: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => clean_value(text, bytes_max),
        Cow::Owned(text) => Cow::Owned(clean_value(&text, bytes_max).into_owned()),
    }
}
