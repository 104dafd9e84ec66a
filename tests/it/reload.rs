//! The configuration read anew while the exporter runs: what changes at once, what never breaks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use axp_exporter::simulator::Operation;
use flate2::read::GzDecoder;
use tempfile::tempdir;

use crate::commands::{simulator as simulate, write_config};
use crate::hang::Hang;
use crate::rig::{AGENTS, PATIENCE, Rig, between, wait_for as wait_until};
use crate::support::{Answer, Process, exporter, get, request, wait_for};

/// A rule that gives agents one more label.
const SITE: &str =
    "[[relabel]]\nsource_labels = [\"account_id\"]\ntarget_label = \"site\"\nreplacement = \"north\"\n";
const LOGON: &str = "axp_agent_itd_agent_logon_duration_seconds{";

/// The configuration of a rig with something in front of it.
fn with(rig: &Rig, more: &str) -> String {
    format!("{more}\n{}", rig.configuration())
}

#[tokio::test]
async fn labels_change_at_once_without_a_gap_and_the_feed_stays() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let before = rig.samples(LOGON).await;
    let stopped = AtomicBool::new(false);
    // Who scrapes all the while sees all of the old or all of the new.
    let look = async {
        let mut seen = BTreeSet::new();
        while !stopped.load(Ordering::Relaxed) {
            let samples = rig.samples(LOGON).await;
            assert_eq!(samples.len(), before.len(), "{samples:?}");
            let labelled = samples.iter().filter(|sample| sample.contains("site=\"north\"")).count();
            assert!(labelled == 0 || labelled == samples.len(), "{samples:?}");
            seen.insert(labelled > 0);
        }
        seen
    };
    let reload = async {
        for round in 0..5 {
            let text = if round % 2 == 0 { with(&rig, SITE) } else { rig.configuration().to_owned() };
            rig.reload(&text).await.unwrap();
            let labelled = rig.samples(LOGON).await.iter().filter(|sample| sample.contains("site=")).count();
            assert_eq!(labelled > 0, round % 2 == 0);
        }
        stopped.store(true, Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(look, reload);
    assert_eq!(seen, BTreeSet::from([false, true]));
    assert_eq!(rig.requests(Operation::Create), 1, "nothing was to be read anew");
    assert_eq!(rig.of_agents("feed_up", "").await, 1.0);
    assert_eq!(rig.reconnects("replaced").await, 0.0);
    assert_eq!(rig.of_agents("rows_retired_total", "cause=\"reload\"").await, 0.0);
    rig.stop().await;
}

#[tokio::test]
async fn what_was_not_kept_is_brought_by_another_session_beside_the_first() {
    let narrow = "[[producer]]\nid = \"Agent_itd_1.0.0\"\nallow = [\"agentLogonDuration\"]\n";
    let mut rig = Rig::start(narrow).await;
    rig.ready().await;
    assert!(rig.samples("axp_agent_itd_agent_state{").await.is_empty());
    let agents = rig.samples(LOGON).await.len();
    let said =
        rig.reload(&rig.configuration().replace("allow = [\"agentLogonDuration\"]\n", "")).await.unwrap();
    assert!(said.contains("1 feed to be read anew"), "{said}");
    let has_states = || async {
        assert_eq!(rig.samples(LOGON).await.len(), agents, "what was there stays");
        assert!(rig.is_up().await);
        !rig.samples("axp_agent_itd_agent_state{").await.is_empty()
    };
    wait_until("the states", has_states).await;
    wait_until("the first session to end", || async { rig.reconnects("replaced").await == 1.0 }).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_measure_that_is_denied_is_gone_at_once() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    assert!(!rig.samples("axp_agent_itd_agent_state{").await.is_empty());
    let denied = rig.configuration().replace(AGENTS, &format!("{AGENTS}deny = [\"agentState\"]\n"));
    rig.reload(&denied).await.unwrap();
    assert!(rig.samples("axp_agent_itd_agent_state{").await.is_empty());
    assert!(!rig.samples(LOGON).await.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let (successful, at) = (
        "axp_exporter_config_last_reload_successful",
        "axp_exporter_config_last_reload_success_timestamp_seconds",
    );
    assert_eq!(rig.value(successful).await, 1.0, "that of the start counts");
    let started = rig.value(at).await;
    assert!(started > 1.6e9);
    let err = rig.reload(&with(&rig, &format!("{SITE}action = \"replaces\"\n"))).await.unwrap_err();
    assert!(err.contains("relabel") && err.contains("\"replaces\""), "{err}");
    assert_eq!((rig.value(successful).await, rig.value(at).await), (0.0, started));
    assert!(rig.samples(LOGON).await.iter().all(|sample| !sample.contains("site=")));
    rig.reload(&with(&rig, SITE)).await.unwrap();
    assert_eq!(rig.value(successful).await, 1.0);
    assert!(rig.value(at).await > started);
    rig.stop().await;
}

#[tokio::test]
async fn personal_data_is_gone_with_the_reload_that_drops_it() {
    let mut rig = Rig::start(&format!("[privacy]\npersonal = \"keep\"\n{AGENTS}")).await;
    rig.ready().await;
    let names = rig.samples("axp_agent_itd_info{").await;
    assert!(names[0].contains("agent_first_name=\""), "{names:?}");
    let first = between(&names[0], "agent_first_name=\"", "\"");
    rig.reload(&rig.configuration().replace("\"keep\"", "\"drop\"")).await.unwrap();
    let (_, body) = rig.get("/metrics").await;
    assert!(
        !body.contains(&format!("\"{first}\"")) && !body.contains("agent_first_name"),
        "{first} in {body}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn producers_come_and_go() {
    let queues = "[[producer]]\nid = \"Queue_itd_1.0.0\"\n";
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let other = rig.configuration().replace(AGENTS, queues);
    let said = rig.reload(&other).await.unwrap();
    assert!(said.contains("1 feed begun, 1 feed ended"), "{said}");
    assert!(rig.samples("axp_agent_itd_").await.is_empty(), "its rows are gone at once");
    wait_until("the queues", || async { !rig.samples("axp_queue_itd_contacts_queueing{").await.is_empty() })
        .await;
    wait_until("the agents' own series to go", || async {
        let (_, body) = rig.get("/metrics").await;
        !body.contains("Agent_itd_1.0.0")
    })
    .await;
    wait_until("its subscription to end", || async { rig.requests(Operation::Delete) == 1 }).await;
    rig.ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn rows_of_a_producer_that_goes_are_retired_by_name_unless_it_is_personal_now() {
    for (personal, are_named) in [("keep", true), ("drop", false)] {
        let folder = tempdir().unwrap();
        let lines = folder.path().join("lines.lp");
        let sink = format!(
            "[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\non_delete = \"marker\"\n"
        );
        let agents = format!("{AGENTS}labels = [\"agentFirstName\"]\n");
        let mut rig = Rig::start(&format!("[privacy]\npersonal = \"keep\"\n{agents}{sink}")).await;
        rig.ready().await;
        let other = rig.configuration().replace("\"keep\"", &format!("{personal:?}"));
        let other = other.replace(&agents, "[[producer]]\nid = \"Queue_itd_1.0.0\"\n");
        rig.reload(&other).await.unwrap();
        wait_until("its end", || async { !rig.get("/metrics").await.1.contains("Agent_itd_1.0.0") }).await;
        rig.stop().await;
        let text = std::fs::read_to_string(&lines).unwrap();
        assert!(text.contains("agent_first_name="), "{text}");
        let mut markers = text.lines().filter(|line| line.contains(" retired=true "));
        assert_eq!(markers.any(|line| line.contains("agent_first_name=")), are_named, "{personal}: {text}");
    }
}

#[tokio::test]
async fn a_feed_is_replaced_where_its_own_settings_change_and_only_then() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let text = rig.configuration().replace("ping_interval = \"1s\"", "ping_interval = \"2s\"");
    rig.reload(&text).await.unwrap();
    let agents = rig.agents_upstream();
    wait_until("the first session to end", || async {
        assert!(rig.is_up().await);
        assert_eq!(rig.agents().await, agents);
        rig.reconnects("replaced").await == 1.0
    })
    .await;
    rig.reload(&text.replace("snapshot_quiet = \"200ms\"", "snapshot_quiet = \"250ms\"")).await.unwrap();
    assert_eq!(rig.requests(Operation::Create), 2);
    rig.stop().await;
}

#[tokio::test]
async fn what_takes_a_restart_is_named_and_nothing_is_changed() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let text = with(&rig, SITE).replace("127.0.0.1:0", "127.0.0.1:1");
    let err = rig.reload(&text).await.unwrap_err();
    assert_eq!(err, "what has changed takes a restart: web.listen");
    assert!(rig.samples(LOGON).await.iter().all(|sample| !sample.contains("site=")));
    rig.stop().await;
}

#[tokio::test]
async fn a_feed_that_waits_tries_at_once_what_a_reload_brings() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let right = rig.configuration().to_owned();
    rig.stop_app().await;
    // It waits for minutes where its secret is refused.
    rig.restart(&[("AXP_EXPORTER_AXP__CLIENT_SECRET", "wrong")]).await;
    wait_until("the refusal", || async {
        rig.value(r#"axp_exporter_api_requests_total{operation="token",outcome="refused"}"#).await >= 1.0
    })
    .await;
    assert!(!rig.is_up().await);
    rig.reload(&right).await.unwrap();
    wait_until("the feed", || async { rig.is_up().await }).await;
    rig.stop().await;
}

#[tokio::test]
async fn producers_that_are_named_need_not_be_listed_any_more() {
    let refused = r#"{"fault":"answer","operation":"producers","status":403,"times":null}"#;
    let mut rig = Rig::start_with("", &[refused], &[]).await;
    wait_until("the refusal", || async { rig.requests(Operation::Producers) >= 1 }).await;
    rig.reload(&with(&rig, AGENTS)).await.unwrap();
    rig.ready().await;
    assert_eq!(rig.agents().await, rig.agents_upstream());
    assert_eq!(rig.samples(LOGON).await.len(), rig.agents_upstream().len(), "each once");
    assert_eq!(rig.requests(Operation::Create), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_stop_during_a_reload_leaves_nothing_behind() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    rig.fault(r#"{"fault":"delay","operation":"producers","seconds":60}"#);
    rig.write_configuration(&rig.configuration().replace(AGENTS, ""));
    rig.ask_for_reload();
    wait_until("AXP to be asked", || async { rig.requests(Operation::Producers) >= 1 }).await;
    rig.stop_app().await;
    assert_eq!(rig.requests(Operation::Delete), 1, "its subscription is ended");
    rig.stop().await;
}

#[tokio::test]
async fn a_higher_limit_shows_what_was_refused() {
    let mut rig = Rig::start(&format!("[limits]\nseries = 40\n{AGENTS}")).await;
    rig.ready().await;
    let all = rig.agents_upstream();
    assert!(rig.agents().await.len() < all.len());
    rig.reload(&rig.configuration().replace("series = 40", "series = 4000")).await.unwrap();
    assert_eq!(rig.value("axp_exporter_series_limit").await, 4000.0);
    wait_until("all agents", || async { rig.agents().await == all }).await;
    rig.stop().await;
}

/// The program by this configuration, and its URL.
fn start(mut command: Command, config: &str) -> (Process, String) {
    command.args(["run", "-c", config]);
    let process = Process::start(command);
    let url = wait_for("the URL", PATIENCE, || {
        let log = process.stderr();
        let url = log.split_once("url=\"").and_then(|(_, rest)| rest.split_once("/metrics\""));
        url.map(|(url, _)| url.to_owned()).ok_or(log.clone())
    });
    (process, url)
}

/// A program with a reload behind it that was refused, since the disk of the authorities hangs; and its URL.
fn stuck(folder: &Path, simulated: &str) -> (Process, String, Hang) {
    let authorities = folder.join("authorities.pem");
    std::fs::write(&authorities, "").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "{AGENTS}\n{simulated}\n[web]\nlisten = \"127.0.0.1:0\"\nlifecycle = true\n\
         [record]\npath = {:?}\n[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {:?}\n",
        path("feed.jsonl.gz"),
        path("lines"),
    );
    let mut command = exporter::<&str>([]);
    command.env("SSL_CERT_FILE", &authorities);
    let (process, url) = start(command, &write_config(folder, &text));
    let has_agents = || {
        let page = get(&format!("{url}/metrics")).ok();
        if page.contains(LOGON) { Ok(()) } else { Err(page) }
    };
    wait_for("agents", PATIENCE, has_agents);
    let hang = Hang::instead_of(&authorities);
    let refused = post_reload(&url);
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("takes longer than"), "{}", refused.body);
    assert_eq!(has_agents(), Ok(()));
    (process, url, hang)
}

fn post_reload(url: &str) -> Answer {
    request("POST", &format!("{url}/-/reload"), &[], "")
}

#[test]
fn authorities_on_a_disk_that_hangs_cost_a_reload_and_nothing_else() {
    let ((_simulator, simulated), folder) = (simulate(), tempdir().unwrap());
    let (mut process, url, hang) = stuck(folder.path(), &simulated);
    drop(hang);
    assert!(post_reload(&url).ok().contains("series derived anew"));
    assert!(process.stop().success());
}

#[test]
fn a_disk_that_hangs_behind_a_reload_keeps_no_sink_and_no_recording_from_its_end() {
    let ((_simulator, simulated), folder) = (simulate(), tempdir().unwrap());
    let (mut process, _, _hang) = stuck(folder.path(), &simulated);
    assert!(process.stop().success());
    let log = process.stderr();
    assert!(!log.contains("WARN"), "{log}");
    let mut recorded = String::new();
    let file = File::open(folder.path().join("feed.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut recorded).unwrap();
    assert!(recorded.contains("{\"kind\":\"end\""), "{log}");
}

#[test]
fn the_program_reloads_at_a_post_and_at_sighup() {
    let (_simulator, simulated) = simulate();
    let folder = tempdir().unwrap();
    let configuration = |more: &str| {
        format!("{more}\n{AGENTS}\n{simulated}\n[web]\nlisten = \"127.0.0.1:0\"\nlifecycle = true\n")
    };
    let path = write_config(folder.path(), &configuration(""));
    let (mut process, url) = start(exporter::<&str>([]), &path);
    let has_sites = |expected: bool| {
        wait_for("agents with or without a site", PATIENCE, || {
            let body = get(&format!("{url}/metrics")).ok();
            let agent = body.lines().find(|line| line.starts_with(LOGON)).map(str::to_owned);
            agent.filter(|agent| agent.contains("site=\"north\"") == expected).map(drop).ok_or(body)
        });
    };
    has_sites(false);
    let post = || post_reload(&url);
    write_config(folder.path(), &configuration(SITE));
    assert!(post().ok().contains("series derived anew"));
    has_sites(true);
    write_config(folder.path(), "[axp]\nacount_id = \"\"\n");
    let refused = post();
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("account_id"), "the nearest key is named: {}", refused.body);
    has_sites(true);
    write_config(folder.path(), &configuration(""));
    process.signal("HUP");
    has_sites(false);
    let reloads = |process: &Process| process.stderr().matches("the configuration was reloaded").count();
    wait_for("what is said of both", PATIENCE, || match reloads(&process) {
        2 => Ok(()),
        count => Err(count.to_string()),
    });
    let quiet = configuration(SITE) + "[log]\nlevel = \"error\"\n";
    write_config(folder.path(), &quiet);
    assert!(post().ok().contains("series derived anew"));
    has_sites(true);
    assert!(process.stop().success());
    assert_eq!(reloads(&process), 2, "the level of the log is another at once");
}
