//! What others make of `/metrics`: the reference parsers of both formats, `promtool`, and a
//! Prometheus server that scrapes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::demo::Demo;
use crate::server;
use crate::support::{Answer, PATIENCE, Process, pipe, python, request, tool, wait_for};

const TEXT: &str = "text/plain;version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;escaping=underscores";

/// Fewer series would make the demo a poor example.
const SERIES_MIN: usize = 1000;

/// The file by which a Prometheus is told what to do.
pub(crate) const CONFIGURATION: &str = "prometheus.yml";

#[test]
fn a_strict_openmetrics_parser_accepts_the_demo() {
    let demo = Demo::start(&["--seed", "1"]);
    demo.admin("pause", "");
    // Events may still be on their way when the centre has paused; between two equal answers was none.
    let (text, openmetrics) = wait_for("standstill of a paused centre", PATIENCE, || {
        let texts = [scrape(&demo, TEXT), scrape(&demo, OPENMETRICS), scrape(&demo, TEXT)];
        let [before, between, after] = texts.map(|answer| answer.body);
        if measures(&before) == measures(&after) {
            Ok((after, between))
        } else {
            Err("two answers in a row differ".to_owned())
        }
    });
    let (text, openmetrics) = (parse("text", &text), parse("openmetrics", &openmetrics));
    for families in [&text, &openmetrics] {
        let families: Vec<_> = families.iter().filter(|family| family.is_measure()).collect();
        assert!(families.iter().all(|family| !family.help.is_empty() && !family.samples.is_empty()));
        let names: Vec<_> = families.iter().map(|family| &family.samples[0].0).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
    let (text, openmetrics) = (samples(&text), samples(&openmetrics));
    assert!(text.len() > SERIES_MIN, "only {} series", text.len());
    assert_eq!(text, openmetrics);
}

#[test]
fn the_reference_parsers_accept_every_dialect() {
    let demo = Demo::start(&["--seed", "6"]);
    for (format, accept) in [
        ("text", "text/plain;version=1.0.0;escaping=values"),
        ("text", "text/plain;version=1.0.0;escaping=dots"),
        ("openmetrics", "application/openmetrics-text;version=0.0.1"),
        ("openmetrics", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"),
        ("openmetrics", "application/openmetrics-text;version=1.0.0;escaping=dots"),
    ] {
        let families = parse(format, &scrape(&demo, accept).body);
        let series: usize = families.iter().map(|family| family.samples.len()).sum();
        assert!(series > SERIES_MIN, "only {series} series in {accept}");
    }
}

#[test]
fn promtool_finds_nothing_to_say_about_the_demo() {
    let demo = Demo::start(&["--seed", "2"]);
    let mut promtool = tool("promtool");
    promtool.args(["check", "metrics"]);
    let output = pipe(promtool, &scrape(&demo, TEXT).body);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(said, ["", ""]);
    assert!(output.status.success(), "{}", output.status);
}

#[test]
fn a_real_prometheus_scrapes_the_demo_and_sees_a_deleted_agent_go_stale_after_one_scrape() {
    let mut demo = Demo::start(&["--seed", "3"]);
    let prometheus = Prometheus::start(&demo.metrics_url);
    wait_for("queue in Prometheus", PATIENCE, || {
        let queues = prometheus.query("axp_queue_itd_contacts_queueing");
        if queues.is_empty() { Err("no series".to_owned()) } else { Ok(()) }
    });
    wait_for("healthy target", PATIENCE, || {
        let target = &prometheus.api("targets", &[])["activeTargets"][0];
        if target["health"] == "up" && target["lastError"] == "" { Ok(()) } else { Err(target.to_string()) }
    });

    demo.admin("pause", "");
    wait_for("equality of Prometheus and /metrics", PATIENCE, || {
        let shown = measures(&demo.metrics());
        let seen = prometheus.query(r#"{__name__=~"axp_.+",__name__!~"axp_exporter_.+"}"#);
        let differing = shown.iter().find(|(series, value)| seen.get(*series) != Some(value));
        match differing {
            None if shown.len() == seen.len() => Ok(()),
            None => Err(format!("{} series are shown, {} seen", shown.len(), seen.len())),
            Some((series, value)) => Err(format!("{series} is {value}, seen as {:?}", seen.get(series))),
        }
    });

    let agent = demo.admin("agents/logout", "")["agentId"].as_str().expect("an agent leaves").to_owned();
    let scrapes_then = wait_for("/metrics without the agent", PATIENCE, || {
        let body = demo.metrics();
        if body.contains(&agent) { Err(format!("{agent} is there")) } else { Ok(scrapes(&body)) }
    });
    let logon = format!(r#"axp_agent_itd_agent_logon_duration_seconds{{agent_id="{agent}"}}"#);
    let everything = format!(r#"{{agent_id="{agent}"}}"#);
    wait_for("staleness in Prometheus", PATIENCE, || {
        // In this order: once a second scrape has begun, the first is stored.
        let scrapes = scrapes(&demo.metrics()) - scrapes_then;
        let left = prometheus.query(&logon).len() + prometheus.query(&everything).len();
        assert!(left == 0 || scrapes < 2, "{left} series of {agent} after {scrapes} scrapes");
        if left == 0 { Ok(()) } else { Err(format!("{left} series of {agent}")) }
    });
    // It had been there a moment ago, and nothing else has gone: the look-back has not passed.
    assert_eq!(prometheus.query(&format!("last_over_time({logon}[1m])")).len(), 1);
    // A scrape that outlasts its second on a busy machine makes everything stale until the next.
    wait_for("the others in Prometheus", PATIENCE, || {
        let others = prometheus.query("axp_agent_itd_agent_logon_duration_seconds").len();
        let up = prometheus.query("up").into_values().collect::<Vec<_>>();
        if others > 0 && up == [1.0] { Ok(()) } else { Err(format!("{others} agents, up {up:?}")) }
    });

    assert!(demo.process.stop().success(), "{}", demo.process.stderr());
}

/// `/metrics` in a format, which has to be the one asked for.
#[track_caller]
fn scrape(demo: &Demo, accept: &str) -> Answer {
    let answer = request("GET", &demo.metrics_url, &[("Accept", accept)], "");
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap_or_default().replace(' ', "");
    assert_eq!(content_type.replace(";charset=utf-8", ""), accept);
    answer
}

/// The series of measures in an answer, each with its value, as they are written.
fn measures(body: &str) -> BTreeMap<String, f64> {
    let lines = body.lines().filter(|line| line.starts_with("axp_") && !line.starts_with("axp_exporter_"));
    let samples = lines.map(|line| line.rsplit_once(' ').expect("a sample has a value"));
    samples.map(|(series, value)| (series.to_owned(), value.parse().expect("a value is a number"))).collect()
}

/// How often Prometheus has scraped; it asks for OpenMetrics, the tests for text.
fn scrapes(body: &str) -> u64 {
    let line = body
        .lines()
        .find_map(|line| line.strip_prefix(r#"axp_exporter_scrapes_total{format="openmetrics"} "#));
    line.expect("scrapes are counted").parse().expect("a count")
}

/// A family as a reference parser sees it.
#[derive(Debug, Deserialize)]
struct Family {
    name: String,
    help: String,
    samples: Vec<(String, BTreeMap<String, String>, String)>,
}

impl Family {
    fn is_measure(&self) -> bool {
        self.name.starts_with("axp_") && !self.name.starts_with("axp_exporter_")
    }
}

/// Reads an answer with the reference parser of its format.
#[track_caller]
fn parse(format: &str, body: &str) -> Vec<Family> {
    let mut parser = python("peers/parse.py");
    parser.arg(format);
    let output = pipe(parser, body);
    assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("parse.py writes families")
}

/// Names, labels and values of the measures; none may come twice.
#[track_caller]
fn samples(families: &[Family]) -> BTreeMap<(&str, &BTreeMap<String, String>), &str> {
    let measures = families.iter().filter(|family| family.is_measure());
    let all: Vec<_> = measures.flat_map(|family| &family.samples).collect();
    let samples: BTreeMap<_, _> =
        all.iter().map(|(name, labels, value)| ((name.as_str(), labels), value.as_str())).collect();
    assert_eq!(samples.len(), all.len(), "series come twice");
    samples
}

/// A Prometheus server; unless it is told otherwise, it scrapes one target every second.
pub(crate) struct Prometheus {
    url: Url,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    #[track_caller]
    fn start(metrics_url: &str) -> Self {
        Self::start_with(metrics_url, &[])
    }

    /// The same, with files of rules that it evaluates every second.
    #[track_caller]
    pub(crate) fn start_with(metrics_url: &str, rules: &[PathBuf]) -> Self {
        let target = Url::parse(metrics_url).expect("a URL");
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: {rules:?}\n\
             scrape_configs: [{{job_name: axp, metrics_path: {:?}, static_configs: [{{targets: [{:?}]}}]}}]\n",
            target.path(),
            target.authority(),
        );
        std::fs::write(directory.path().join(CONFIGURATION), text).expect("the directory is ours");
        Self::start_in(directory)
    }

    /// One that a [`CONFIGURATION`] in this directory tells what to do; its data go there too.
    #[track_caller]
    pub(crate) fn start_in(directory: tempfile::TempDir) -> Self {
        let (process, address) = server::start("/-/ready", |address| {
            let mut command = tool("prometheus");
            command
                .arg(format!("--config.file={}", directory.path().join(CONFIGURATION).display()))
                .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .arg("--log.level=warn");
            command
        });
        let url = Url::parse(&format!("http://{address}")).expect("a URL");
        Self { url, _process: process, _directory: directory }
    }

    /// The data that an endpoint of the API answers with.
    #[track_caller]
    pub(crate) fn api(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = self.url.join("api/v1/").and_then(|api| api.join(endpoint)).expect("a URL");
        url.query_pairs_mut().extend_pairs(parameters);
        let answer = request("GET", url.as_str(), &[], "").ok();
        let mut answer: Value = serde_json::from_str(&answer).expect("Prometheus answers in JSON");
        answer["data"].take()
    }

    /// What a query gives now: series, written as in `/metrics`, with their values.
    #[track_caller]
    pub(crate) fn query(&self, query: &str) -> BTreeMap<String, f64> {
        let data = self.api("query", &[("query", query)]);
        let series = data["result"].as_array().expect("a vector").iter();
        series.map(|one| (written(&one["metric"]), number(&one["value"][1]))).collect()
    }
}

/// Labels of a query's result as a series of `/metrics`, which knows nothing of jobs.
fn written(metric: &Value) -> String {
    let labels = metric.as_object().expect("labels").iter();
    let labels = labels.filter(|(name, _)| !["__name__", "instance", "job"].contains(&name.as_str()));
    let labels: BTreeSet<_> = labels
        .map(|(name, value)| {
            let value = value.as_str().expect("a label's value is a text");
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            format!(r#"{name}="{value}""#)
        })
        .collect();
    let name = metric["__name__"].as_str().unwrap_or_default();
    format!("{name}{{{}}}", labels.into_iter().collect::<Vec<_>>().join(","))
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|value| value.parse().ok()).expect("a value is a number")
}
