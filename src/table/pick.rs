//! Which families a scrape wants.

use std::collections::BTreeSet;

/// All families, or some by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    /// Names of families or of their samples; all families where there are none.
    names: BTreeSet<String>,
}

impl Pick {
    /// The families of these names; all of them where there are none.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    /// True where no family is left out.
    pub fn is_everything(&self) -> bool {
        self.names.is_empty()
    }

    /// True where the family is wanted by its own name or one of its samples', which add one of
    /// `suffixes` to it.
    pub fn wants(&self, family: &str, suffixes: &[&str]) -> bool {
        let is_named = |suffix: &&str| self.names.contains(&format!("{family}{suffix}"));
        self.is_everything() || self.names.contains(family) || suffixes.iter().any(is_named)
    }
}
