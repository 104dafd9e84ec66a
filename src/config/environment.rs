//! `AXP_EXPORTER_<SECTION>__<KEY>`: single keys from the environment, over the file's.
//!
//! Only sections that are tables can be set, as a list has no names to address its elements by.
//! The text of a variable is taken as it is where the key holds text, so that an id of digits
//! stays text; else it is read as the key's type. A list is written as TOML (`["a", "b"]`) or
//! with commas between its elements; an empty variable is an empty list.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::key::Key;
use super::problem::nearest;
use super::report::Report;

/// What all variables of this program begin with.
const PREFIX: &str = "AXP_EXPORTER_";

/// Beside a service of this program's name Kubernetes sets variables that only look like ours.
const KUBERNETES: [&str; 2] = ["AXP_EXPORTER_SERVICE_", "AXP_EXPORTER_PORT"];

/// The variables as a tree of values; unknown ones go to the report.
pub(super) fn read(env: Vec<(String, String)>, defaults: &Dict, report: &mut Report) -> Dict {
    let known = known_variables(defaults);
    let mut tree = Dict::new();
    for (name, text) in env {
        if !name.starts_with(PREFIX) || is_kubernetes(&name) {
            continue;
        }
        let Some((_, section, key, default)) = known.iter().find(|(known, ..)| *known == name) else {
            let candidates = known.iter().map(|(name, ..)| name.as_str());
            report.variable(&name, nearest(&name, candidates));
            continue;
        };
        let table = tree.entry((*section).to_owned()).or_insert_with(|| Dict::new().into());
        if let Value::Dict(_, table) = table {
            table.insert((*key).to_owned(), value_like(default, text));
        }
        report.set_by(Key::of(section).at(key), name);
    }
    tree
}

fn is_kubernetes(name: &str) -> bool {
    !name.contains("__") && KUBERNETES.iter().any(|prefix| name.starts_with(prefix))
}

/// Name, section, key and default of every variable.
fn known_variables(defaults: &Dict) -> Vec<(String, &str, &str, &Value)> {
    let tables = defaults.iter().filter_map(|(section, value)| Some((section, value.as_dict()?)));
    let named =
        |section: &str, key: &str| format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase());
    tables
        .flat_map(|(section, table)| {
            table.iter().map(move |(key, value)| (named(section, key), section.as_str(), key.as_str(), value))
        })
        .collect()
}

/// The text as a value of the default's type; where it is none, as text, which the key refuses.
fn value_like(default: &Value, text: String) -> Value {
    match default {
        Value::Bool(..) => text.parse::<bool>().map_or(Value::from(text), Value::from),
        Value::Num(..) => text.parse::<i64>().map_or(Value::from(text), Value::from),
        Value::Array(..) if text.trim_start().starts_with('[') => {
            toml_list(&text).unwrap_or_else(|| text.into())
        }
        Value::Array(..) => {
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            elements.map(str::to_owned).collect::<Vec<_>>().into()
        }
        _ => text.into(),
    }
}

fn toml_list(text: &str) -> Option<Value> {
    let document: Dict = Toml::from_str(&format!("list = {text}")).ok()?;
    // More than one key: the text went on after the list.
    let mut values = document.into_values();
    values.next().filter(|_| values.next().is_none())
}
