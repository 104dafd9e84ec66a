//! Real servers: what is written to InfluxDB 1 and `VictoriaMetrics` is what is read back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use axp_exporter::label::labels::Labels;
use axp_exporter::sink::line::{self, Field};
use influxdb_line_protocol::{FieldValue, parse_lines};
use serde_json::Value;
use url::Url;

use super::bench::{Bench, Books};
use crate::rig::{Rig, wait_for as rig_wait_for};
use crate::server;
use crate::support::{PATIENCE, Process, request, tool, wait_for};

/// Which server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    InfluxDb,
    VictoriaMetrics,
}

/// A server with a folder of its own, on loopback.
pub(crate) struct Server {
    kind: Kind,
    address: SocketAddr,
    process: Process,
    folder: tempfile::TempDir,
}

impl Kind {
    fn command(self, folder: &Path, address: SocketAddr) -> Command {
        match self {
            Self::InfluxDb => {
                let config = folder.join("influxdb.conf");
                let text = format!(
                    "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
                     [meta]\ndir = \"{data}/meta\"\n[data]\ndir = \"{data}/data\"\nwal-dir = \"{data}/wal\"\n\
                     [http]\nbind-address = \"{address}\"\nlog-enabled = false\n\
                     [monitor]\nstore-enabled = false\n[logging]\nlevel = \"error\"\n",
                    data = folder.join("data").display()
                );
                std::fs::write(&config, text).unwrap();
                let mut command = tool("influxd");
                command.arg("run").arg("-config").arg(config);
                command
            }
            Self::VictoriaMetrics => {
                let mut command = tool("victoria-metrics");
                command
                    .arg(format!("-storageDataPath={}", folder.join("data").display()))
                    .arg(format!("-httpListenAddr={address}"))
                    .args(["-search.latencyOffset=0s", "-search.disableCache", "-loggerLevel=ERROR"]);
                command
            }
        }
    }

    const fn ready_path(self) -> &'static str {
        match self {
            Self::InfluxDb => "/ping",
            Self::VictoriaMetrics => "/health",
        }
    }
}

impl Server {
    #[track_caller]
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, address) =
            server::start(kind.ready_path(), |address| kind.command(folder.path(), address));
        Self { kind, address, process, folder }
    }

    /// Stops it.
    fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it again, with the data it had.
    #[track_caller]
    fn start_again(&mut self) {
        let command = self.kind.command(self.folder.path(), self.address);
        let started = server::start_at(self.address, self.kind.ready_path(), command);
        self.process = started.unwrap_or_else(|said| panic!("{said}"));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The JSON that a query answers with.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = Url::parse(&self.url()).and_then(|base| base.join(path)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let answer = request(method, url.as_str(), &[], "").ok();
        serde_json::from_str(&answer).unwrap_or_else(|err| panic!("{err}: {answer}"))
    }

    /// What an `InfluxQL` query gives.
    #[track_caller]
    pub(crate) fn influxql(&self, query: &str) -> Value {
        let answer = self.ask("POST", "/query", &[("q", query), ("db", "axp"), ("epoch", "ns")]);
        let result = answer["results"][0].clone();
        assert_eq!(result["error"], Value::Null, "{query}");
        result["series"].clone()
    }
}

/// Points by measurement, tags and time, each with its fields.
type Points = BTreeMap<(String, BTreeMap<String, String>, i64), BTreeMap<String, Value>>;

/// The points of lines, as the parser of InfluxDB 3 reads them.
fn points_of(lines: &str) -> Points {
    let mut points = Points::new();
    for line in parse_lines(lines) {
        let line = line.unwrap();
        let tags = line.series.tag_set.iter().flatten();
        let tags = tags.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let fields = line.field_set.iter().map(|(name, value)| {
            let value = match value {
                FieldValue::F64(number) => Value::from(*number),
                FieldValue::Boolean(value) => Value::from(*value),
                FieldValue::String(text) => Value::from(text.to_string()),
                other => panic!("{other:?}"),
            };
            (name.to_string(), value)
        });
        let key = (line.series.measurement.to_string(), tags, line.timestamp.unwrap());
        assert!(points.insert(key, fields.collect()).is_none(), "two lines of a series at one time: {line}");
    }
    points
}

/// Every point that InfluxDB has.
fn points_in(server: &Server) -> Points {
    let mut points = Points::new();
    let series = server.influxql("SELECT * FROM /.*/ GROUP BY *");
    for one in series.as_array().into_iter().flatten() {
        let columns = one["columns"].as_array().unwrap();
        let tags = one["tags"].as_object().into_iter().flatten();
        let tags = tags.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        // A series without a tag has it as an empty one.
        let tags: BTreeMap<_, _> = tags.filter(|(_, value)| !value.is_empty()).collect();
        for row in one["values"].as_array().unwrap() {
            let (time, values) = row.as_array().unwrap().split_first().unwrap();
            let row = columns.iter().skip(1).zip(values).filter(|(_, value)| !value.is_null());
            let fields = row.map(|(name, value)| {
                let value = value.as_f64().map_or_else(|| value.clone(), Value::from);
                (name.as_str().unwrap().to_owned(), value)
            });
            let key = (one["name"].as_str().unwrap().to_owned(), tags.clone(), time.as_i64().unwrap());
            points.insert(key, fields.collect());
        }
    }
    points
}

fn unix_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// Lines with everything that is hard to write or to read.
fn hard_lines(time: i64) -> String {
    let texts = [
        "plain",
        "with space",
        "a,b=c",
        "\"quoted\"",
        "#1",
        "Grüße 🎧",
        "DOMAIN\\user",
        "it's",
        " edge ",
        "x\u{a0}y",
    ];
    let numbers =
        [0.0, -1.5, 1e300, 5e-324, 1e-7, 9_007_199_254_740_993.0, 1_643_645_393.849, f64::MAX, f64::MIN];
    let mut out = Vec::new();
    for (index, text) in (0..).zip(texts) {
        let labels: Labels =
            [("account_id", "EZCLTR"), ("agent", text), ("_field", text)].into_iter().collect();
        let fields = [
            ("number", Field::Number(numbers[usize::try_from(index).unwrap() % numbers.len()])),
            ("text", Field::Text(text)),
            ("hard", Field::Text("say \"hi\" \\ , = \\\"")),
            ("flag", Field::Boolean(index % 2 == 0)),
            ("time", Field::Number(1.0)),
        ];
        assert!(line::write(&mut out, "agent_itd", &labels, fields.into_iter(), time + index));
        line::write_retired(&mut out, "agent_itd", &labels, time + 100 + index);
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_gives_back_every_value_and_type() {
    let server = Server::start(Kind::InfluxDb);
    server.influxql("CREATE DATABASE axp");
    let lines = hard_lines(unix_ns());
    let mut bench =
        Bench::start(&format!("url = {:?}\napi = \"v1\"\ndatabase = \"axp\"", server.url())).await;
    lines.split_inclusive('\n').for_each(|line| bench.send(line));
    assert_eq!(bench.settled().await, Books::all_written(20));
    assert_eq!(points_in(&server), points_of(&lines));
    let types = server.influxql("SHOW FIELD KEYS FROM agent_itd");
    let types: BTreeMap<_, _> = types[0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap()))
        .collect();
    let expected = [
        ("exported_time", "float"),
        ("flag", "boolean"),
        ("hard", "string"),
        ("number", "float"),
        ("retired", "boolean"),
        ("text", "string"),
    ];
    assert_eq!(types, expected.into());

    // A value of another type is refused, alone.
    let mut poisoned = Vec::new();
    for (index, field) in [Field::Number(1.0), Field::Text("x"), Field::Number(2.0)].into_iter().enumerate() {
        let time = unix_ns() + i64::try_from(index).unwrap();
        line::write(&mut poisoned, "agent_itd", &Labels::new(), std::iter::once(("number", field)), time);
    }
    let poisoned = String::from_utf8(poisoned).unwrap();
    poisoned.split_inclusive('\n').for_each(|line| bench.send(line));
    assert_eq!(bench.settled().await, Books { made: 23, written: 22, rejected: 1, dropped: 0, waiting: 0 });
    assert_eq!(points_in(&server).len(), 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn influxdb_has_every_line_once_after_an_outage_in_the_middle_of_a_feed() {
    let mut server = Server::start(Kind::InfluxDb);
    server.influxql("CREATE DATABASE axp");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let mut rig = Rig::start(&format!(
        "[[influx]]\nname = \"main\"\nurl = {:?}\napi = \"v1\"\ndatabase = \"axp\"\nflush_interval = \"50ms\"\nspool_dir = {:?}\n\
         [[influx]]\nname = \"reference\"\ntarget = \"file\"\npath = {path:?}\nflush_interval = \"50ms\"\non_delete = \"none\"\n",
        server.url(),
        folder.path().join("spool"),
    ))
    .await;
    rig.ready().await;
    rig.simulator.resume();
    let value = |name: &'static str| format!(r#"axp_exporter_influx_{name}{{sink="main"}}"#);
    let written = r#"axp_exporter_influx_lines_total{sink="main",outcome="written"}"#;
    rig_wait_for("lines", || async { rig.value(written).await > 50.0 }).await;
    server.stop();
    rig_wait_for("lines on disk", || async { rig.value(&value("spool_bytes")).await > 10_000.0 }).await;
    assert_eq!(rig.value(&value("up")).await, 0.0);
    server.start_again();
    rig_wait_for("an empty spool", || async { rig.value(&value("spool_bytes")).await == 0.0 }).await;
    assert_eq!(rig.value(&value("up")).await, 1.0);
    rig.simulator.pause();
    rig.stop().await;
    let reference = points_of(&std::fs::read_to_string(&path).unwrap());
    let found = points_in(&server);
    assert!(reference.len() > 100, "{} lines", reference.len());
    assert_eq!(found.len(), reference.len());
    assert_eq!(found, reference);
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_gives_back_numbers_and_flags_by_promql() {
    let server = Server::start(Kind::VictoriaMetrics);
    for (api, extra) in [
        ("api = \"v1\"\ndatabase = \"axp\"", Some(("db", "axp"))),
        ("api = \"v2\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"t\"", None),
    ] {
        let now = unix_ns();
        let lines = hard_lines(now);
        let mut bench = Bench::start(&format!("url = {:?}\n{api}", server.url())).await;
        lines.split_inclusive('\n').for_each(|line| bench.send(line));
        assert_eq!(bench.settled().await, Books::all_written(20));
        request("GET", &format!("{}/internal/force_flush", server.url()), &[], "").ok();

        let mut expected = BTreeMap::new();
        for ((measurement, mut tags, _), fields) in points_of(&lines) {
            tags.extend(extra.map(|(name, value)| (name.to_owned(), value.to_owned())));
            for (name, value) in fields {
                // Texts are zeros to it.
                let value = value.as_f64().unwrap_or(f64::from(u8::from(value == true)));
                expected.insert((format!("{measurement}_{name}"), tags.clone()), value);
            }
        }
        let time = format!("{}", (now + 1_000_000_000) / 1_000_000_000);
        let found = wait_for("all series", PATIENCE, || {
            let select = if extra.is_some() { "db=\"axp\"" } else { "db=\"\"" };
            let query =
                format!("last_over_time({{__name__=~\"agent_itd_.+\",{select}}}[5m]) keep_metric_names");
            let answer =
                server.ask("GET", "/api/v1/query", &[("query", &query), ("time", &time), ("nocache", "1")]);
            let series = answer["data"]["result"].as_array().expect("a vector").clone();
            if series.len() == expected.len() {
                Ok(series)
            } else {
                Err(format!("{} of {}", series.len(), expected.len()))
            }
        });
        for one in found {
            let mut labels: BTreeMap<String, String> = serde_json::from_value(one["metric"].clone()).unwrap();
            let name = labels.remove("__name__").unwrap();
            let value: f64 = one["value"][1].as_str().unwrap().parse().unwrap();
            let wanted = expected.remove(&(name.clone(), labels.clone()));
            let wanted = wanted.unwrap_or_else(|| panic!("{name} {labels:?} was not written"));
            // It keeps some fifteen digits, and the least numbers not at all.
            assert!(
                (value - wanted).abs() <= wanted.abs() * 1e-12 + f64::MIN_POSITIVE,
                "{name} {labels:?}: {value} for {wanted}"
            );
        }
        assert_eq!(expected, BTreeMap::new());
    }
}
