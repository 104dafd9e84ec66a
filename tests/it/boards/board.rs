//! Dashboards as they are in the repository, with their queries as Grafana sends them.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a choice stands for when all is chosen; the boards' own `allValue`, proven in `lint.rs`.
const EVERY: [(&str, &str); 6] = [
    ("job", ".+"),
    ("instance", ".+"),
    ("account", ".*"),
    ("queue", ".*"),
    ("agent", ".*"),
    ("channel", ".*"),
];

/// One dashboard.
#[derive(Debug)]
pub(super) struct Board {
    /// Its file, below `dashboards/`.
    pub(super) file: String,
    pub(super) json: Value,
}

/// One query of a panel.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) panel: &'a str,
    pub(super) reference: &'a str,
    /// The query, its variables as they stand.
    pub(super) query: &'a str,
    /// Whether it asks for the present alone.
    pub(super) instant: bool,
}

/// A path in the repository.
pub(super) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Board {
    /// The boards for a kind of data source.
    pub(super) fn of(kind: &str) -> Vec<Self> {
        let folder = repository("dashboards").join(kind);
        let mut boards: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let file = format!("{kind}/{}", path.file_name().unwrap().to_str().unwrap());
                Self { file, json: serde_json::from_str(&text).unwrap() }
            })
            .collect();
        boards.sort_by(|one, other| one.file.cmp(&other.file));
        boards
    }

    /// All boards.
    pub(super) fn all() -> Vec<Self> {
        ["prometheus", "influxdb"].into_iter().flat_map(Self::of).collect()
    }

    pub(super) fn kind(&self) -> &str {
        self.file.split('/').next().unwrap()
    }

    pub(super) fn title(&self) -> &str {
        self.json["title"].as_str().unwrap()
    }

    /// Its panels, without the headings between them.
    pub(super) fn panels(&self) -> impl Iterator<Item = &Value> {
        self.json["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &Value> {
        self.json["templating"]["list"].as_array().unwrap().iter()
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        self.panels().flat_map(|panel| {
            panel["targets"].as_array().unwrap().iter().map(|target| Target {
                panel: panel["title"].as_str().unwrap(),
                reference: target["refId"].as_str().unwrap(),
                query: target["expr"].as_str().or(target["query"].as_str()).unwrap(),
                instant: target["instant"] == true,
            })
        })
    }
}

/// A query with every choice at all, or at what `chosen` gives for it.
pub(super) fn substituted(query: &str, chosen: impl Fn(&str) -> Option<String>) -> String {
    EVERY.into_iter().fold(query.to_owned(), |query, (name, every)| {
        query.replace(&format!("${name}"), &chosen(name).unwrap_or_else(|| every.to_owned()))
    })
}

/// The same, with all chosen everywhere.
pub(super) fn of_all(query: &str) -> String {
    substituted(query, |_| None)
}
