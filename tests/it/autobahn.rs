//! The websocket as the exporter opens it, under the cases of the
//! [Autobahn testsuite](https://github.com/crossbario/autobahn-testsuite).
//!
//! Left out are 9.*, whose messages are longer than the limit that the exporter sets, and 12.*
//! and 13.*: it offers no compression.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axp_exporter::config::Config;
use axp_exporter::ingest::dial::{Dialer, Socket};
use axp_exporter::telemetry::Telemetry;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::support::{PATIENCE, Process, python};

/// What is run, and how many cases that are.
const CASES: [&str; 8] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
const CASES_COUNT: usize = 247;

/// How long one case may take. Those whose frames come in pieces take some seconds by design.
const CASE_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_websocket_passes_the_core_cases_of_autobahn() {
    let mut command = python("autobahn/serve.py");
    command.args(CASES);
    let server = Process::start(command);
    let port: u16 = server.read_until("port", |line| line.parse().ok());
    let base = Url::parse(&format!("ws://127.0.0.1:{port}/")).unwrap();
    let frame_bytes_max = usize::try_from(Config::default().limits.frame_bytes.get()).unwrap();
    let dialer = Dialer::new(None, None, frame_bytes_max, Telemetry::new(0).tls_errors()).unwrap();
    let open = async |path: &str| dialer.websocket(&base.join(path).unwrap()).await.unwrap();

    let mut counting = open("getCaseCount").await;
    let count = counting.next().await.unwrap().unwrap();
    assert_eq!(count.to_text().unwrap(), CASES_COUNT.to_string());
    drain(counting).await;
    for case in 1..=CASES_COUNT {
        let socket = open(&format!("runCase?case={case}&agent=axp-exporter")).await;
        let echoed = tokio::time::timeout(CASE_TIMEOUT, echo(socket)).await;
        assert!(echoed.is_ok(), "case {case} of {CASES_COUNT} does not end");
    }
    drain(open("updateReports?agent=axp-exporter").await).await;

    let report = server.read_until("report", |line| serde_json::from_str::<Vec<[String; 4]>>(line).ok());
    let ran: BTreeSet<_> = report.iter().map(|[case, ..]| case).collect();
    assert_eq!((report.len(), ran.len()), (CASES_COUNT, CASES_COUNT), "each case once");
    let mut outcomes = BTreeMap::<_, usize>::new();
    for [_, behaviour, closing, _] in &report {
        *outcomes.entry((behaviour.as_str(), closing.as_str())).or_default() += 1;
    }
    println!("autobahn: {} cases, by behaviour and closing: {outcomes:?}", report.len());
    let is_good = |verdict: &String| ["OK", "INFORMATIONAL", "NON-STRICT"].contains(&verdict.as_str());
    let failed = report.iter().filter(|[_, behaviour, closing, _]| !is_good(behaviour) || !is_good(closing));
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&[String; 4]>::new());
}

/// Sends back what comes, to the end of the connection, whatever that is like.
async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(_) | Message::Binary(_) = message
            && socket.send(message).await.is_err()
        {
            break;
        }
    }
}

/// Reads to the end of a connection that is not part of a case.
async fn drain(mut socket: Socket) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(PATIENCE, end).await.unwrap();
}
