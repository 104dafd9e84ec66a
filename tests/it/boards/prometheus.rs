//! Boards and rules in a real Prometheus that scrapes an exporter fed by the simulator.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regex::Regex;
use serde_json::{Value, json};

use super::board::{Board, Target, of_all, repository, substituted};
use super::floor;
use crate::peers::Prometheus;
use crate::rig::{Rig, wait_for as rig_wait_for};
use crate::support::{pipe, tool, wait_for};

/// How long all that is shown may take to be there: rates need several scrapes.
const PATIENCE: Duration = Duration::from_secs(90);
/// What `$__rate_interval` becomes: enough scrapes of a second, on a busy machine too.
const RATE_INTERVAL: &str = "20s";
/// How far back a range goes, and its step.
const RANGE_SECONDS: f64 = 30.0;
const STEP: &str = "5";
/// Panels that show faults alone: empty while all is well.
const OF_FAULTS: [(&str, &str); 4] = [
    ("Lost feeds, by reason", "a feed has to be lost"),
    ("Refused authentication", "AXP has to refuse a token"),
    ("Refused readings, by reason", "AXP has to send a value that is none"),
    ("Refused events, by reason", "AXP has to send what is no event"),
];
/// Alerts that an injected fault sets off at once, before their `for`.
const SET_OFF: [&str; 2] = ["AxpReadingsRefused", "AxpEventsRefused"];

/// The answer to a target of a board, as Grafana asks for it.
fn ask(prometheus: &Prometheus, target: &Target<'_>, query: &str) -> Value {
    let query = query.replace("$__rate_interval", RATE_INTERVAL);
    if target.instant {
        return prometheus.api("query", &[("query", &query)]);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (start, end) = ((now - RANGE_SECONDS).to_string(), now.to_string());
    prometheus.api("query_range", &[("query", &query), ("start", &start), ("end", &end), ("step", STEP)])
}

/// Whether an answer holds a number.
fn has_data(answer: &Value) -> bool {
    let series = answer["result"].as_array().unwrap().iter();
    let samples = series.flat_map(|one| match one["values"].as_array() {
        Some(values) => values.iter().map(|sample| &sample[1]).collect::<Vec<_>>(),
        None => vec![&one["value"][1]],
    });
    samples.into_iter().any(|value| value.as_str().unwrap().parse().is_ok_and(f64::is_finite))
}

fn is_of_faults(target: &Target<'_>) -> bool {
    OF_FAULTS.iter().any(|(panel, _)| *panel == target.panel)
}

/// Waits until every target that `wanted` picks has data, or has none.
fn all_have_data(
    prometheus: &Prometheus,
    boards: &[Board],
    data: bool,
    wanted: impl Fn(&Target<'_>) -> bool,
) {
    for board in boards {
        for target in board.targets().filter(|target| wanted(target)) {
            let what = format!(
                "{} in {}: {} {}",
                if data { "data" } else { "silence" },
                board.title(),
                target.panel,
                target.reference
            );
            wait_for(&what, PATIENCE, || {
                let answer = ask(prometheus, &target, &of_all(target.query));
                if has_data(&answer) == data {
                    Ok(())
                } else {
                    Err(format!("{} gives {answer}", target.query))
                }
            });
        }
    }
}

/// The rules that Prometheus has loaded.
fn rules(prometheus: &Prometheus) -> Vec<Value> {
    let groups = prometheus.api("rules", &[]);
    let groups = groups["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_and_keeps_quiet() {
    for arguments in [
        &["check", "rules", "--lint=all", "--lint-fatal", "rules/recording.yml", "rules/alerts.yml"][..],
        &["test", "rules", "rules/tests.yml"],
    ] {
        let mut promtool = tool("promtool");
        promtool.args(arguments).current_dir(repository(""));
        let output = pipe(promtool, "");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{arguments:?}: {}", said.concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_every_rule_has_data_and_none_has_any_once_the_exporter_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = floor(&format!(
        "[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {:?}\nspool_dir = {:?}\n",
        folder.path().join("lines"),
        folder.path().join("spool")
    ))
    .await;
    let files = ["rules/recording.yml", "rules/alerts.yml"].map(repository);
    let prometheus = Prometheus::start_with(&rig.metrics_url(), &files);
    rig.simulator.resume();
    let boards = Board::of("prometheus");

    all_have_data(&prometheus, &boards, true, |target| !is_of_faults(target));
    every_metric_is_exposed(&rig, &boards, &rules(&prometheus)).await;
    the_choices_choose(&prometheus, &boards);
    the_rules_work(&prometheus);

    all_have_data(&prometheus, &boards, false, is_of_faults);
    break_it(&rig);
    all_have_data(&prometheus, &boards, true, is_of_faults);
    for name in SET_OFF {
        let rules = rules(&prometheus);
        let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
        let query = rule["query"].as_str().unwrap();
        wait_for(name, PATIENCE, || {
            if prometheus.query(query).is_empty() { Err("quiet".to_owned()) } else { Ok(()) }
        });
    }
    an_id_stands_for_a_name(&prometheus, &boards);

    // What shows the present shows nothing once there is no present.
    rig.stop_app().await;
    all_have_data(&prometheus, &boards, false, |target| target.instant);
    rig.stop().await;
}

/// A queue without a name and with a value that is none, a frame that is no event, a lost feed, and a refusal as it
/// comes back.
fn break_it(rig: &Rig) {
    let event = json!({
        "accountId": rig.account_id, "keys": {"queueId": "broken"}, "eventAction": "UPSERT",
        "eventSourceId": "IXCC_1.0.0", "measureProducerId": "Queue_itd_1.0.0", "payloadType": "LIVE",
        "measures": {"Offered": "many", "contactsQueueing": "3"},
    });
    for text in [event.to_string(), "no event".to_owned()] {
        let frame = json!({"fault": "frame", "producer": "Queue_itd_1.0.0", "text": text});
        assert_eq!(rig.fault(&frame.to_string()), 1);
    }
    let refusal = r#"{"fault":"refuse_authentication","status":"CONNECTION_FAILED_INVALID_TOKEN","times":1}"#;
    rig.fault(refusal);
    assert_eq!(rig.fault(r#"{"fault":"close","producer":"Agent_itd_1.0.0"}"#), 1);
}

/// The queue that has no name is shown beside those that have one.
fn an_id_stands_for_a_name(prometheus: &Prometheus, boards: &[Board]) {
    let mut targets = boards.iter().flat_map(Board::targets);
    let target = targets.find(|target| target.panel == "Waiting by queue").unwrap();
    let waiting = prometheus.query(&of_all(target.query));
    let broken = waiting.iter().find(|(series, _)| series.contains(r#"queue="broken""#));
    assert_eq!(broken.map(|(_, value)| *value), Some(3.0), "{waiting:?}");
    let named = waiting.keys().filter(|series| series.contains("queue_name="));
    assert_eq!(named.count() + 1, waiting.len(), "{waiting:?}");
}

/// Names of metrics in a query; a pattern of alternatives is as many names.
fn names(query: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(?:axp|process)_\w+(?:\(([\w|]+)\)\w*)?").unwrap();
    let mut names = BTreeSet::new();
    for found in name.captures_iter(query) {
        match found.get(1) {
            Some(alternatives) => {
                let pattern = format!("({})", alternatives.as_str());
                names.extend(alternatives.as_str().split('|').map(|one| found[0].replace(&pattern, one)));
            }
            None => drop(names.insert(found[0].to_owned())),
        }
    }
    names
}

async fn every_metric_is_exposed(rig: &Rig, boards: &[Board], rules: &[Value]) {
    let of_boards = boards.iter().flat_map(Board::targets).map(|target| target.query);
    let of_variables =
        boards.iter().flat_map(Board::variables).filter_map(|variable| variable["query"].as_str());
    let of_rules = rules.iter().map(|rule| rule["query"].as_str().unwrap());
    let named: BTreeSet<_> = of_boards.chain(of_variables).chain(of_rules).flat_map(names).collect();
    assert!(named.len() > 50, "{named:?}");
    for name in named {
        // Buckets belong to the histogram.
        let family = format!("# TYPE {} ", name.strip_suffix("_bucket").unwrap_or(&name));
        // Some are there for moments only: nobody may be on hold.
        rig_wait_for(&name, || async { !rig.samples(&family).await.is_empty() }).await;
    }
}

/// Each variable offers something, names where it has them, and what it offers can be asked for.
fn the_choices_choose(prometheus: &Prometheus, boards: &[Board]) {
    let call = Regex::new(r"^(label_values|query_result)\((.*?)(?:, (\w+))?\)$").unwrap();
    for board in boards {
        let mut chosen = Vec::new();
        for variable in board.variables().filter(|variable| variable["type"] == "query") {
            let name = variable["name"].as_str().unwrap();
            let query = of_all(variable["query"].as_str().unwrap());
            let call = call.captures(&query).unwrap();
            let value = if &call[1] == "label_values" {
                let values = prometheus.api(&format!("label/{}/values", &call[3]), &[("match[]", &call[2])]);
                values[0].as_str().unwrap_or_else(|| panic!("{}: {query}", board.file)).to_owned()
            } else {
                let pattern = variable["regex"].as_str().unwrap();
                let pattern =
                    Regex::new(pattern.strip_prefix('/').unwrap().strip_suffix("/g").unwrap()).unwrap();
                let series = prometheus.query(&call[2]).into_keys().next().unwrap();
                let group = |name| pattern.captures_iter(&series).find_map(|found| found.name(name));
                let (text, value) = (group("text").unwrap().as_str(), group("value").unwrap().as_str());
                assert_ne!(text, value, "{series}");
                value.to_owned()
            };
            chosen.push((name, value));
        }
        for target in board.targets() {
            let choose = |name: &str| {
                let (_, value) = chosen.iter().find(|(found, _)| *found == name)?;
                Some(value.clone())
            };
            // Prometheus' own refusal would fail here.
            ask(prometheus, &target, &substituted(target.query, choose));
        }
    }
}

/// Every recording rule has a value, every alert finds the series it looks at, and all have been evaluated.
fn the_rules_work(prometheus: &Prometheus) {
    let selector = Regex::new(r"axp_\w+(?:\{[^}]*\})?|\{__name__[^}]*\}").unwrap();
    for rule in rules(prometheus) {
        let (name, query) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        wait_for(&format!("success of {name}"), PATIENCE, || {
            let rules = rules(prometheus);
            let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
            if rule["health"] == "ok" { Ok(()) } else { Err(rule.to_string()) }
        });
        if rule["type"] == "recording" {
            wait_for(name, PATIENCE, || {
                if prometheus.query(name).is_empty() { Err(query.to_owned()) } else { Ok(()) }
            });
        } else {
            let found: Vec<_> = selector.find_iter(query).map(|found| found.as_str()).collect();
            assert!(!found.is_empty(), "{query}");
            for selector in found {
                wait_for(&format!("series for {name}"), PATIENCE, || {
                    if prometheus.query(selector).is_empty() { Err(selector.to_owned()) } else { Ok(()) }
                });
            }
            for key in ["summary", "description", "runbook"] {
                assert!(rule["annotations"][key].is_string(), "{name} has no {key}");
            }
        }
    }
}
