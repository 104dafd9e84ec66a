//! The model: a map from keys to what has been said of them. It knows nothing of tables, columns or
//! queues, and counts by looking at all that it has.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Key, Sent};
use super::measures::{Held, Measures, Reading};
use super::settings::Settings;
use crate::legal::Series;

/// Names and values.
pub(super) type Labels = BTreeMap<String, String>;

/// What the outputs have of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Shown,
    /// Another row has its labels.
    Waiting,
    Dropped,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) generation: u32,
    /// The measures that LIVE events have set, of the session that has sent the last of these.
    pub(super) live: (u32, BTreeSet<&'static str>),
    /// The time of its last line; none before the first event.
    pub(super) line_ns: Option<i64>,
    pub(super) held: BTreeMap<&'static str, Held>,
    pub(super) standing: Standing,
    pub(super) labels: Labels,
}

/// A field of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Number(f64),
    Boolean(bool),
    Text(String),
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) tags: Labels,
    pub(super) fields: Vec<(String, Field)>,
    pub(super) time_ns: i64,
}

/// Readings by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readings {
    pub(super) applied: u64,
    pub(super) absent: u64,
    pub(super) denied: u64,
    pub(super) rejected: u64,
}

#[derive(Debug)]
pub(super) struct Naive {
    pub(super) settings: Settings,
    pub(super) measures: Measures,
    pub(super) rows: BTreeMap<Key, Row>,
    /// Rows in the order of their places: one that is free goes to the next row that comes, the last
    /// to be free first.
    pub(super) places: Vec<Option<Key>>,
    pub(super) free: Vec<usize>,
    /// Who waits for labels, the longest first.
    pub(super) waiting: Vec<Key>,
    pub(super) readings: Readings,
    /// What should have been written, since the last look.
    pub(super) points: Vec<Point>,
}

impl Naive {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            measures: Measures::default(),
            rows: BTreeMap::new(),
            places: Vec::new(),
            free: Vec::new(),
            waiting: Vec::new(),
            readings: Readings::default(),
            points: Vec::new(),
        }
    }

    /// An UPSERT in the name of a session; false if its row is not shown though no rule drops it.
    pub(super) fn upsert(
        &mut self,
        key: Key,
        sent: &[Sent],
        is_live: bool,
        (session, generation): (u32, u32),
        now_ns: i64,
    ) -> bool {
        let (mut readings, denied) = self.measures.read(self.settings, sent);
        self.readings.denied += denied;
        let is_new = !self.rows.contains_key(&key);
        if is_new && !self.insert(key) {
            return self.count(&readings, Standing::Waiting);
        }
        let row = self.rows.get_mut(&key).unwrap();
        row.generation = generation;
        row.line_ns = Some(row.line_ns.map_or(now_ns, |last| now_ns.max(last + 1)));
        for (name, reading) in &mut readings {
            if is_live && row.live.0 != session {
                row.live = (session, BTreeSet::new());
            }
            if is_live {
                row.live.1.insert(name);
            } else if row.live.0 == session && row.live.1.contains(name) {
                *reading = Reading::Superseded;
            }
        }
        self.set_all(key, is_new, &mut readings);
        let row = &self.rows[&key];
        let standing = row.standing;
        let fields: Vec<_> =
            readings.iter().filter_map(|(name, reading)| self.measures.field(name, reading)).collect();
        if standing == Standing::Shown && !fields.is_empty() {
            let (tags, time_ns) = (row.labels.clone(), row.line_ns.unwrap());
            self.points.push(Point { tags, fields, time_ns });
        }
        self.count(&readings, standing)
    }

    fn count(&mut self, readings: &[(&'static str, Reading)], standing: Standing) -> bool {
        for (_, reading) in readings {
            let count = match (reading, standing) {
                (Reading::Refused | Reading::Superseded, _) | (Reading::Value(_), Standing::Waiting) => {
                    &mut self.readings.rejected
                }
                (Reading::Absent, _) => &mut self.readings.absent,
                (_, Standing::Shown) => &mut self.readings.applied,
                (_, Standing::Dropped) => &mut self.readings.denied,
            };
            *count += 1;
        }
        standing != Standing::Waiting
    }

    /// Sets what was read: first what makes labels, then the labels, then the rest.
    fn set_all(&mut self, key: Key, is_new: bool, readings: &mut [(&'static str, Reading)]) {
        let mut relabel = is_new;
        for is_promoted in [true, false] {
            for (name, reading) in readings.iter_mut() {
                if self.measures.is_promoted(name) == is_promoted {
                    let before = self.rows[&key].held.get(name).cloned();
                    self.set(key, name, reading);
                    relabel |= is_promoted && before != self.rows[&key].held.get(name).cloned();
                }
            }
            if is_promoted && relabel {
                self.place(key);
            }
        }
    }

    fn set(&mut self, key: Key, name: &'static str, reading: &mut Reading) {
        let Reading::Value(value) = reading.clone() else {
            if *reading != Reading::Superseded {
                self.rows.get_mut(&key).unwrap().held.remove(name);
            }
            return;
        };
        let (is_promoted, standing) = (self.measures.is_promoted(name), self.rows[&key].standing);
        if standing == Standing::Dropped && !is_promoted {
            return;
        }
        if !self.has_room(key, name, &value) {
            *reading = Reading::Refused;
            self.rows.get_mut(&key).unwrap().held.remove(name);
            return;
        }
        self.rows.get_mut(&key).unwrap().held.insert(name, value);
    }

    /// True if a value finds a place; a state is known from then on.
    fn has_room(&mut self, key: Key, name: &'static str, value: &Held) -> bool {
        let is_new = !self.rows[&key].held.contains_key(name);
        if self.measures.is_state(name) {
            let holders = self.rows.values().filter(|row| row.held.contains_key(name)).count();
            let Held::Sent(state) = value else { unreachable!("states are not personal") };
            if !self.measures.knows_state(name, state) {
                if self.taken() + holders > self.settings.limit {
                    return false;
                }
                self.measures.learn_state(name, state);
            }
        }
        !is_new || self.taken() + self.measures.places(name) <= self.settings.limit
    }

    /// Places that all values take.
    pub(super) fn taken(&self) -> usize {
        self.rows.values().flat_map(|row| row.held.keys()).map(|name| self.measures.places(name)).sum()
    }

    /// Goes on under other settings. How many rows are in no output any more, and whether values may
    /// be missing that nobody has kept.
    pub(super) fn reload(&mut self, settings: Settings, now_ns: i64) -> (u64, bool) {
        let before = std::mem::replace(self, Self::new(settings));
        self.readings = before.readings;
        let mut lacks = self.measures.inherit(&before.measures, settings);
        let mut retired = 0;
        for key in before.in_precedence() {
            let was = &before.rows[&key];
            let was_shown = was.standing == Standing::Shown;
            let is_there = self.insert(key);
            if is_there {
                let row = self.rows.get_mut(&key).unwrap();
                (row.generation, row.line_ns) = (was.generation, was.line_ns);
                row.live.clone_from(&was.live);
                let mut readings = self.measures.reread(&before.measures, &was.held);
                self.set_all(key, true, &mut readings);
            }
            let is_shown_as_before = is_there
                && self.rows[&key].standing == Standing::Shown
                && self.rows[&key].labels == was.labels;
            let is_shown = is_there && self.rows[&key].standing == Standing::Shown;
            retired += u64::from(was_shown && !is_shown);
            lacks |= is_there
                && self.rows[&key].standing != Standing::Dropped
                && was.standing == Standing::Dropped;
            // What was personal otherwise is not written any more.
            let may_name_old = before.settings.personal == settings.personal;
            if was_shown && !is_shown_as_before && may_name_old {
                let time_ns = was.line_ns.map_or(now_ns, |last| now_ns.max(last + 1));
                let fields = vec![("retired".to_owned(), Field::Boolean(true))];
                self.points.push(Point { tags: was.labels.clone(), fields, time_ns });
            }
        }
        (retired, lacks)
    }

    /// What a scrape should show.
    pub(super) fn series(&self) -> Series {
        let mut series = Series::new();
        for row in self.rows.values().filter(|row| row.standing == Standing::Shown) {
            let mut info = Labels::new();
            for (name, held) in &row.held {
                for (metric, label, value) in self.measures.samples(name, held) {
                    let mut labels = row.labels.clone();
                    labels.extend(label);
                    series.insert((metric, labels.into_iter().collect()), value);
                }
                info.extend(self.measures.info(name, held));
            }
            if !info.is_empty() {
                info.extend(row.labels.clone());
                series.insert(("axp_queue_itd_info".to_owned(), info.into_iter().collect()), 1.0);
            }
        }
        series
    }
}
