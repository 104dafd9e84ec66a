//! The end of the process, whenever it comes: told to stop in any phase it leaves nothing behind in time,
//! told twice it goes at once, and killed again and again it begins anew with what it had.

use std::time::Duration;

use axp_exporter::simulator::{Operation, Simulator};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::commands::write_config;
use crate::front::Front;
use crate::rig::{AGENTS, Rig, simulator, wait_for};
use crate::session::start;
use crate::support::{Process, exporter, wait_for as wait};

/// How long the program may take to end: its own bounds, as systemd is told, and a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(15);

/// Stops the exporter in time; in the end no subscription is left at AXP.
async fn stops(rig: &mut Rig, when: &str) {
    tokio::time::timeout(END_TIMEOUT, rig.stop_app()).await.unwrap_or_else(|_| panic!("no end {when}"));
    wait_for("the end of all subscriptions", || async { rig.simulator.subscriptions().is_empty() }).await;
    rig.stop().await;
}

#[tokio::test]
async fn while_axp_takes_its_time_with_an_answer_a_stop_does_not_wait_for_it() {
    for (operation, when) in
        [(Operation::Token, "in a request for a token"), (Operation::Producers, "in discovery")]
    {
        let name = serde_json::to_string(&operation).unwrap();
        let producers = if operation == Operation::Token { AGENTS } else { "" };
        let delay = format!(r#"{{"fault":"delay","operation":{name},"seconds":60}}"#);
        let mut rig = Rig::start_with(producers, &[&delay], &[]).await;
        wait_for("the request", || async { rig.requests(operation) == 1 }).await;
        stops(&mut rig, when).await;
    }
}

#[tokio::test]
async fn a_subscription_that_is_being_made_at_a_stop_is_ended() {
    let mut rig = start(&[r#"{"fault":"delay","operation":"create","seconds":1}"#]).await;
    wait_for("the request", || async { rig.requests(Operation::Create) == 1 }).await;
    stops(&mut rig, "in a creation").await;
    assert_eq!(rig.requests(Operation::Delete), 1);
}

#[tokio::test]
async fn a_stop_between_subscription_and_snapshot_ends_the_subscription() {
    // What the websocket's server does with the request, and when to stop.
    for phase in ["dialling", "authenticating", "snapshot"] {
        let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
        let _open: Box<dyn std::any::Any> = match phase {
            "dialling" => Box::new(front.request().await),
            "authenticating" => Box::new(front.open().await),
            _ => Box::new(front.let_in().await),
        };
        if phase == "snapshot" {
            wait_for("the feed", || rig.is_up()).await;
        }
        assert_eq!(rig.simulator.subscriptions().len(), 1, "{phase}");
        stops(&mut rig, phase).await;
    }
}

#[tokio::test]
async fn a_request_for_metrics_that_never_comes_to_its_end_does_not_keep_a_stop() {
    let mut rig = start(&[]).await;
    rig.ready().await;
    let mut stream = TcpStream::connect(rig.address()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").await.unwrap();
    stops(&mut rig, "in a scrape").await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or_default(), 0, "it is hung up");
}

/// The configuration of a program that asks this simulator.
fn configuration(simulator: &Simulator, more: &str) -> String {
    let credentials = simulator.credentials();
    format!(
        "{more}\n[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n",
        simulator.url(),
        credentials.account_id,
        credentials.client_id,
        credentials.client_secret,
        credentials.app_key,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_twice_to_stop_goes_at_once() {
    let simulator = simulator().await;
    let handle = simulator.handle();
    handle
        .inject(serde_json::from_str(r#"{"fault":"delay","operation":"delete","seconds":60}"#).unwrap())
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = configuration(&simulator, &format!("{AGENTS}[web]\nlisten = \"127.0.0.1:0\"\n"));
    let config = write_config(folder.path(), &text);
    tokio::spawn(simulator.run(std::future::pending()));
    let mut process = Process::start(exporter(["run", "-c", &config]));
    let logged = |process: &Process, part: &str| {
        wait(part, END_TIMEOUT, || {
            let log = process.stderr();
            if log.contains(part) { Ok(()) } else { Err(log) }
        });
    };
    logged(&process, "feed up");
    process.signal("TERM");
    logged(&process, "stopping");
    let status = process.stop_by("INT");
    assert_eq!(status.code(), Some(70), "{}", process.stderr());
    assert!(!process.stderr().contains("stopped"), "it did not wait: {}", process.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_no_subscription_and_tears_no_line() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let simulator = simulator().await;
    let handle = simulator.handle();
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines.lp");
    let state = folder.path().join("subscriptions.json");
    let more = format!(
        "[[producer]]\nid = \"Agent_itd_1.0.0\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n\
         [web]\nlisten = \"127.0.0.1:0\"\n\
         [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\nflush_interval = \"10ms\"\n"
    );
    let text = configuration(&simulator, &more) + &format!("state_file = {state:?}\n");
    let config = write_config(folder.path(), &text);
    tokio::spawn(simulator.run(std::future::pending()));
    for _ in 0..12 {
        let process = Process::start(exporter(["run", "-c", &config]));
        tokio::time::sleep(Duration::from_millis(random.random_range(20..700))).await;
        // Dropped, it is killed.
        drop(process);
    }
    let mut process = Process::start(exporter(["run", "-c", &config]));
    wait("both feeds", END_TIMEOUT, || {
        let log = process.stderr();
        if log.matches("feed up").count() == 2 { Ok(()) } else { Err(log) }
    });
    assert_eq!(handle.subscriptions().len(), 2, "each is found again: {}", process.stderr());
    assert!(process.stop().success(), "{}", process.stderr());
    assert_eq!(handle.subscriptions().len(), 0, "nothing is left: {}", process.stderr());
    let text = std::fs::read_to_string(&lines).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() > 10, "{text}");
    for line in influxdb_line_protocol::parse_lines(&text) {
        line.unwrap_or_else(|err| panic!("{err} in {text}"));
    }
}
