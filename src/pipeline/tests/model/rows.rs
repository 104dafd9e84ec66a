//! Which rows the model has, under which labels they are shown, and how they go.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Key;
use super::measures::Held;
use super::naive::{Field, Labels, Naive, Point, Row, Standing};
use super::settings::Rule;
use crate::config::Personal;

impl Naive {
    /// Adds a row; false where there is no place.
    pub(super) fn insert(&mut self, key: Key) -> bool {
        if self.rows.len() == self.settings.limit {
            return false;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(key);
        let (held, labels) = (BTreeMap::new(), Labels::new());
        let live = (0, BTreeSet::new());
        let standing = Standing::Dropped;
        self.rows.insert(key, Row { generation: 0, live, line_ns: None, held, standing, labels });
        true
    }

    /// The labels of a row by its keys, its texts and the rule; none where it is dropped.
    fn labels(&self, key: Key) -> Option<Labels> {
        let mut labels = Labels::new();
        let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
        set("account_id", "EZCLTR");
        set("queue_id", key.0);
        match (key.1, self.settings.personal) {
            (None, _) | (_, Personal::Drop) => None,
            (Some(login), Personal::Keep) => set("agent_login_id", login),
            (Some(_), Personal::Hash) => set("agent_login_id", "f3fa4d2fdf1c4183"),
        };
        if let Some(Held::Sent(text)) = self.rows[&key].held.get("queueName")
            && self.measures.is_promoted("queueName")
        {
            set("queue_name", text);
        }
        let is_north = labels.get("queue_name").is_some_and(|name| name == "North");
        match self.settings.rule {
            Rule::DropA if key.0 == "a" => return None,
            Rule::KeepNorth if !is_north => return None,
            Rule::Merge => drop(labels.remove("queue_id")),
            Rule::MergeAb if matches!(key.0, "a" | "b") => {
                labels.insert("queue_id".to_owned(), "ab".to_owned());
            }
            Rule::Copy => drop(labels.insert("queue".to_owned(), key.0.to_owned())),
            _ => {}
        }
        Some(labels)
    }

    /// Looks at a row's labels anew.
    pub(super) fn place(&mut self, key: Key) {
        let labels = self.labels(key);
        let row = &self.rows[&key];
        if row.standing == Standing::Shown && labels.as_ref() == Some(&row.labels) {
            return;
        }
        self.leave(key);
        let is_taken = |row: &Row| row.standing == Standing::Shown && labels.as_ref() == Some(&row.labels);
        let standing = match labels {
            None => Standing::Dropped,
            Some(_) if self.rows.values().any(is_taken) => Standing::Waiting,
            Some(_) => Standing::Shown,
        };
        if standing == Standing::Waiting {
            self.waiting.push(key);
        }
        let measures = &self.measures;
        let row = self.rows.get_mut(&key).unwrap();
        if standing == Standing::Dropped {
            row.held.retain(|name, _| measures.is_promoted(name));
        }
        (row.standing, row.labels) = (standing, labels.unwrap_or_default());
    }

    /// Takes a row out of sight; the next one with its labels is shown.
    fn leave(&mut self, key: Key) {
        self.waiting.retain(|other| *other != key);
        let row = self.rows.get_mut(&key).unwrap();
        let (was, labels) = (row.standing, row.labels.clone());
        row.standing = Standing::Dropped;
        let next = self.waiting.iter().position(|other| self.rows[other].labels == labels);
        if let (Standing::Shown, Some(next)) = (was, next) {
            let next = self.waiting.remove(next);
            self.rows.get_mut(&next).unwrap().standing = Standing::Shown;
        }
    }

    /// Retires a row, if it is there.
    pub(super) fn delete(&mut self, key: Key, now_ns: i64) -> bool {
        if !self.rows.contains_key(&key) {
            return false;
        }
        self.mark(key, now_ns);
        self.retire(key);
        true
    }

    /// Retires the rows that no session has named; how many.
    pub(super) fn retire_where(&mut self, goes: impl Fn(&Row) -> bool, now_ns: i64) -> u64 {
        let keys: Vec<Key> =
            self.places.iter().flatten().copied().filter(|key| goes(&self.rows[key])).collect();
        for key in &keys {
            self.mark(*key, now_ns);
        }
        for key in &keys {
            self.retire(*key);
        }
        keys.len() as u64
    }

    fn retire(&mut self, key: Key) {
        self.leave(key);
        self.rows.remove(&key);
        let place = self.places.iter().position(|place| *place == Some(key)).unwrap();
        self.places[place] = None;
        self.free.push(place);
    }

    /// The last line of a row that is shown.
    pub(super) fn mark(&mut self, key: Key, now_ns: i64) {
        let row = &self.rows[&key];
        if row.standing == Standing::Shown {
            let time_ns = row.line_ns.map_or(now_ns, |last| now_ns.max(last + 1));
            let fields = vec![("retired".to_owned(), Field::Boolean(true))];
            self.points.push(Point { tags: row.labels.clone(), fields, time_ns });
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The rows, none after one that waits for its labels.
    pub(super) fn in_precedence(&self) -> Vec<Key> {
        let are = |standing| {
            let keys = self.places.iter().flatten().copied();
            keys.filter(move |key| self.rows[key].standing == standing)
        };
        let mut waiting = self.waiting.clone();
        waiting.sort_by_key(|key| self.rows[key].labels.iter().collect::<Vec<_>>());
        are(Standing::Shown).chain(waiting).chain(are(Standing::Dropped)).collect()
    }
}
