//! The report: problems while they are collected.
//!
//! The loader adds what cannot be read, the sections add what makes no sense. A key that could
//! not be read holds its default afterwards, so what the sections say about it is dropped.

use std::collections::BTreeMap;
use std::path::Path;

use figment::value::Dict;

use super::key::Key;
use super::problem::{Fault, Problem, Problems, escaped, shown};

/// A known key no further than this from an unknown one is taken for what was meant.
const TYPO_DISTANCE_MAX: usize = 3;

/// Collects problems while a configuration is read and checked.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    /// Keys that environment variables set, with the variables' names.
    variables: BTreeMap<Key, String>,
    /// Keys that could not be read, or whose misspelling was found.
    broken: Vec<Key>,
    /// Unnamed until the end, when the tree that gives the names is complete.
    noted: Vec<(String, Key, Fault)>,
}

impl Report {
    pub(super) fn new(file: &Path) -> Self {
        let file = escaped(&file.display().to_string());
        Self { file, variables: BTreeMap::new(), broken: Vec::new(), noted: Vec::new() }
    }

    pub(super) fn set_by(&mut self, key: Key, variable: String) {
        self.variables.insert(key, variable);
    }

    /// Whether the value at this key, or what it stands in, came from the environment.
    pub(super) fn is_set_by_variable(&self, key: &Key) -> bool {
        self.variable_of(key).is_some()
    }

    /// Whether the key, or what it stands in, was unreadable.
    pub(super) fn is_broken(&self, key: &Key) -> bool {
        self.broken.iter().any(|broken| key.0.starts_with(&broken.0))
    }

    /// A value that does not fit. Dropped where the key is broken.
    pub(super) fn value(&mut self, key: &Key, found: impl Into<String>, expected: impl Into<String>) {
        let (found, expected) = (found.into(), expected.into());
        self.note(key, Fault::Value { found, expected });
    }

    /// A value that its user refuses, in the user's words. Dropped where the key is broken.
    pub(super) fn refused(&mut self, key: &Key, found: &str, why: String) {
        self.note(key, Fault::Refused { found: shown(found), why });
    }

    fn note(&mut self, key: &Key, fault: Fault) {
        if !self.is_broken(key) {
            self.noted.push((self.source(key), key.clone(), fault));
        }
    }

    /// Text that does not fit, shown in quotes; empty text is shown as `nothing`.
    pub(super) fn text(&mut self, key: &Key, found: &str, expected: impl Into<String>) {
        let found = if found.is_empty() { "nothing".to_owned() } else { shown(found) };
        self.value(key, found, expected);
    }

    /// A value that cannot be read at all: its default stands in, about which nothing is said.
    pub(super) fn unreadable(&mut self, key: &Key, fault: Fault) {
        if let Fault::Unknown { nearest: Some(nearest), .. } = &fault
            && strsim::damerau_levenshtein(nearest, key.leaf()) <= TYPO_DISTANCE_MAX
        {
            let mut meant = key.0.clone();
            meant.pop();
            self.broken.push(Key(meant).at(nearest));
        }
        self.noted.push((self.source(key), key.clone(), fault));
        self.broken.push(key.clone());
        // The file's value, if it has one, counts again.
        self.variables.remove(key);
    }

    /// A variable that means nothing to this program.
    pub(super) fn variable(&mut self, name: &str, nearest: Option<String>) {
        let source = format!("environment variable {}", escaped(name));
        self.noted.push((source, Key(Vec::new()), Fault::Unknown { noun: "variable", nearest }));
    }

    /// A problem of the file as a whole.
    pub(super) fn file(&self, fault: Fault) -> Problems {
        Problem { source: self.file.clone(), key: String::new(), fault }.into()
    }

    /// The problems with their keys in words, if there are any.
    pub(super) fn finish(self, tree: &Dict) -> Option<Problems> {
        let named =
            |(source, key, fault): (String, Key, Fault)| Problem { source, key: key.words(tree), fault };
        Problems::new(self.noted.into_iter().map(named).collect())
    }

    fn variable_of(&self, key: &Key) -> Option<&str> {
        let mut variables = self.variables.iter();
        let (_, name) = variables.find(|(set, _)| key.0.starts_with(&set.0))?;
        Some(name)
    }

    fn source(&self, key: &Key) -> String {
        let variable = self.variable_of(key);
        variable.map_or_else(|| self.file.clone(), |name| format!("environment variable {name}"))
    }
}
