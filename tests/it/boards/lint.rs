//! What Grafana's dashboard-linter asks of a board, and what a supervisor asks: it imports anywhere, says what it
//! shows, needs no eye for colours, and does not show as alive what is stale.
//! <https://github.com/grafana/dashboard-linter/blob/main/docs/index.md>

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::board::Board;
use crate::support::{pipe, python};

/// Units as Grafana knows them; those that boards use.
const UNITS: [&str; 10] = [
    "short",
    "none",
    "string",
    "percentunit",
    "s",
    "dthms",
    "dtdurations",
    "dateTimeFromNow",
    "bytes",
    "cpm",
];
/// A rate of events.
const RATE: &str = "cps";
/// The palette of Okabe and Ito, with grey; `dashboards/catalogue/colour.py` says why.
const PALETTE: [&str; 8] =
    ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8C8C8C"];
const GRID_COLUMNS: u64 = 24;

#[test]
fn the_boards_are_what_their_catalogue_makes() {
    let mut make = python("../../dashboards/make");
    make.arg("--check");
    let output = pipe(make, "");
    assert!(output.status.success(), "run dashboards/make: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_board_imports_under_its_own_name_and_leaves_the_data_source_to_the_user() {
    let boards = Board::all();
    let uids: BTreeSet<_> = boards.iter().map(|board| board.json["uid"].as_str().unwrap()).collect();
    let titles: BTreeSet<_> = boards.iter().map(Board::title).collect();
    assert_eq!((uids.len(), titles.len()), (boards.len(), boards.len()));
    for board in &boards {
        let file = &board.file;
        assert!(board.json["id"].is_null(), "{file}");
        assert_eq!(board.json["editable"], false, "{file}");
        assert!(board.json["uid"].as_str().unwrap().len() <= 40, "{file}");
        let sources: Vec<_> = board.variables().filter(|variable| variable["type"] == "datasource").collect();
        let [source] = sources[..] else { panic!("{file} has {} data sources", sources.len()) };
        assert_eq!(
            (&source["name"], &source["label"]),
            (&"datasource".into(), &"Data source".into()),
            "{file}"
        );
        assert_eq!(source["query"], board.kind(), "{file}");
        for reference in references(&board.json) {
            assert_eq!(reference["uid"], "${datasource}", "{file}: {reference}");
            assert_eq!(reference["type"], board.kind(), "{file}: {reference}");
        }
    }
}

#[test]
fn every_variable_is_defined_and_follows_the_time_range() {
    let used = Regex::new(r"\$([A-Za-z_]\w*)").unwrap();
    for board in Board::all() {
        let defined: BTreeSet<_> =
            board.variables().map(|variable| variable["name"].as_str().unwrap().to_owned()).collect();
        let mut queries: Vec<String> = board.targets().map(|target| target.query.to_owned()).collect();
        for variable in board.variables().filter(|variable| variable["type"] == "query") {
            let name = variable["name"].as_str().unwrap();
            assert_eq!(variable["refresh"], 2, "{}: {name}", board.file);
            assert_eq!((&variable["multi"], &variable["includeAll"]), (&true.into(), &true.into()), "{name}");
            let every = if ["job", "instance"].contains(&name) { ".+" } else { ".*" };
            assert_eq!(variable["allValue"], every, "{}: {name}", board.file);
            queries.push(variable["query"].as_str().unwrap().to_owned());
        }
        for query in &queries {
            for name in used.captures_iter(query).map(|found| found[1].to_owned()) {
                let of_grafana = ["__rate_interval", "__interval", "timeFilter"].contains(&name.as_str());
                assert!(of_grafana || defined.contains(&name), "{}: ${name} in {query}", board.file);
            }
        }
        for name in defined.iter().filter(|name| *name != "datasource") {
            let name = format!("${name}");
            assert!(queries.iter().any(|query| query.contains(&name)), "{}: {name} is idle", board.file);
        }
    }
}

#[test]
fn every_selector_of_promql_follows_job_and_instance_and_every_rate_the_interval() {
    let selectors = Regex::new(r#"(?:axp|process)_\w+|\{__name__=~"[^"]+"[^}]*\}"#).unwrap();
    let ranges = Regex::new(r"\[([^\]]+)\]").unwrap();
    for board in Board::of("prometheus") {
        for target in board.targets() {
            let at = format!("{}: {} {}", board.file, target.panel, target.query);
            let mut count = 0;
            for found in selectors.find_iter(target.query) {
                let labels = target.query[found.start()..].split_once('}').expect(&at).0;
                assert!(labels.contains(r#"job=~"$job",instance=~"$instance""#), "{at}");
                count += 1;
            }
            assert!(count > 0, "{at}");
            assert!(ranges.captures_iter(target.query).all(|range| &range[1] == "$__rate_interval"), "{at}");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_what_no_data_means() {
    for board in Board::all() {
        for panel in board.panels() {
            let at = format!("{}: {}", board.file, panel["title"]);
            assert!(!panel["title"].as_str().unwrap().is_empty(), "{at}");
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{at}");
            let field = &panel["fieldConfig"];
            assert!(!field["defaults"]["noValue"].as_str().unwrap().is_empty(), "{at}");
            let of_columns = field["overrides"].as_array().unwrap().iter();
            let of_columns = of_columns.flat_map(|one| one["properties"].as_array().unwrap());
            let of_columns = of_columns.filter(|one| one["id"] == "unit").map(|one| &one["value"]);
            for unit in of_columns.chain([&field["defaults"]["unit"]]) {
                let unit = unit.as_str().unwrap();
                assert!(UNITS.contains(&unit) || unit == RATE, "{at}: {unit}");
            }
        }
    }
}

#[test]
fn numbers_and_tables_ask_for_the_present_alone_and_gaps_stay_gaps() {
    for board in Board::all() {
        for panel in board.panels() {
            let at = format!("{}: {}", board.file, panel["title"]);
            let over_time = ["timeseries", "state-timeline"].contains(&panel["type"].as_str().unwrap());
            for target in panel["targets"].as_array().unwrap() {
                if board.kind() == "prometheus" {
                    assert_eq!(
                        (&target["instant"], &target["range"]),
                        (&(!over_time).into(), &over_time.into()),
                        "{at}"
                    );
                } else {
                    let by_time = target["query"].as_str().unwrap().contains("GROUP BY time(");
                    assert_eq!(by_time, over_time, "{at}");
                }
            }
            if panel["type"] == "timeseries" {
                assert_eq!(panel["fieldConfig"]["defaults"]["custom"]["spanNulls"], false, "{at}");
            }
        }
    }
}

#[test]
fn every_board_begins_with_whether_it_may_be_believed() {
    for board in Board::all() {
        let mut queries = board.targets().map(|target| target.query).take(2);
        if board.kind() == "prometheus" {
            assert!(queries.next().unwrap().contains("axp_exporter_feed_up"), "{}", board.file);
            assert!(queries.next().unwrap().contains("axp_exporter_feed_last_event_timestamp_seconds"));
        } else {
            assert!(queries.next().unwrap().ends_with("ORDER BY time DESC LIMIT 1"), "{}", board.file);
        }
    }
}

#[test]
fn colours_are_those_that_everybody_tells_apart_and_say_nothing_alone() {
    for board in Board::all() {
        walk(&board.json["panels"], &mut |value| {
            for key in ["color", "fixedColor"] {
                if let Some(colour) = value[key].as_str() {
                    assert!(PALETTE.contains(&colour), "{}: {colour}", board.file);
                }
            }
            if value["type"] == "value" {
                for word in value["options"].as_object().unwrap().values() {
                    assert!(!word["text"].as_str().unwrap().is_empty(), "{}: {word}", board.file);
                }
            }
        });
    }
}

#[test]
fn panels_are_numbered_once_and_lie_beside_each_other() {
    for board in Board::all() {
        let panels = board.json["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{}", board.file);
        let mut taken = BTreeSet::new();
        for panel in panels {
            let place = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            let [left, top, width, height] = place;
            assert!(width > 0 && height > 0 && left + width <= GRID_COLUMNS, "{}: {place:?}", board.file);
            for cell in (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{}: {} lies on another panel", board.file, panel["title"]);
            }
        }
    }
}

/// All references to data sources.
fn references(json: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    walk(json, &mut |value| found.extend(value.get("datasource").cloned()));
    assert!(!found.is_empty());
    found
}

/// Shows every object to `look`.
fn walk(json: &Value, look: &mut impl FnMut(&Value)) {
    match json {
        Value::Object(fields) => {
            look(json);
            fields.values().for_each(|value| walk(value, look));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        _ => {}
    }
}
