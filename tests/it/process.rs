//! The end of the process, whenever it comes: told to stop in any phase it leaves nothing behind in time,
//! told twice it goes at once, and killed again and again it begins anew with what it had. And clocks
//! that are set meanwhile.

use std::collections::HashMap;
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
use crate::support::{Process, exporter, get, tool, wait_for as wait};

/// How long the program may take to end: its own bounds, as systemd is told, and a busy machine.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(30);

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
pub(crate) fn configuration(simulator: &Simulator, more: &str) -> String {
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

#[test]
fn a_disk_that_hangs_at_the_start_does_not_keep_a_stop() {
    for command in ["run", "telegraf"] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        // Who opens a pipe waits for its other end.
        assert!(tool("mkfifo").arg(&state).status().unwrap().success());
        let config = format!(
            "[axp]\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\nclient_secret = \"a\"\napp_key = \"b\"\n\
             state_file = {state:?}\n"
        );
        let config = write_config(folder.path(), &config);
        let (mut process, _stdin) = Process::start_unread(exporter([command, "-c", &config]));
        wait("lock", END_TIMEOUT, || {
            if state.with_extension("lock").exists() { Ok(()) } else { Err(process.stderr()) }
        });
        process.signal("TERM");
        let status = wait("end", END_TIMEOUT, || process.ended().ok_or_else(|| process.stderr()));
        assert_eq!(status.code(), Some(0), "{command}: {}", process.stderr());
    }
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

/// Where its metrics are.
pub(crate) fn metrics_url(process: &Process) -> String {
    wait("URL", END_TIMEOUT, || {
        let log = process.stderr();
        log.split_once("url=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).ok_or(log)
    })
}

/// The library that shows a program another clock.
fn faketime() -> String {
    let libraries = tool("sh").args(["-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"]).output().unwrap();
    let library = String::from_utf8(libraries.stdout).unwrap();
    assert!(!library.is_empty(), "libfaketime is missing: run tests/run, which installs it");
    library.lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_costs_no_row_and_turns_no_line_back() {
    let simulator = simulator().await;
    let handle = simulator.handle();
    let folder = tempfile::tempdir().unwrap();
    let (lines, clock) = (folder.path().join("lines.lp"), folder.path().join("clock"));
    let set_clock = |offset: &str| {
        // At once, since it is read at each look at the clock.
        let new = folder.path().join("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &clock).unwrap();
    };
    let more = format!(
        "{AGENTS}[web]\nlisten = \"127.0.0.1:0\"\n\
         [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\nflush_interval = \"10ms\"\n"
    );
    let config = write_config(folder.path(), &configuration(&simulator, &more));
    tokio::spawn(simulator.run(std::future::pending()));
    // It is started with a clock that is years behind.
    set_clock("-6y");
    let mut command = exporter(["run", "-c", &config]);
    command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", &clock);
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut process = Process::start(command);
    let url = metrics_url(&process);
    let agents = || {
        let page = get(&url).ok();
        let rows =
            page.lines().filter(|line| line.starts_with("axp_agent_itd_agent_logon_duration_seconds{"));
        (rows.count(), page)
    };
    for offset in ["-6y", "+0", "+3600", "-3600", "+2y", "+0"] {
        set_clock(offset);
        let length = std::fs::metadata(&lines).map_or(0, |file| file.len());
        wait("lines and rows after the clock was set", END_TIMEOUT, || {
            let (rows, page) = agents();
            let grows = std::fs::metadata(&lines).is_ok_and(|file| file.len() > length);
            if grows && rows == handle.rows("Agent_itd_1.0.0").len() {
                Ok(())
            } else {
                Err(format!("{offset}: {rows} rows, {page}"))
            }
        });
    }
    assert!(process.stop().success());
    let log = process.stderr();
    assert!(!log.contains("feed lost") && !log.contains("the machine slept"), "{log}");
    let text = std::fs::read_to_string(&lines).unwrap();
    let mut last: HashMap<&str, i64> = HashMap::new();
    for line in text.lines() {
        let (series, _) = line.split_once(' ').unwrap();
        let time = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        let before = last.insert(series, time);
        assert!(before.is_none_or(|before| before < time), "{before:?} before {line}");
    }
}
