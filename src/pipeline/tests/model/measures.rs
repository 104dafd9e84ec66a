//! What the model knows of measures: what each is, what it is called, and how its text is read.

use std::collections::BTreeMap;

use super::action::Sent;
use super::naive::Field;
use super::settings::{Ruled, Settings};
use crate::config::Personal;

/// What a row keeps of a measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// The text as it came.
    Sent(String),
    /// All that is left of a personal text.
    Hashed(&'static str),
}

/// What became of one measure of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    Value(Held),
    Absent,
    Refused,
    /// Of a snapshot, where a LIVE event has set it.
    Superseded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Duration,
    Timestamp,
    Boolean,
    State,
    Text,
}

/// A series of a row: its metric, its own label, its value.
pub(super) type Sample = (String, Option<(String, String)>, f64);

/// What a measure has turned out to be.
#[derive(Debug, Clone)]
struct Settled {
    kind: Kind,
    field: String,
    /// Another measure has the name.
    is_nameless: bool,
    is_promoted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Measures {
    settings: Option<Settings>,
    /// All that were named, in that order.
    seen: Vec<&'static str>,
    /// What first values have decided.
    inferred: BTreeMap<&'static str, Kind>,
    settled: BTreeMap<&'static str, Settled>,
    /// Who has which field.
    owners: BTreeMap<String, &'static str>,
    states: BTreeMap<&'static str, Vec<String>>,
}

impl Measures {
    /// Reads the measures of an event that are exported; says how many are not.
    pub(super) fn read(&mut self, settings: Settings, sent: &[Sent]) -> (Vec<(&'static str, Reading)>, u64) {
        self.settings = Some(settings);
        let mut readings: Vec<(&'static str, Reading)> = Vec::new();
        let mut denied = 0;
        for (name, text) in sent {
            if !self.seen.contains(name) {
                self.seen.push(name);
            }
            if is_denied(settings, name) {
                denied += 1;
            } else if let Some((_, first)) = readings.iter_mut().find(|(known, _)| known == name) {
                *first = Reading::Refused;
                readings.push((name, Reading::Refused));
            } else {
                readings.push((name, self.read_one(name, *text)));
            }
        }
        (readings, denied)
    }

    fn read_one(&mut self, name: &'static str, text: Option<&str>) -> Reading {
        let settings = self.settings.unwrap();
        let is_null =
            |text: &&str| text.is_empty() || *text == "N/A" || (settings.zero_is_null && *text == "0");
        let Some(text) = text.filter(|text| !is_null(text)) else { return Reading::Absent };
        self.settle(name, text);
        let Settled { kind, is_nameless, .. } = self.settled[name];
        if is_nameless {
            return Reading::Refused;
        }
        if is_personal(name) && settings.personal == Personal::Hash {
            return Reading::Value(Held::Hashed(hash(text)));
        }
        let is_good = match kind {
            Kind::Timestamp if number(text) == Some(0.0) => return Reading::Absent,
            Kind::Number | Kind::Duration | Kind::Timestamp => number(text).is_some(),
            Kind::Boolean => matches!(text, "true" | "false"),
            Kind::State | Kind::Text => true,
        };
        if is_good { Reading::Value(Held::Sent(text.to_owned())) } else { Reading::Refused }
    }

    /// Decides what a measure is, at its first value.
    fn settle(&mut self, name: &'static str, text: &str) {
        if self.settled.contains_key(name) {
            return;
        }
        let settings = self.settings.unwrap();
        let inferred = *self.inferred.entry(name).or_insert_with(|| match (name, text) {
            ("agentState", _) => Kind::State,
            ("timeInState", _) => Kind::Timestamp,
            (name, _) if name.ends_with("Duration") => Kind::Duration,
            (_, "true" | "false") => Kind::Boolean,
            (_, text) if number(text).is_some() => Kind::Number,
            _ => Kind::Text,
        });
        let is_label = name == "queueName" && settings.promotes;
        let kind = match name {
            "answered" if settings.ruled == Ruled::AnsweredIsText => Kind::Text,
            _ if is_personal(name) || is_label => Kind::Text,
            _ => inferred,
        };
        let field = match name {
            "answered" | "Answered" => "answered",
            "activeDuration" => "active_duration_seconds",
            "agentState" => "agent_state",
            "queueName" => "queue_name",
            "level" => "level",
            "timeInState" => "time_in_state_timestamp_seconds",
            "agentFirstName" => "agent_first_name",
            other => panic!("no measure {other}"),
        };
        let is_nameless = *self.owners.entry(field.to_owned()).or_insert(name) != name;
        let field = field.to_owned();
        self.settled.insert(name, Settled { kind, field, is_nameless, is_promoted: is_label });
    }

    /// Goes on where others stood; true if one of them had no name, which may be free now.
    pub(super) fn inherit(&mut self, before: &Self, settings: Settings) -> bool {
        self.settings = Some(settings);
        self.seen.clone_from(&before.seen);
        self.inferred.clone_from(&before.inferred);
        for name in &before.seen {
            let was_shown = before.settled.get(name).is_some_and(|settled| !settled.is_nameless);
            if was_shown && !is_denied(settings, name) {
                self.settle(name, "");
            }
        }
        for (name, states) in &before.states {
            if self.settled.contains_key(name) {
                self.states.insert(name, states.clone());
            }
        }
        before.settled.values().any(|settled| settled.is_nameless)
    }

    /// What a row has held, as it is read now.
    pub(super) fn reread(
        &mut self,
        before: &Self,
        held: &BTreeMap<&'static str, Held>,
    ) -> Vec<(&'static str, Reading)> {
        let (was, is) = (before.settings.unwrap(), self.settings.unwrap());
        let mut readings = Vec::new();
        for name in before.seen.iter().filter(|name| held.contains_key(*name)) {
            let reading = match &held[name] {
                _ if is_denied(is, name) => Reading::Absent,
                Held::Sent(text) => self.read_one(name, Some(text)),
                // What a hash was made of nobody knows.
                Held::Hashed(_) if was.personal != is.personal || was.zero_is_null != is.zero_is_null => {
                    Reading::Absent
                }
                hashed @ Held::Hashed(_) => Reading::Value(hashed.clone()),
            };
            readings.push((*name, reading));
        }
        readings
    }

    pub(super) fn is_promoted(&self, name: &str) -> bool {
        self.settled.get(name).is_some_and(|settled| settled.is_promoted)
    }

    pub(super) fn is_state(&self, name: &str) -> bool {
        self.settled[name].kind == Kind::State
    }

    pub(super) fn knows_state(&self, name: &str, state: &str) -> bool {
        self.states.get(name).is_some_and(|states| states.iter().any(|known| known == state))
    }

    pub(super) fn learn_state(&mut self, name: &'static str, state: &str) {
        self.states.entry(name).or_default().push(state.to_owned());
    }

    /// Places that a value takes: a state's is one series for each there is.
    pub(super) fn places(&self, name: &str) -> usize {
        match self.settled[name].kind {
            Kind::State => self.states.get(name).map_or(0, Vec::len),
            _ => usize::from(!self.is_promoted(name)),
        }
    }

    /// The series that a value is.
    pub(super) fn samples(&self, name: &str, held: &Held) -> Vec<Sample> {
        let metric = || format!("axp_queue_itd_{}", self.settled[name].field);
        match (self.settled[name].kind, held) {
            (Kind::Text, _) => Vec::new(),
            (Kind::State, Held::Sent(current)) => {
                let sample = |state: &String| {
                    (
                        metric(),
                        Some(("state".to_owned(), state.clone())),
                        f64::from(u8::from(state == current)),
                    )
                };
                self.states[name].iter().map(sample).collect()
            }
            _ => vec![(metric(), None, self.number(name, held))],
        }
    }

    /// The label that a text is in the info series.
    pub(super) fn info(&self, name: &str, held: &Held) -> Option<(String, String)> {
        let settled = &self.settled[name];
        let is_info = settled.kind == Kind::Text && !settled.is_promoted;
        is_info.then(|| (settled.field.clone(), text(held)))
    }

    /// The field that a reading is in a line.
    pub(super) fn field(&self, name: &str, reading: &Reading) -> Option<(String, Field)> {
        let Reading::Value(held) = reading else { return None };
        let settled = &self.settled[name];
        let field = match settled.kind {
            Kind::Text if settled.is_promoted => return None,
            Kind::Text | Kind::State => Field::Text(text(held)),
            Kind::Boolean => Field::Boolean(text(held) == "true"),
            _ => Field::Number(self.number(name, held)),
        };
        Some((settled.field.clone(), field))
    }

    fn number(&self, name: &str, held: &Held) -> f64 {
        let text = text(held);
        match self.settled[name].kind {
            Kind::Boolean => f64::from(u8::from(text == "true")),
            Kind::Timestamp => number(&text).unwrap() / 1000.0,
            Kind::Duration if self.settings.unwrap().ruled == Ruled::InMillis => {
                number(&text).unwrap() / 1000.0
            }
            _ => number(&text).unwrap(),
        }
    }
}

fn text(held: &Held) -> String {
    match held {
        Held::Sent(text) => text.clone(),
        Held::Hashed(hash) => (*hash).to_owned(),
    }
}

fn is_personal(name: &str) -> bool {
    name == "agentFirstName"
}

fn is_denied(settings: Settings, name: &str) -> bool {
    settings.deny.contains(&name) || (is_personal(name) && settings.personal == Personal::Drop)
}

/// The head of HMAC-SHA-256 under the key of the settings.
fn hash(text: &str) -> &'static str {
    match text {
        "Ann" => "2849247006657571",
        "Bob" => "eae92604eef08cd0",
        other => panic!("no hash of {other}"),
    }
}

/// A number; of those that come, what is no number has a letter.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().unwrap())
}
