//! What AXP may do to requests for tokens and subscriptions, over real sockets: how often
//! the exporter asks, what it says of it, and that it leaves nothing behind. The clock of
//! these waits is moved beside the code.

use axp_exporter::simulator::{Operation, Simulator, SimulatorOptions};

use crate::producers::{Account, program};
use crate::rig::{AGENTS, Rig, between, wait_for};
use crate::session::{answer, rewrite};
use crate::support::{self, PATIENCE, Process, get};

const PRODUCERS: [&str; 4] =
    ["Agent_itd_1.0.0", "AgentByChannel_itd_1.0.0", "Queue_itd_1.0.0", "QueueByChannel_itd_1.0.0"];

/// A feed of each producer.
fn feeds() -> String {
    PRODUCERS.map(|id| format!("[[producer]]\nid = \"{id}\"\n")).concat()
}

impl Rig {
    /// How often each feed's session ended for want of a token.
    async fn without_token(&self) -> Vec<f64> {
        let mut ended = Vec::new();
        for id in PRODUCERS {
            let labels = format!(r#"measure_producer_id="{id}",reason="token""#);
            ended.push(self.value(&format!("axp_exporter_reconnects_total{{{labels}}}")).await);
        }
        ended
    }

    async fn api_requests(&self, operation: &str, outcome: &str) -> f64 {
        let labels = format!(r#"operation="{operation}",outcome="{outcome}""#);
        self.value(&format!("axp_exporter_api_requests_total{{{labels}}}")).await
    }

    fn subscription_ids(&self) -> Vec<String> {
        self.simulator.subscriptions().into_iter().map(|one| one.subscription_id).collect()
    }
}

#[tokio::test]
async fn many_feeds_with_a_wrong_secret_ask_once() {
    let refusal = answer("token", 401, r#","body":"{\"error\":\"invalid_client\"}","times":null"#);
    let mut rig = Rig::start_with(&feeds(), &[&refusal], &[]).await;
    wait_for("each feed's refusal", || async { rig.without_token().await == [1.0; 4] }).await;
    assert_eq!(rig.requests(Operation::Token), 1);
    assert_eq!(rig.api_requests("token", "refused").await, 1.0);
    rig.stop().await;
}

#[tokio::test]
async fn many_feeds_ask_together_while_there_is_no_token_for_now() {
    let started = std::time::Instant::now();
    let mut rig = Rig::start_with(&feeds(), &[&answer("token", 503, r#","times":null"#)], &[]).await;
    wait_for("a failure of each feed", || async {
        rig.without_token().await.into_iter().all(|ended| ended >= 1.0)
    })
    .await;
    let (requests, seconds) = (rig.requests(Operation::Token), started.elapsed().as_secs());
    assert!(requests <= seconds + 1, "a second or more is between them: {requests} in {seconds} s");
    rig.fault(r#"{"fault":"clear"}"#);
    rig.ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_taken_for_the_list_of_producers_is_replaced_once() {
    let fault = answer("producers", 401, r#","body":"{\"detail\":\"(Access-Token)\"}","times":1"#);
    let mut rig = Rig::start_with("", &[&fault], &[]).await;
    rig.ready().await;
    assert_eq!((rig.requests(Operation::Token), rig.requests(Operation::Producers)), (2, 2));
    rig.stop().await;
}

#[tokio::test]
async fn an_answer_that_holds_no_token_is_a_failure_like_others() {
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // The one redirect that would have the secret sent again.
    let redirect = format!(r#","headers":{{"Location":"http://{}/"}}"#, stranger.local_addr().unwrap());
    let huge = format!(r#","body":"{{\"access_token\":\"{}\"}}""#, "x".repeat(1 << 20));
    let deep = format!(r#","body":"{}""#, "[".repeat(100_000));
    for (what, status, rest) in [
        ("a page", 200, r#","body":"<html><title>Log in</title></html>""#),
        ("too much", 200, &huge),
        ("cut short", 200, r#","body":"{\"access_token\":\"eyJ""#),
        ("nothing", 200, r#","body":"{}""#),
        ("a redirect", 307, &redirect),
        ("depth", 200, &deep),
        ("packed", 200, r#","headers":{"Content-Encoding":"gzip"},"body":"\u001f\u008b\b""#),
    ] {
        let mut rig = Rig::start_with(AGENTS, &[&answer("token", status, rest)], &[]).await;
        rig.ready().await;
        assert_eq!((rig.requests(Operation::Token), rig.reconnects("token").await), (2, 1.0), "{what}");
        assert_eq!(rig.api_requests("create", "ok").await, 1.0, "{what}");
        rig.stop().await;
    }
    let called = tokio::time::timeout(std::time::Duration::ZERO, stranger.accept()).await;
    assert!(called.is_err(), "no redirect is followed");
}

#[tokio::test]
async fn an_answer_without_measure_is_a_failure_like_others_whatever_was_asked() {
    let huge = format!(r#","body":"{{\"a\":\"{}\"}}""#, "x".repeat(2 << 20));
    let deep = format!(r#","body":"{{\"a\":{}""#, "[".repeat(100_000));
    for (status, rest) in [(200, &huge), (200, &deep), (503, &huge)] {
        let faults = ["producers", "create", "list"].map(|operation| answer(operation, status, rest));
        let mut rig = Rig::start_with("", &faults.each_ref().map(String::as_str), &[]).await;
        rig.ready().await;
        assert!(rig.requests(Operation::Producers) >= 2, "{status}");
        assert!(rig.requests(Operation::Create) >= 2, "{status}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_lost_creation_in_a_take_over_is_found_and_not_the_one_that_it_replaces() {
    let faults = [rewrite("create", "/expiresIn", "4"), rewrite("renew", "/status", r#""INACTIVE""#)];
    let mut rig = Rig::start_with(AGENTS, &[&faults[0], &faults[1]], &[]).await;
    rig.ready().await;
    let before = rig.subscription_ids();
    rig.fault(r#"{"fault":"drop_answer","operation":"create","perform":true,"times":1}"#);
    wait_for("the other session", || async { rig.reconnects("replaced").await == 1.0 }).await;
    wait_for("the end of the first", || async { rig.subscription_ids().len() == 1 }).await;
    assert_ne!(rig.subscription_ids(), before);
    assert_eq!((rig.requests(Operation::Create), rig.requests(Operation::List)), (2, 1));
    rig.stop_app().await;
    assert_eq!(rig.subscription_ids().len(), 0, "nothing is left behind");
    rig.stop().await;
}

#[tokio::test]
async fn where_there_are_too_many_subscriptions_those_of_others_stay() {
    let options = SimulatorOptions { subscriptions_max: 1, ..SimulatorOptions::default() };
    let simulator = Simulator::bind(options).await.unwrap();
    let mut rig = Rig::start_on(simulator, AGENTS, &[], &[]).await;
    rig.ready().await;
    let others = rig.subscription_ids();
    rig.crash().await;
    rig.restart(&[]).await;
    wait_for("the refusal", || async { rig.reconnects("subscription").await == 1.0 }).await;
    assert_eq!((rig.requests(Operation::Create), rig.requests(Operation::List)), (2, 1));
    rig.stop_app().await;
    assert_eq!(rig.subscription_ids(), others);
    assert_eq!(rig.requests(Operation::Delete), 0);
    rig.stop().await;
}

#[tokio::test]
async fn a_take_over_that_finds_no_place_has_that_of_the_old_session_once_it_breaks() {
    let options = SimulatorOptions { subscriptions_max: 1, ..SimulatorOptions::default() };
    let simulator = Simulator::bind(options).await.unwrap();
    let faults = [rewrite("create", "/expiresIn", "4"), rewrite("renew", "/status", r#""INACTIVE""#)];
    let mut rig = Rig::start_on(simulator, AGENTS, &[&faults[0], &faults[1]], &[]).await;
    rig.ready().await;
    let before = rig.subscription_ids();
    wait_for("two attempts", || async { rig.requests(Operation::Create) == 3 }).await;
    wait_for("the wait", || async { rig.reconnects("subscription").await == 2.0 }).await;
    assert!(rig.is_up().await, "the old session goes on");
    rig.fault(r#"{"fault":"close"}"#);
    wait_for("another subscription", || async { rig.requests(Operation::Create) == 4 }).await;
    wait_for("the feed", || rig.is_up()).await;
    assert_ne!(rig.subscription_ids(), before);
    rig.stop().await;
}

#[tokio::test]
async fn a_subscription_of_no_use_is_ended_however_long_that_takes() {
    let faults =
        [r#"{"fault":"endpoint"}"#, r#"{"fault":"delay","operation":"delete","seconds":3,"times":1}"#];
    let mut rig = Rig::start_with(AGENTS, &faults, &[]).await;
    wait_for("the end of the first", || async { rig.api_requests("delete", "ok").await == 1.0 }).await;
    rig.ready().await;
    assert_eq!(rig.subscription_ids().len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_list_of_producers_that_is_refused_is_seen_and_does_not_stop_the_exporter() {
    for status in [403, 404] {
        let fault = answer("producers", status, r#","times":null"#);
        let mut rig = Rig::start_with("", &[&fault], &[]).await;
        wait_for("the refusal", || async { rig.api_requests("producers", "refused").await == 1.0 }).await;
        let (code, body) = rig.get("/-/ready").await;
        assert_eq!((code, body.as_str()), (503, "waiting for the list of producers\n"), "{status}");
        assert_eq!(rig.requests(Operation::Create), 0);
        rig.stop().await;
    }
}

impl Account {
    /// The exporter on this account, which logs all that it can.
    fn run(&self, more: &str) -> Process {
        let path = self.folder.path().join("config.toml");
        let common = "[web]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n";
        std::fs::write(&path, format!("{}\n{common}{more}", self.config)).unwrap();
        Process::start(program(&["run", "-c", path.to_str().unwrap()]))
    }
}

/// Waits until the log has each of these parts as often as that, and gives it.
fn log_with(process: &Process, parts: &[(&str, usize)]) -> String {
    support::wait_for("such log", PATIENCE, || {
        let log = process.stderr();
        if parts.iter().all(|(part, count)| log.matches(part).count() >= *count) { Ok(log) } else { Err(log) }
    })
}

#[test]
fn a_wrong_secret_is_logged_once_for_all_feeds() {
    let account = Account::start();
    account.fault(&answer("token", 401, r#","body":"{\"error\":\"invalid_client\"}","times":null"#));
    let mut process = account.run(&feeds());
    log_with(&process, &[("no token for the feed", 4)]);
    assert!(process.stop().success());
    let log = process.stderr();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    for part in ["invalid_client", "wait_seconds=300", "axp.client_secret_file"] {
        assert!(warning.contains(part), "{part} not in {warning}");
    }
}

#[test]
fn a_refused_list_of_producers_is_logged_with_what_to_do() {
    let account = Account::start();
    account.fault(&answer("producers", 403, r#","body":"{\"title\":\"Forbidden\"}","times":null"#));
    let mut process = account.run("");
    let log = log_with(&process, &[("no list of producers", 1)]);
    let line = log.lines().find(|line| line.contains("no list of producers")).unwrap();
    for part in ["403", "Forbidden", "permission to use Analytics", "[[producer]]", "wait_seconds=300"] {
        assert!(line.contains(part), "{part} not in {line}");
    }
    assert!(process.stop().success());
}

#[test]
fn what_the_account_may_not_is_logged_with_what_to_look_at() {
    let pending = r#"{"fault":"pending","times":null}"#;
    for (fault, said, parts) in [
        (
            &answer("create", 403, r#","body":"{\"title\":\"Forbidden\"}","times":null"#),
            "403",
            &["no feed", "Forbidden", "permission to use Analytics"][..],
        ),
        (
            &answer("create", 401, r#","body":"{\"detail\":\"lacks (Appkey)\"}","times":null"#),
            "401",
            &["no feed", "lacks (Appkey)", "axp.app_key_file"],
        ),
        (
            &pending.to_owned(),
            "pending",
            &["Analytics streaming may not be enabled", "ask Avaya", "Agent_itd_1.0.0"],
        ),
    ] {
        let account = Account::start();
        account.fault(fault);
        let mut process = account.run(AGENTS);
        let log = log_with(&process, &[(said, 1)]);
        let warning = |line: &&str| line.contains(" WARN ") && line.contains(said);
        let line = log.lines().find(warning).unwrap_or_else(|| panic!("{log}"));
        for part in parts {
            assert!(line.contains(part), "{part} not in {line}");
        }
        assert!(process.stop().success());
    }
}

#[test]
fn what_a_websocket_says_against_our_message_is_logged() {
    let account = Account::start();
    let mut process = account.run(AGENTS);
    log_with(&process, &[("feed up", 1)]);
    let violation = r#"{"event":"AUTHENTICATION_RESPONSE","status":"CONNECTION_FAILED_CONSTRAINT_VIOLATION","violations":[{"field":"subscriptionId","message":"must be\u001b[1m one"}]}"#;
    account.fault(&serde_json::json!({ "fault": "frame", "text": violation }).to_string());
    let log = log_with(&process, &[("authentication is refused", 1)]);
    let line = log.lines().find(|line| line.contains("authentication is refused")).unwrap();
    for part in ["CONNECTION_FAILED_CONSTRAINT_VIOLATION", "subscriptionId", "must be"] {
        assert!(line.contains(part), "{part} not in {line}");
    }
    assert!(!line.contains('\u{1b}'), "{line}");
    assert!(process.stop().success());
}

#[test]
fn neither_log_nor_page_holds_a_secret_that_axp_repeats_or_an_answer_as_a_whole() {
    let account = Account::start();
    let (secret, app_key) = (account.value("client_secret"), account.value("app_key"));
    let echo = |status, operation| {
        let words = format!("client_secret={secret}&appkey={app_key}");
        let body = format!(r#","body":"{{\"title\":\"echo\",\"detail\":\"{words}\"}}","times":1"#);
        answer(operation, status, &body)
    };
    let page = format!("<html>canary {secret} {app_key}</html>");
    account.fault(&answer("token", 200, &format!(r#","body":"{page}","times":1"#)));
    account.fault(&echo(503, "token"));
    account.fault(&answer("create", 200, &format!(r#","body":"{page}","times":1"#)));
    // A refusal repeats what came with the request: of the secrets that is the key alone.
    account.fault(&echo(403, "create").replace(secret, "(none)"));
    let mut process = account.run(&feeds());
    let log = log_with(&process, &[("503", 1), ("403", 1), ("not the JSON", 2), ("feed up", 2)]);
    assert!(log.contains("[redacted]"), "{log}");
    // A token, cut where a close frame ends.
    let token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDAwMDB9.c2lnb";
    let refusal = serde_json::json!({ "fault": "refuse_authentication", "status": format!("no {token}") });
    account.fault(&refusal.to_string());
    let close = serde_json::json!({ "fault": "close", "reason": format!("not {token}") });
    account.fault(&close.to_string());
    log_with(&process, &[("not [redacted]", 2), ("no [redacted]", 1)]);
    let metrics = between(&log, "url=", "/metrics");
    let pages =
        ["metrics", "", "-/ready"].map(|path| get(&format!("{}/{path}", metrics.trim_matches('"'))).body);
    assert!(process.stop().success());
    for text in pages.iter().chain([&process.stderr()]) {
        for hidden in [secret, app_key, "canary", "eyJ", "Bearer"] {
            assert!(!text.contains(hidden), "{hidden} in\n{text}");
        }
    }
}

#[test]
fn a_second_instance_on_one_state_file_does_not_start() {
    let mut account = Account::start();
    let state = account.folder.path().join("subscriptions.json");
    account.config = account.config.replacen("[axp]", &format!("[axp]\nstate_file = {state:?}"), 1);
    let mut first = account.run("");
    log_with(&first, &[("feed up", 4)]);
    let mut second = account.run("");
    let status =
        support::wait_for("end of the second", PATIENCE, || second.ended().ok_or_else(|| second.stderr()));
    let said = second.stderr();
    assert_eq!(status.code(), Some(78), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in [state.to_str().unwrap(), "another instance", "axp.state_file"] {
        assert!(said.contains(part), "{part} not in {said}");
    }
    assert!(first.stop().success());
    let mut third = account.run("");
    log_with(&third, &[("feed up", 4)]);
    assert!(third.stop().success());
}
