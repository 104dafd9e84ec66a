//! What comes out: AXP's measures as the program names them, and the exporter's own metrics as it serves them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use axp_exporter::config::{Kind, Personal, Producer};
use axp_exporter::parse::measure::{AxpType, Definition, Dictionary};
use axp_exporter::parse::measures::Measures;
use axp_exporter::parse::name::snake_case;
use axp_exporter::parse::privacy::Privacy;
use axp_exporter::simulator::measures as catalogue;
use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::docs::page::Page;
use crate::rig::Rig;

/// AXP's documented events, to tell flags from other texts by.
const EVENTS: [&str; 2] =
    [include_str!("../../fixtures/queue-event.json"), include_str!("../../fixtures/agent-event.json")];

/// Labels whose values are a closed set.
const CLOSED: [&str; 8] =
    ["cause", "event_action", "format", "operation", "outcome", "payload_type", "reason", "status"];

/// One measure, as the program takes it.
struct Row {
    name: &'static str,
    kind: Kind,
    metric: String,
    field: String,
    is_personal: bool,
    description: &'static str,
}

/// The measures of a producer of the simulator, whose dictionary is AXP's as far as that is known.
fn rows(producer: catalogue::Producer) -> Vec<Row> {
    let settings = Producer { id: producer.id().to_owned(), ..Producer::default() };
    let privacy = Privacy::new(Personal::Keep, &[], None);
    let mut measures = Measures::new(settings, privacy.clone(), Arc::default(), 1024);
    let definition = |measure: &catalogue::Measure| {
        let axp_type: AxpType = serde_json::from_value(measure.measure_type.as_str().into()).unwrap();
        (measure.name.to_owned(), Definition { axp_type, description: String::new() })
    };
    measures.set_dictionary(producer.measures().iter().map(definition).collect::<Dictionary>());
    let events = EVENTS.map(|event| serde_json::from_str::<Value>(event).unwrap());
    let is_flag = |name: &str| {
        events.iter().any(|event| ["true", "false"].iter().any(|flag| event["measures"][name] == **flag))
    };
    let row = |measure: &'static catalogue::Measure| {
        let stem = measures.stem().to_owned();
        let (settled, kinds) = measures.foresee(measure.name).unwrap();
        let kind = if is_flag(measure.name) { Kind::Boolean } else { kinds[0] };
        assert!(kinds.contains(&kind), "{}", measure.name);
        let field = settled.field.to_string();
        let metric = match kind {
            Kind::Text => format!("axp_{stem}_info{{{field}}}"),
            Kind::State => format!("axp_{stem}_{field}{{state}}"),
            _ => format!("axp_{stem}_{field}"),
        };
        let (name, description) = (measure.name, measure.description);
        Row { name, kind, metric, field, is_personal: privacy.is_personal(name), description }
    };
    producer.measures().iter().map(row).collect()
}

/// The metrics of AXP's measures.
pub(super) fn metrics_of_axp() -> BTreeSet<String> {
    let rows = catalogue::Producer::REALTIME.into_iter().flat_map(rows);
    rows.map(|row| row.metric.split('{').next().unwrap().to_owned()).collect()
}

/// A table for each producer.
pub(super) fn of_axp() -> String {
    let mut text = String::new();
    for producer in catalogue::Producer::REALTIME {
        let labels: Vec<_> = producer.keys().iter().map(|key| format!("`{}`", snake_case(key))).collect();
        writeln!(text, "### `{}`\n\n{}.", producer.id(), producer.description()).unwrap();
        writeln!(text, "Labels: `account_id`, {}.\n", labels.join(", ")).unwrap();
        writeln!(text, "| AXP | kind | Prometheus | field | what it is |\n|---|---|---|---|---|").unwrap();
        for Row { name, kind, metric, field, is_personal, description } in rows(producer) {
            let personal = if is_personal { ", personal" } else { "" };
            writeln!(text, "| `{name}` | {kind}{personal} | `{metric}` | `{field}` | {description} |")
                .unwrap();
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// What an exporter with a feed and a sink shows.
pub(super) async fn exposition() -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lines.lp");
    let sink = format!("[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = \"{}\"\n", path.display());
    let record = format!("[record]\npath = \"{}\"\n", folder.path().join("feed.jsonl.gz").display());
    let mut rig = Rig::start(&(sink + &record)).await;
    rig.ready().await;
    let (_, body) = rig.get("/metrics").await;
    rig.stop().await;
    body
}

/// One of the exporter's own families.
struct Family {
    help: String,
    kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The exporter's own, by the names of their samples.
fn families(exposition: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let pair = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
    for line in exposition.lines() {
        let is_ours = |name: &str| name.starts_with("axp_exporter_") || name.starts_with("process_");
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
            && is_ours(name)
        {
            let family = Family { help: help.to_owned(), kind: String::new(), labels: BTreeMap::new() };
            families.insert(name.to_owned(), family);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            && is_ours(name)
        {
            kind.clone_into(&mut families.get_mut(name).unwrap().kind);
        } else if is_ours(line) {
            let name = line.split([' ', '{']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let known = [Some(name), base].into_iter().flatten().find(|name| families.contains_key(*name));
            let family = families.get_mut(known.unwrap_or_else(|| panic!("no HELP of {name}"))).unwrap();
            for found in pair.captures_iter(line).filter(|found| &found[1] != "le") {
                family.labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
            }
        }
    }
    families
}

/// A table of the exporter's own metrics.
pub(super) fn own_metrics(exposition: &str) -> String {
    let mut text = "| metric | type | labels | what it is |\n|---|---|---|---|".to_owned();
    for (name, Family { help, kind, labels }) in families(exposition) {
        let label = |(name, values): (&String, &BTreeSet<String>)| {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            let is_closed = CLOSED.contains(&name.as_str()) && name != "reason";
            if is_closed { format!("`{name}`: {}", values.join(" ")) } else { format!("`{name}`") }
        };
        let labels: Vec<_> = labels.iter().map(label).collect();
        write!(text, "\n| `{name}` | {kind} | {} | {help} |", labels.join("; ")).unwrap();
    }
    text
}

#[tokio::test]
async fn every_reason_is_explained_and_no_other() {
    let page = Page::read(Path::new("docs/measures.md"));
    let span = Regex::new("`([^`]+)`").unwrap();
    let mut explained = BTreeMap::new();
    for (heading, rows) in page.tables().iter().filter(|(_, rows)| rows[0][0] == "reason") {
        let metric =
            span.captures(heading).unwrap_or_else(|| panic!("{heading} names no metric"))[1].to_owned();
        let reasons: BTreeSet<_> = rows[1..]
            .iter()
            .flat_map(|row| span.captures_iter(&row[0]))
            .map(|found| found[1].to_owned())
            .collect();
        explained.insert(metric, reasons);
    }
    let mut families = families(&exposition().await);
    families.retain(|_, family| family.labels.contains_key("reason"));
    assert_eq!(explained.keys().collect::<Vec<_>>(), families.keys().collect::<Vec<_>>());
    for (metric, family) in &families {
        assert_eq!(explained[metric], family.labels["reason"], "{metric}");
    }
}
