//! The reference of keys: words from config.toml, defaults from the program, and of types and ranges what the program
//! takes when it is tried.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::fs;
use std::path::Path;

use axp_exporter::config::{Account, Bytes, Config, Duration, Fault, Influx, MeasureRule, Problem, Producer};
use axp_exporter::label::relabel::RelabelRule;
use regex::Regex;
use serde_json::Value;

use crate::docs::page::root;

/// More than any key takes that has a most.
const HUGE: u64 = 1 << 53;

/// A section, as config.toml has it.
struct Section {
    /// `[axp]` or `[[producer.measure]]`.
    header: String,
    about: Vec<String>,
    groups: Vec<Group>,
}

/// Keys that are explained together.
struct Group {
    about: Vec<String>,
    keys: Vec<String>,
}

impl Section {
    fn name(&self) -> &str {
        self.header.trim_matches(['[', ']'])
    }

    /// What has to stand in front of a key that is tried.
    fn before(&self, key: &str) -> String {
        let (id, name) = ("id = \"a\"\n", "name = \"a\"\n");
        let first = |line: &'static str| if line.starts_with(&format!("{key} ")) { "" } else { line };
        match self.name() {
            "producer" => format!("[[producer]]\n{}", first(id)),
            "producer.measure" => format!("[[producer]]\n{id}[[producer.measure]]\n{}", first(name)),
            "influx" => format!("[[influx]]\n{}{}", first(name), first("target = \"stdout\"\n")),
            _ => format!("{}\n", self.header),
        }
    }

    /// What is wrong with a key of this value.
    fn problem(&self, key: &str, value: impl Display) -> Option<Problem> {
        let text = format!("{}{key} = {value}\n", self.before(key));
        let loaded = Config::from_text(Account::Optional, Path::new("tried"), &text, std::iter::empty());
        let of_key = |problem: &&Problem| problem.key.ends_with(key);
        loaded.err().and_then(|problems| problems.iter().find(of_key).cloned())
    }
}

/// config.toml, its blocks switched on.
fn sections() -> Vec<Section> {
    let reference = fs::read_to_string(root().join("config.toml")).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    let (mut about, mut is_key) = (Vec::new(), false);
    for line in reference.lines() {
        let switched_on = line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '));
        let line = switched_on.unwrap_or(line);
        let was_key = std::mem::replace(&mut is_key, false);
        if let Some(words) = line.strip_prefix('#') {
            about.push(words.strip_prefix(' ').unwrap_or(words).to_owned());
        } else if line.starts_with('[') {
            let about = std::mem::take(&mut about);
            sections.push(Section { header: line.to_owned(), about, groups: Vec::new() });
        } else if let Some((key, _)) = line.split_once(" = ") {
            let groups = &mut sections.last_mut().unwrap().groups;
            match groups.last_mut().filter(|_| was_key && about.is_empty()) {
                Some(group) => group.keys.push(key.to_owned()),
                None => {
                    groups.push(Group { about: std::mem::take(&mut about), keys: vec![key.to_owned()] });
                }
            }
            is_key = true;
        } else {
            about.clear();
        }
    }
    sections
}

/// The names of all sections, for a pattern; the longest first.
pub(super) fn section_names() -> Vec<String> {
    let mut names: Vec<_> = sections().iter().map(|section| section.name().replace('.', "\\.")).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

/// All keys, with their sections.
pub(super) fn names() -> BTreeSet<String> {
    let keys = sections().into_iter().flat_map(|section| {
        let name = section.name().to_owned();
        let keys = section.groups.into_iter().flat_map(|group| group.keys);
        keys.map(move |key| format!("{name}.{key}")).collect::<Vec<_>>()
    });
    keys.collect()
}

/// The defaults, by the names of sections and keys.
fn default_of(section: &str, key: &str) -> Value {
    let config = Config {
        producer: vec![Producer { measure: vec![MeasureRule::default()], ..Producer::default() }],
        relabel: vec![RelabelRule::default()],
        influx: vec![Influx::default()],
        ..Config::default()
    };
    let mut at = &serde_json::to_value(&config).unwrap();
    for part in section.split('.') {
        at = &at[part];
        at = at.get(0).unwrap_or(at);
    }
    at.get(key).unwrap_or_else(|| panic!("{section}.{key}")).clone()
}

/// What the program wants to see under a key, in a word or a few.
fn kind(expected: &str) -> String {
    let is = |begin| expected.starts_with(begin);
    let word = match expected {
        _ if is("a whole number") => "whole number",
        _ if is("a duration") => "time",
        _ if is("a size") => "size",
        _ if is("a list of texts") => "list of texts",
        "text in quotes" => "text",
        "true or false" => "true or false",
        other => return other.strip_prefix("one of ").map_or_else(|| other.to_owned(), choice),
    };
    word.to_owned()
}

/// What is expected instead of a number with a fraction; where that is text, instead of any text.
fn expected(section: &Section, key: &str, problem: Problem) -> String {
    let of_text = section.problem(key, "\"no such word\"").map(|problem| problem.to_string());
    if let Some((_, words)) = of_text.as_deref().and_then(|problem| problem.split_once("one of ")) {
        return format!("one of {words}");
    }
    let Fault::Value { expected, .. } = problem.fault else { panic!("{problem}") };
    expected
}

fn choice(words: &str) -> String {
    let words: Vec<_> = words.split(", ").map(|word| format!("`{:?}`", word.trim_matches('"'))).collect();
    format!("one of {}", words.join(", "))
}

/// The last value towards `bad` that is taken, `good` being taken and `bad` not.
fn edge(mut good: u64, mut bad: u64, is_taken: impl Fn(u64) -> bool) -> u64 {
    while good.abs_diff(bad) > 1 {
        let middle = good.midpoint(bad);
        *(if is_taken(middle) { &mut good } else { &mut bad }) = middle;
    }
    good
}

/// From where to where a key may go, in words; empty where everything is taken.
fn range(section: &Section, key: &str, kind: &str, default: &Value) -> String {
    let text = default.as_str().unwrap_or_default();
    let (good, written): (u64, fn(u64) -> String) = match kind {
        "time" => (u64::try_from(Duration::parse(text).unwrap().get().as_millis()).unwrap(), |millis| {
            format!("{:?}", Duration::from_millis(millis).to_string())
        }),
        // Off by default: a size that is surely one.
        "size" => (Bytes::parse(text).unwrap().get().max(1 << 20), |size| {
            format!("{:?}", Bytes::new(size).to_string())
        }),
        "whole number" => (default.as_u64().unwrap(), |number| number.to_string()),
        _ => return String::new(),
    };
    let is_taken = |value| section.problem(key, written(value)).is_none();
    let least = if good == 0 || is_taken(1) { None } else { Some(edge(good, 1, is_taken)) };
    let most = if is_taken(HUGE) { None } else { Some(edge(good, HUGE, is_taken)) };
    let zero = if least.is_some() && is_taken(0) { format!("`{}`, or ", written(0)) } else { String::new() };
    let least = least.or_else(|| (good > 0 && !is_taken(0)).then_some(1));
    match (least.map(written), most.map(written)) {
        (Some(least), Some(most)) => format!("; {zero}`{least}` to `{most}`"),
        (Some(least), None) => format!("; {zero}at least `{least}`"),
        (None, Some(most)) => format!("; at most `{most}`"),
        (None, None) => String::new(),
    }
}

/// Comments of config.toml as Markdown: what looks like code becomes code.
fn markdown(comment: &[String]) -> String {
    let code = Regex::new(
        r#"(?x) ([a-z]+\ =\ )? "[^"]*" | \[\[?[a-z.]*\]\]? | [^\s("]*[_{}<>$*\\][^\s"]*
           | \b(privacy|producer|web)\.[a-z]+ | \b[a-z]+([A-Z][a-z]+)+ | --[a-z]+ | \.lock "#,
    )
    .unwrap();
    let mut text = String::new();
    let mut is_code = false;
    for line in comment {
        if std::mem::replace(&mut is_code, line.starts_with(' ')) != is_code {
            text += if is_code { "\n```text\n" } else { "```\n\n" };
        }
        let line = if is_code {
            line.trim_start().to_owned()
        } else {
            let quoted = code.replace_all(line, |found: &regex::Captures<'_>| {
                let word = found[0].trim_end_matches(['.', ',', ';', ':', ')']);
                format!("`{word}`{}", &found[0][word.len()..])
            });
            quoted.into_owned()
        };
        writeln!(text, "{line}").unwrap();
    }
    text + if is_code { "```\n" } else { "" }
}

/// The reference of all keys.
pub(super) fn keys() -> String {
    let mut text = String::new();
    for section in sections() {
        writeln!(text, "## `{}`\n\n{}", section.header, markdown(&section.about)).unwrap();
        for group in &section.groups {
            for key in &group.keys {
                let default = default_of(section.name(), key);
                let problem = section.problem(key, 5.5).unwrap_or_else(|| panic!("{key} takes 5.5"));
                let expected = expected(&section, key, problem);
                let kind = kind(&expected);
                let range = range(&section, key, &kind, &default);
                writeln!(text, "### `{}.{key}`\n", section.name()).unwrap();
                writeln!(text, "*{}; default* `{default}`{range}\n", in_italics(&kind)).unwrap();
            }
            writeln!(text, "{}", markdown(&group.about)).unwrap();
        }
    }
    text.trim_end().to_owned()
}

/// Code does not stand within emphasis.
fn in_italics(kind: &str) -> String {
    match kind.split_once(' ').filter(|_| kind.contains('`')) {
        Some(_) => kind.replacen("one of ", "one of* ", 1) + "*",
        None => kind.to_owned(),
    }
}
