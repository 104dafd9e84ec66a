//! From a tree of values to a [`Config`], with every value of the wrong type told.
//!
//! Reading a tree stops at the first value that cannot be read. So each such value is noted and
//! taken out of the tree, and the tree is read again, until it can be read. What was taken out
//! holds its default then.

use figment::Figment;
use figment::error::{Actual, Error, Kind};
use figment::providers::Serialized;
use figment::value::{Dict, Value};

use super::Config;
use super::key::Key;
use super::problem::{Fault, cut, nearest, shown};
use super::report::Report;

/// Values of the wrong type that are told at once; more than that is not a configuration.
const UNREADABLE_MAX: usize = 100;

/// Room for a sentence that lists what would be right.
const MESSAGE_CHARS_MAX: usize = 300;

/// Keys whose value is a secret.
const SECRET_KEYS: [&str; 4] = ["client_secret", "app_key", "token", "password"];

/// Reads the tree, noting and taking out what cannot be read; none if that does not help.
pub(super) fn extract(
    file: &mut Dict,
    variables: &mut Dict,
    defaults: &Dict,
    report: &mut Report,
) -> Option<Config> {
    for _ in 0..UNREADABLE_MAX {
        let layers = Figment::from(Serialized::defaults(&*file)).merge(Serialized::defaults(&*variables));
        let error = match layers.extract::<Config>() {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let key = Key(error.path.clone());
        let layer = if report.is_set_by_variable(&key) { &mut *variables } else { &mut *file };
        let value = key.find(layer).cloned();
        report.unreadable(&key, fault(error, &key, value.as_ref(), defaults));
        if !remove(layer, &key) {
            break;
        }
    }
    None
}

/// Takes a value out. An element of a list is replaced instead, so that those after it keep
/// their indexes.
pub(super) fn remove(tree: &mut Dict, key: &Key) -> bool {
    let Some((leaf, parents)) = key.0.split_last() else {
        return false;
    };
    let Some((first, rest)) = parents.split_first() else {
        return tree.remove(leaf).is_some();
    };
    let parent = rest.iter().try_fold(tree.get_mut(first), |value, part| match value? {
        Value::Dict(_, table) => Some(table.get_mut(part)),
        Value::Array(_, list) => Some(list.get_mut(part.parse::<usize>().ok()?)),
        _ => None,
    });
    match parent.flatten() {
        Some(Value::Dict(_, table)) => table.remove(leaf).is_some(),
        Some(Value::Array(_, list)) => {
            let element = leaf.parse().ok().and_then(|index: usize| list.get_mut(index));
            let is_list_of_tables = parents.last().is_some_and(|name| is_list_of_tables(name));
            let stand_in = if is_list_of_tables { Dict::new().into() } else { Value::from("") };
            element.map(|element| *element = stand_in).is_some()
        }
        _ => false,
    }
}

fn is_list_of_tables(name: &str) -> bool {
    ["producer", "measure", "relabel", "influx"].contains(&name)
}

fn fault(error: Error, key: &Key, value: Option<&Value>, defaults: &Dict) -> Fault {
    let is_secret = SECRET_KEYS.contains(&key.leaf());
    let words = |actual: Option<&Actual>| match actual {
        Some(actual) if is_secret => format!("{} (not shown)", kind_words(actual)),
        Some(actual) => actual_words(actual),
        None => "nothing".to_owned(),
    };
    match error.kind {
        Kind::UnknownField(name, known) => {
            Fault::Unknown { noun: "key", nearest: nearest(&name, known.iter().copied()) }
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            let expected = expected_words(&expected, key, defaults);
            Fault::Value { found: words(Some(&actual)), expected }
        }
        // A sentence of the value's own type, which may repeat the value.
        other => Fault::Refused {
            found: format!("found {}:", words(value.map(Value::to_actual).as_ref())),
            why: if is_secret {
                "not a secret".to_owned()
            } else {
                cut(&other.to_string(), MESSAGE_CHARS_MAX)
            },
        },
    }
}

/// A value as a message shows it.
fn actual_words(actual: &Actual) -> String {
    match actual {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Str(text) if text.is_empty() => "nothing".to_owned(),
        Actual::Str(text) => shown(text),
        other => kind_words(other).to_owned(),
    }
}

pub(super) fn kind_words(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Str(_) | Actual::Char(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// What was expected, in words for people instead of those of the deserialiser.
fn expected_words(expected: &str, key: &Key, defaults: &Dict) -> String {
    let default = Key(key
        .0
        .iter()
        .map(|part| if part.parse::<usize>().is_ok() { "0" } else { part }.to_owned())
        .collect());
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => match default.find(defaults).map(Value::to_actual) {
            Some(Actual::Unsigned(number)) => format!("a whole number such as {number}"),
            _ => "a whole number".to_owned(),
        },
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "a sequence" => "a list of texts such as [\"a\", \"b\"]".to_owned(),
        other => other.to_owned(),
    }
}
