//! `config.toml` against the defaults: nothing missing, nothing else, nothing different.

use std::collections::BTreeMap;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::super::load::default_tree;
use super::*;

const REFERENCE: &str = include_str!("../../../config.toml");

/// Keys of the blocks that show an example instead of their default.
const EXAMPLES: [(&str, &str); 7] = [
    ("influx.name", "main"),
    ("influx.path", "/var/lib/axp-exporter/lines.lp"),
    ("influx.target", "file"),
    ("producer.id", "Queue_itd_1.0.0"),
    ("producer.measure.name", "activeDuration"),
    ("relabel.source_labels", "channel_id"),
    ("relabel.target_label", "channel"),
];

/// The reference with its `#key = value` lines switched on.
fn with_blocks() -> String {
    let switched_on = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first != ' ') => rest,
        _ => line,
    };
    REFERENCE.lines().map(switched_on).collect::<Vec<_>>().join("\n")
}

/// Every value by its dotted key, lists of tables without indexes.
fn leaves(tree: &Dict) -> BTreeMap<String, Vec<String>> {
    fn visit(at: &str, value: &Value, found: &mut BTreeMap<String, Vec<String>>) {
        match value {
            Value::Dict(_, table) => {
                for (name, value) in table {
                    let dot = if at.is_empty() { "" } else { "." };
                    visit(&format!("{at}{dot}{name}"), value, found);
                }
            }
            Value::Array(_, list) if list.iter().any(|element| element.as_dict().is_some()) => {
                for element in list {
                    visit(at, element, found);
                }
            }
            Value::Array(_, list) => {
                found.insert(at.to_owned(), list.iter().map(text_of).collect());
            }
            other => {
                found.insert(at.to_owned(), vec![text_of(other)]);
            }
        }
    }
    let mut found = BTreeMap::new();
    visit("", &Value::from(tree.clone()), &mut found);
    found
}

fn text_of(value: &Value) -> String {
    let number = value.to_i128().map(|number| number.to_string());
    let number = number.or_else(|| value.to_u128().map(|number| number.to_string()));
    let bool = value.to_bool().map(|bool| bool.to_string());
    value.as_str().map(str::to_owned).or(number).or(bool).unwrap()
}

#[test]
fn the_reference_as_shipped_is_the_defaults() {
    let config: Config = Toml::from_str(REFERENCE).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let reference: Dict = Toml::from_str(&with_blocks()).unwrap();
    let (reference, defaults) = (leaves(&reference), leaves(&default_tree()));
    assert_eq!(reference.keys().collect::<Vec<_>>(), defaults.keys().collect::<Vec<_>>());
}

#[test]
fn the_blocks_of_the_reference_show_the_defaults_but_for_the_examples() {
    let _: Config = Toml::from_str(&with_blocks()).unwrap();
    let reference: Dict = Toml::from_str(&with_blocks()).unwrap();
    let mut expected = leaves(&default_tree());
    for (key, example) in EXAMPLES {
        if expected.contains_key(key) {
            expected.insert(key.to_owned(), vec![example.to_owned()]);
        }
    }
    assert_eq!(leaves(&reference), expected);
}

#[test]
fn every_key_of_the_reference_is_explained() {
    let mut is_explained = false;
    for line in with_blocks().lines() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_key || is_explained, "{line}");
        is_explained = line.starts_with("# ") || (is_key && is_explained);
    }
}

#[test]
fn the_blocks_switched_on_load_with_an_account() {
    let folder = Folder::new();
    let path = folder.path("lines.lp");
    let text = with_blocks()
        .replace("/var/lib/axp-exporter/lines.lp", path.to_str().unwrap())
        .replace("account_id = \"\"", "account_id = \"ABCDEF\"")
        .replace("client_id = \"\"", "client_id = \"client\"")
        .replace("client_secret = \"\"", "client_secret = \"x\"")
        .replace("app_key = \"\"", "app_key = \"x\"");
    let loaded = folder.load(&text, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.producer[0].stem(), "queue_itd");
}
