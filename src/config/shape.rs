//! Tables where tables belong, lists of tables where these belong.
//!
//! Looked at before values are read, as a table would also be read from a list, its elements
//! taken for the table's keys in order.

use figment::value::{Dict, Value};

use super::extract::{kind_words, remove};
use super::key::Key;
use super::problem::Fault;
use super::report::Report;

/// Takes out, and notes, what has not the shape of the default at its place.
pub(super) fn check(tree: &mut Dict, defaults: &Dict, report: &mut Report) {
    let mut wrong = Vec::new();
    find_wrong_shapes(&Key(Vec::new()), tree, defaults, &mut wrong);
    for (key, expected) in wrong.into_iter().rev() {
        let found = key.find(tree).map_or("", |value| kind_words(&value.to_actual())).to_owned();
        report.unreadable(&key, Fault::Value { found, expected });
        remove(tree, &key);
    }
}

fn find_wrong_shapes(at: &Key, tree: &Dict, defaults: &Dict, wrong: &mut Vec<(Key, String)>) {
    for (name, value) in tree {
        let key = at.at(name);
        let tables = match (defaults.get(name), value) {
            (Some(Value::Dict(_, defaults)), Value::Dict(_, table)) => vec![(key, table, defaults)],
            (Some(Value::Dict(..)), _) => {
                wrong.push((key, format!("a table, [{name}]")));
                continue;
            }
            (Some(Value::Array(_, defaults)), value) => {
                let Some(Value::Dict(_, defaults)) = defaults.first() else {
                    continue;
                };
                let Value::Array(_, elements) = value else {
                    wrong.push((key, format!("a list of tables, [[{}]]", dotted(&at.at(name)))));
                    continue;
                };
                let mut tables = Vec::new();
                for (index, element) in elements.iter().enumerate() {
                    match element.as_dict() {
                        Some(table) => tables.push((key.index(index), table, defaults)),
                        None => {
                            wrong.push((key.index(index), format!("a table, [[{}]]", dotted(&key))));
                        }
                    }
                }
                tables
            }
            _ => continue,
        };
        for (key, table, defaults) in tables {
            find_wrong_shapes(&key, table, defaults, wrong);
        }
    }
}

/// A key as a table's header has it: without indexes.
fn dotted(key: &Key) -> String {
    let names: Vec<_> =
        key.0.iter().filter(|part| part.parse::<usize>().is_err()).map(String::as_str).collect();
    names.join(".")
}
