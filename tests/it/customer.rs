//! A customer's day: the .deb is installed and filled in, and runs beside the servers that customers have, which are
//! configured as the package says. AXP goes away and comes back: the alert is raised and withdrawn, the series go and
//! come, and before and after all three stores have AXP's own numbers.
//!
//! AXP is the simulator, in this process: its rows are what everything else is held against.

mod alertmanager;
mod stores;

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use axp_exporter::simulator::{CentreOptions, Fault, Pairs, Simulator, SimulatorHandle, SimulatorOptions};
use regex::Regex;
use tempfile::TempDir;

use self::alertmanager::Alertmanager;
use self::stores::{OFFERED, Stores, WAITING};
use crate::packages::root::Root;
use crate::packages::{deb, metrics_url};
use crate::peers::CONFIGURATION;
use crate::support::{PATIENCE, Process, wait_for};

/// The story that the contact centre tells.
const SEED: u64 = 11;
/// What the package's configuration subscribes to: all that AXP lists.
const PRODUCERS: [&str; 4] =
    ["AgentByChannel_itd_1.0.0", "Agent_itd_1.0.0", "QueueByChannel_itd_1.0.0", "Queue_itd_1.0.0"];
/// How long rows outlive their feed, instead of minutes.
const STALE_AFTER: &str = "3s";
/// How long feeds may take to come back, which try again once a minute if everything has been slow, and the contact
/// centre to be as it is wanted.
const RETURN: Duration = Duration::from_secs(90);
/// AXP cannot be reached, from now on.
const OUTAGE: [&str; 2] =
    [r#"{"fault":"accept_then_close","at":"connection","times":null}"#, r#"{"fault":"reset"}"#];

/// A contact centre where nothing happens yet, and what `simulate` prints of it.
async fn contact_centre() -> (SimulatorHandle, String) {
    let options = SimulatorOptions {
        seed: Some(SEED),
        centre: CentreOptions { agents: 20, queues: 4, events_per_second: 400.0 },
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::bind(options).await.unwrap();
    let (handle, credentials) = (simulator.handle(), simulator.credentials());
    handle.pause();
    let account = format!(
        "api_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n",
        simulator.url(),
        credentials.account_id,
        credentials.client_id,
        credentials.client_secret,
        credentials.app_key,
    );
    tokio::spawn(simulator.run(std::future::pending()));
    (handle, account)
}

/// Replaces what has to be there.
#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} in\n{text}");
    text.replace(from, to)
}

/// Runs the program of the package, by its configuration: the account filled in, sinks added as docs/influx.md shows
/// them, and rows that go with their feed soon.
fn run_exporter(root: &Root, account: &str, stores: &[(&str, String)]) -> Process {
    let stale_after = format!("stale_after = \"{STALE_AFTER}\"\n\n[web]\n");
    let mut text = replaced(&root.fill_in(account), "[web]\n", &stale_after);
    for (name, url) in stores {
        write!(
            text,
            "\n[[influx]]\nname = {name:?}\ntarget = \"http\"\nurl = {url:?}\napi = \"v1\"\ndatabase = \"axp\"\n\
             on_delete = \"marker\"\n"
        )
        .unwrap();
    }
    fs::write(root.path("etc/axp-exporter/config.toml"), text).unwrap();
    let (code, said) = root.run(&["check"]);
    assert_eq!(code, 0, "{said}");
    Process::start(root.program(&["run"]))
}

/// The rules of the package, with alerts that wait for a second instead of minutes.
fn shortened(rules: &str) -> String {
    let waits = Regex::new(r"(?m)^( +)for: [1-9]\d*m$").unwrap();
    let shortened = waits.replace_all(rules, "${1}for: 1s").into_owned();
    let count = |text: &str| shortened.lines().filter(|line| line.trim_start().starts_with(text)).count();
    assert!(count("for: 1s") > 0 && count("for: 1s") == count("for: "), "{shortened}");
    shortened
}

/// A folder like /etc/prometheus, filled as the package's `prometheus.yml` says; that file and the rules are changed
/// in nothing but addresses and in how often and how long.
fn prometheus_folder(root: &Root, exporter: &str, alertmanager: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = root.path("usr/share/doc/axp-exporter/examples/prometheus.yml");
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in [
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ("127.0.0.1:9955", exporter),
        ("127.0.0.1:9093", alertmanager),
    ] {
        text = replaced(&text, from, to);
    }
    fs::write(folder.path().join(CONFIGURATION), text).unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let rules = |name: &str| {
        let text = fs::read_to_string(root.path("usr/share/axp-exporter/rules").join(name)).unwrap();
        (folder.path().join("rules").join(name), text)
    };
    let (path, text) = rules("alerts.yml");
    fs::write(path, shortened(&text)).unwrap();
    let (path, text) = rules("recording.yml");
    fs::write(path, text).unwrap();
    folder
}

/// Waits until Prometheus has it that every feed is up.
#[track_caller]
fn all_feeds_are_up(stores: &Stores, exporter: &Process) {
    wait_for("feeds that are up", PATIENCE, || {
        let up = stores.prometheus("axp_exporter_feed_up == 1", "measure_producer_id");
        let all = up.keys().map(String::as_str).eq(PRODUCERS);
        if all { Ok(()) } else { Err(format!("{up:?}\n{}", exporter.stderr())) }
    });
}

/// Lets things happen until every queue has other numbers than before, at a moment that is no reason for an alert:
/// lines are short and some agents ready, with room for what happens before the pause holds.
fn move_on(simulator: &SimulatorHandle) {
    let before = OFFERED.upstream(simulator);
    simulator.resume();
    wait_for("a good moment with new contacts in every queue", RETURN, || {
        let (now, waiting) = (OFFERED.upstream(simulator), WAITING.upstream(simulator));
        let is_ready = |measures: &Pairs| measures.contains(&("agentState".to_owned(), "READY".to_owned()));
        let agents = simulator.rows("Agent_itd_1.0.0");
        let ready = agents.iter().filter(|(_, measures)| is_ready(measures)).count();
        let have_moved = now.iter().all(|(queue, value)| before.get(queue) != Some(value));
        if have_moved && ready >= 3 && waiting.values().all(|waiting| *waiting <= 10.0) {
            Ok(())
        } else {
            Err(format!("{before:?}, then {now:?}; {waiting:?} wait, {ready} agents are ready"))
        }
    });
    simulator.pause();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_told_that_the_feed_is_lost_and_that_it_is_back_and_every_store_has_the_numbers_of_axp()
{
    let begun = Instant::now();
    let (simulator, account) = contact_centre().await;
    move_on(&simulator);
    let root = Root::new();
    fs::create_dir_all(root.path("var/lib")).unwrap();
    root.dpkg(&["--install", deb().to_str().unwrap()]);
    let alertmanager = Alertmanager::start();
    let (influxdb, victoria) = Stores::start_databases();
    let sinks = [("main", influxdb.url()), ("victoria", victoria.url())];
    let exporter = run_exporter(&root, &account, &sinks);
    let url = metrics_url(&exporter);
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap();
    let folder = prometheus_folder(&root, address, alertmanager.address());
    let stores = Stores::of(folder, influxdb, victoria);
    let passed = |what: &str| println!("{what} after {:.1?}", begun.elapsed());
    passed("everything runs");

    // All is well.
    all_feeds_are_up(&stores, &exporter);
    stores.agree_with(&simulator);
    wait_for("quiet", PATIENCE, || {
        let (at_hand, sent) = (stores.prometheus("ALERTS", "alertname"), alertmanager.alerts());
        if at_hand.is_empty() && sent.is_empty() { Ok(()) } else { Err(format!("{at_hand:?}, {sent:?}")) }
    });
    passed("all is well");

    // AXP goes away, and life goes on there.
    for fault in OUTAGE {
        let fault: Fault = serde_json::from_str(fault).unwrap();
        simulator.inject(fault).unwrap();
    }
    let lost = PRODUCERS.map(|producer| ("AxpFeedDown".to_owned(), producer.to_owned())).into();
    alertmanager.wait_for("an alert for each feed", PATIENCE, |alerts| *alerts == lost);
    passed("somebody was called");
    stores.show_nothing(&simulator);
    passed("the series are gone");
    move_on(&simulator);

    // AXP is back. Prometheus has told the Alertmanager to keep the alert for four minutes, unless it hears otherwise.
    simulator.inject(Fault::Clear {}).unwrap();
    passed("AXP is back");
    alertmanager.wait_for("end of the alerts", RETURN, |alerts| alerts.is_disjoint(&lost));
    passed("the alerts have ended");
    stores.agree_with(&simulator);
    all_feeds_are_up(&stores, &exporter);
    passed("all is well again");
}
