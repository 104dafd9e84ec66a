//! Boards in a real InfluxDB 1 that an exporter fed by the simulator writes to.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::board::{Board, of_all, substituted};
use super::floor;
use crate::influx::servers::{Kind, Server};
use crate::rig::{Rig, wait_for as rig_wait_for};
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
/// What `$__interval` becomes, and how far back `$timeFilter` goes.
const INTERVAL: &str = "1s";
const RANGE_MS: u128 = 600_000;

/// The series that a query gives, its variables filled in as Grafana does.
fn ask(server: &Server, query: &str) -> Vec<Value> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let range = format!("time >= {}ms and time <= {now}ms", now - RANGE_MS);
    let query = query.replace("$timeFilter", &range).replace("$__interval", INTERVAL);
    server.influxql(&query).as_array().cloned().unwrap_or_default()
}

/// The values of a series, each with its time.
fn values(series: &Value) -> Vec<(i64, &[Value])> {
    let rows = series["values"].as_array().unwrap().iter().map(|row| row.as_array().unwrap());
    rows.map(|row| (row[0].as_i64().unwrap(), &row[1..])).collect()
}

/// The one number that a panel shows.
fn number(server: &Server, boards: &[Board], file: &str, panel: &str) -> f64 {
    let board = boards.iter().find(|board| board.file == file).unwrap();
    let target = board.targets().find(|target| target.panel == panel).unwrap();
    ask(server, &of_all(target.query))[0]["values"][0][1].as_f64().unwrap()
}

/// The sum of the samples of `/metrics` that begin so and have this label.
async fn total(rig: &Rig, begin: &str, label: &str) -> f64 {
    let samples = rig.samples(begin).await;
    let samples = samples.iter().filter(|sample| sample.contains(label));
    samples.map(|sample| sample.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_has_data_in_order_of_time_and_the_numbers_are_those_of_metrics() {
    let server = Server::start(Kind::InfluxDb);
    server.influxql("CREATE DATABASE axp");
    let rig = floor(&format!(
        "[[influx]]\nname = \"main\"\nurl = {:?}\napi = \"v1\"\ndatabase = \"axp\"\nflush_interval = \"50ms\"\n",
        server.url()
    ))
    .await;
    rig.simulator.resume();
    let boards = Board::of("influxdb");
    for board in &boards {
        for target in board.targets() {
            let what = format!("data in {}: {}", board.title(), target.panel);
            wait_for(&what, PATIENCE, || {
                let series = ask(&server, &of_all(target.query));
                let found =
                    series.iter().flat_map(values).any(|(_, row)| row.iter().any(|value| !value.is_null()));
                if found { Ok(()) } else { Err(target.query.to_owned()) }
            });
            for series in ask(&server, &of_all(target.query)) {
                // Without the order a panel draws a scribble: InfluxDB 1 does not always keep it.
                let times: Vec<_> = values(&series).into_iter().map(|(time, _)| time).collect();
                assert!(times.is_sorted_by(|one, next| one < next), "{what}: {}", target.query);
            }
        }
        the_choices_choose(&server, board);
    }

    rig.simulator.pause();
    let waiting = r#"axp_exporter_influx_queue_bytes{sink="main"}"#;
    rig_wait_for("delivery of all lines", || async { rig.value(waiting).await == 0.0 }).await;
    for (file, panel, shown) in [
        ("influxdb/queues.json", "Waiting", total(&rig, "axp_queue_itd_contacts_queueing{", "").await),
        ("influxdb/queues.json", "Offered", total(&rig, "axp_queue_itd_offered{", "").await),
        (
            "influxdb/agents.json",
            "Ready",
            total(&rig, "axp_agent_itd_agent_state{", r#"state="READY""#).await,
        ),
    ] {
        wait_for(panel, PATIENCE, || {
            let found = number(&server, &boards, file, panel);
            if found == shown { Ok(()) } else { Err(format!("{found}, {shown} in /metrics")) }
        });
    }
}

/// Each variable offers something, and what it offers can be asked for.
fn the_choices_choose(server: &Server, board: &Board) {
    let chosen: BTreeMap<_, _> = board
        .variables()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let series = ask(server, &of_all(variable["query"].as_str().unwrap()));
            let value = series[0]["values"][0][1].as_str().unwrap();
            // As Grafana writes several of them.
            (variable["name"].as_str().unwrap(), format!("({value}|{value})"))
        })
        .collect();
    for target in board.targets() {
        ask(server, &substituted(target.query, |name| chosen.get(name).cloned()));
    }
}
