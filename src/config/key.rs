//! Keys: where a value stands in the tree, and how a message names the place.
//!
//! An element of a list goes by its own name, `influx "main" target`, as long as no other element
//! has the same; else by its index, counted from 0: `influx[0].target`.

use figment::value::{Dict, Value};

use super::problem::{escaped, shown};

/// Where a value stands in the tree: table keys, and indexes as digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Vec<String>);

impl Key {
    /// The key of `axp.client_id`.
    pub(super) fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    pub(super) fn at(&self, name: &str) -> Self {
        let mut parts = self.0.clone();
        parts.push(name.to_owned());
        Self(parts)
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.at(&index.to_string())
    }

    /// The last part, which names the value itself.
    pub(super) fn leaf(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(super) fn find<'t>(&self, tree: &'t Dict) -> Option<&'t Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(tree.get(first)?, |value, part| match value {
            Value::Dict(_, table) => table.get(part),
            Value::Array(_, list) => list.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The key in words: elements of a list go by their name where they have one of their own.
    pub(super) fn words(&self, tree: &Dict) -> String {
        let mut words = String::new();
        let mut separator = "";
        for (depth, part) in self.0.iter().enumerate() {
            if depth > 0 && part.parse::<usize>().is_ok() {
                let element = Self(self.0.iter().take(depth + 1).cloned().collect());
                if let Some(name) = element.own_name(tree) {
                    words.push(' ');
                    words.push_str(&shown(name));
                    separator = " ";
                } else {
                    words.extend(["[", part, "]"]);
                    separator = ".";
                }
            } else {
                words.push_str(separator);
                words.push_str(&escaped(part));
                separator = ".";
            }
        }
        words
    }

    /// The `id` or `name` of this list element, if no other element of the list shares it.
    fn own_name<'t>(&self, tree: &'t Dict) -> Option<&'t str> {
        let (_, list) = self.0.split_last()?;
        let list = Self(list.to_vec());
        let field = match list.leaf() {
            "producer" => "id",
            "influx" | "measure" => "name",
            _ => return None,
        };
        let name_of = |element: &'t Value| element.as_dict()?.get(field)?.as_str();
        let name = name_of(self.find(tree)?).filter(|name| !name.is_empty())?;
        let same = list.find(tree)?.as_array()?.iter().filter(|other| name_of(other) == Some(name));
        (same.count() == 1).then_some(name)
    }
}
