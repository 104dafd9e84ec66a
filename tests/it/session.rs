//! The session under faults that the simulator makes, over real sockets: what AXP may
//! answer, and what the exporter makes of it. What takes minutes by design is proven with
//! a clock that jumps, beside the code.

use std::path::Path;

use axp_exporter::simulator::Operation;

use crate::rig::{Rig, wait_for};

pub(crate) const AGENTS: &str = "[[producer]]\nid = \"Agent_itd_1.0.0\"\n";

/// Faults as the simulator takes them.
pub(crate) fn answer(operation: &str, status: u16, rest: &str) -> String {
    format!(r#"{{"fault":"answer","operation":"{operation}","status":{status}{rest}}}"#)
}

pub(crate) fn rewrite(operation: &str, pointer: &str, value: &str) -> String {
    format!(
        r#"{{"fault":"rewrite","operation":"{operation}","pointer":"{pointer}","value":{value},"times":1}}"#
    )
}

async fn start(faults: &[&str]) -> Rig {
    Rig::start_with(AGENTS, faults, &[]).await
}

impl Rig {
    pub(crate) fn requests(&self, operation: Operation) -> u64 {
        self.simulator.requests()[&operation]
    }

    pub(crate) async fn reconnects(&self, reason: &str) -> f64 {
        self.of_agents("reconnects_total", &format!("reason=\"{reason}\"")).await
    }

    async fn is_up(&self) -> bool {
        self.of_agents("feed_up", "").await == 1.0
    }
}

#[tokio::test]
async fn metrics_are_served_while_there_is_no_token() {
    let mut rig = start(&[&answer("token", 503, r#","times":null"#)]).await;
    wait_for("two attempts", || async { rig.reconnects("token").await >= 2.0 }).await;
    assert!(!rig.is_up().await);
    assert_eq!(rig.get("/-/healthy").await.0, 200);
    rig.fault(r#"{"fault":"clear"}"#);
    rig.ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn refused_credentials_are_not_hammered() {
    for (operation, status, body, reason) in [
        ("token", 401, r#"{\"error\":\"invalid_client\"}"#, "token"),
        ("token", 401, r#"{\"title\":\"Unauthorized\",\"detail\":\"(Appkey)\"}"#, "token"),
        ("create", 403, r#"{\"title\":\"Forbidden\"}"#, "subscription"),
        ("create", 401, r#"{\"detail\":\"(Appkey)\"}"#, "subscription"),
    ] {
        let fault = answer(operation, status, &format!(r#","body":"{body}","times":null"#));
        let mut rig = start(&[&fault]).await;
        wait_for(reason, || async { rig.reconnects(reason).await == 1.0 }).await;
        let made = if operation == "token" { Operation::Token } else { Operation::Create };
        assert_eq!(rig.requests(made), 1, "{operation} {status}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    for operation in ["token", "create"] {
        let mut rig = start(&[&answer(operation, 429, r#","headers":{"Retry-After":"1"},"times":1"#)]).await;
        let started = std::time::Instant::now();
        rig.ready().await;
        assert!(started.elapsed() >= std::time::Duration::from_millis(900), "{operation}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn answers_without_sense_and_redirects_are_failures_like_others() {
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location =
        format!(r#","headers":{{"Location":"http://{}/"}},"times":1"#, stranger.local_addr().unwrap());
    let faults = [answer("token", 302, &location), answer("create", 200, r#","body":"<html>","times":1"#)];
    let mut rig = start(&[&faults[0], &faults[1]]).await;
    rig.ready().await;
    assert_eq!((rig.reconnects("token").await, rig.reconnects("subscription").await), (1.0, 1.0));
    let called = tokio::time::timeout(std::time::Duration::ZERO, stranger.accept()).await;
    assert!(called.is_err(), "no redirect is followed");
    rig.stop().await;
}

#[tokio::test]
async fn one_token_serves_all_feeds() {
    let mut rig = Rig::start("").await;
    rig.ready().await;
    assert_eq!((rig.requests(Operation::Token), rig.requests(Operation::Create)), (1, 4));
    rig.stop().await;
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_replaced_once() {
    let mut rig =
        start(&[&answer("create", 401, r#","body":"{\"detail\":\"(Access-Token)\"}","times":1"#)]).await;
    rig.ready().await;
    assert_eq!((rig.requests(Operation::Token), rig.requests(Operation::Create)), (2, 2));
    assert_eq!(rig.reconnects("subscription").await, 0.0);
    rig.stop().await;
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_leaves_nothing_behind() {
    for fault in [
        r#"{"fault":"drop_answer","operation":"create","perform":true,"times":1}"#.to_owned(),
        answer("create", 500, r#","perform":true,"times":1"#),
    ] {
        let mut rig = start(&[&fault]).await;
        rig.ready().await;
        assert_eq!(rig.simulator.subscriptions().len(), 1, "{fault}");
        assert_eq!((rig.requests(Operation::Create), rig.requests(Operation::List)), (1, 1), "{fault}");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_pending_subscription_is_waited_for() {
    let mut rig = start(&[r#"{"fault":"pending","polls":2,"times":1}"#]).await;
    rig.ready().await;
    assert!(rig.requests(Operation::Get) >= 2);
    assert_eq!(rig.requests(Operation::Create), 1);
    rig.stop().await;
}

#[tokio::test]
async fn an_inactive_subscription_is_revived() {
    let mut rig = start(&[]).await;
    rig.ready().await;
    rig.fault(r#"{"fault":"expire","close":true}"#);
    wait_for("the loss", || async { rig.reconnects("closed").await >= 1.0 }).await;
    wait_for("the feed", || rig.is_up()).await;
    assert_eq!((rig.requests(Operation::Create), rig.requests(Operation::Renew)), (1, 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_subscription_that_is_gone_is_made_anew() {
    let mut rig = start(&[]).await;
    rig.ready().await;
    rig.fault(&answer("get", 404, r#","times":1"#));
    rig.fault(r#"{"fault":"close"}"#);
    wait_for("another subscription", || async { rig.requests(Operation::Create) == 2 }).await;
    wait_for("the feed", || rig.is_up()).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_subscription_is_renewed_in_time() {
    let mut rig = start(&[&rewrite("create", "/expiresIn", "4")]).await;
    rig.ready().await;
    wait_for("the renewal", || async { rig.requests(Operation::Renew) == 1 }).await;
    assert_eq!(rig.requests(Operation::Token), 2, "with a token of its own");
    assert!(rig.is_up().await && rig.reconnects("closed").await == 0.0);
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_subscription_is_replaced_without_a_gap() {
    let faults = [rewrite("create", "/expiresIn", "4"), answer("renew", 404, r#","times":1"#)];
    let mut rig = start(&[&faults[0], &faults[1]]).await;
    rig.ready().await;
    let agents = rig.agents_upstream();
    wait_for("the other session", || async {
        assert!(rig.is_up().await, "at no moment down");
        assert_eq!(rig.agents().await, agents, "at no moment without a row");
        rig.reconnects("replaced").await == 1.0
    })
    .await;
    wait_for("the first subscription to be ended", || async { rig.simulator.sockets() == 1 }).await;
    assert_eq!(rig.of_agents("feed_snapshot_complete", "").await, 1.0);
    let logged_out = rig.simulator.log_out(None).unwrap();
    wait_for("the new session's events", || async { !rig.agents().await.contains(&logged_out) }).await;
    rig.stop().await;
}

#[tokio::test]
async fn stopping_waits_for_a_subscription_that_is_being_ended() {
    let faults =
        [r#"{"fault":"endpoint"}"#, r#"{"fault":"delay","operation":"delete","seconds":1,"times":1}"#];
    let mut rig = start(&faults).await;
    wait_for("an endpoint that is none", || async { rig.reconnects("endpoint").await == 1.0 }).await;
    assert_eq!(rig.simulator.subscriptions().len(), 1);
    rig.stop_app().await;
    assert!(rig.simulator.subscriptions().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn after_a_crash_its_own_subscription_is_taken_up_again_and_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let state = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let environment = |path: &str| [("AXP_EXPORTER_AXP__STATE_FILE".to_owned(), path.to_owned())];
    let (first, second) = (state("first"), state("second"));
    let variables = environment(&first);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut rig = Rig::start_with(AGENTS, &[], &variables).await;
    rig.ready().await;
    rig.crash().await;
    assert_eq!(rig.simulator.subscriptions().len(), 1);
    rig.restart(&[("AXP_EXPORTER_AXP__STATE_FILE", &second)]).await;
    rig.ready().await;
    assert_eq!(rig.simulator.subscriptions().len(), 2, "another instance makes its own");
    rig.crash().await;
    rig.restart(&[("AXP_EXPORTER_AXP__STATE_FILE", &first)]).await;
    rig.ready().await;
    assert_eq!(rig.requests(Operation::Create), 2, "its own is taken up again");
    assert!(Path::new(&first).exists());
    rig.stop_app().await;
    assert_eq!(rig.simulator.subscriptions().len(), 1, "and ended, and only that");
    rig.stop().await;
}

#[tokio::test]
async fn odd_ping_intervals_are_made_the_best_of() {
    for value in ["0", "1000000000", r#""often""#, "null", "-5"] {
        let mut rig = start(&[&rewrite("create", "/transport/pingInterval", value)]).await;
        rig.ready().await;
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_websocket_that_is_refused_is_tried_again() {
    let faults = [answer("upgrade", 503, r#","times":1"#), answer("upgrade", 302, r#","times":1"#)];
    let mut rig = start(&[&faults[0], &faults[1]]).await;
    rig.ready().await;
    assert_eq!((rig.reconnects("connect").await, rig.requests(Operation::Create)), (2.0, 1));
    rig.stop().await;
}

#[tokio::test]
async fn each_refusal_of_authentication_has_its_own_way_out() {
    for (status, gets, creates) in [
        ("CONNECTION_FAILED_INVALID_TOKEN", 1, 1),
        ("CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION", 1, 1),
        ("CONNECTION_FAILED_INTERNAL_SERVER_ERROR", 1, 1),
        ("SOMETHING_ELSE", 1, 1),
    ] {
        let fault = format!(r#"{{"fault":"refuse_authentication","status":"{status}","times":1}}"#);
        let mut rig = start(&[&fault]).await;
        rig.ready().await;
        assert_eq!(rig.reconnects("authentication").await, 1.0, "{status}");
        assert_eq!(
            (rig.requests(Operation::Get), rig.requests(Operation::Create)),
            (gets, creates),
            "{status}"
        );
        rig.stop().await;
    }
}

#[tokio::test]
async fn every_close_is_followed_by_a_new_session_on_the_same_subscription() {
    let after = |code: u16| async move {
        let mut rig = start(&[]).await;
        rig.ready().await;
        assert_eq!(rig.fault(&format!(r#"{{"fault":"close","code":{code},"reason":"x\u001b[31m"}}"#)), 1);
        wait_for("the loss", || async { rig.reconnects("closed").await == 1.0 }).await;
        wait_for("the feed", || rig.is_up()).await;
        let tokens = if code == 1008 { 2 } else { 1 };
        assert_eq!(rig.requests(Operation::Token), tokens, "only 1008 may be about the token: {code}");
        assert_eq!(rig.requests(Operation::Create), 1, "{code}");
        rig.stop().await;
    };
    futures_util::future::join_all([1000, 1001, 1008, 1011, 1012, 4000].map(after)).await;
}

#[tokio::test]
async fn a_session_that_breaks_inside_its_snapshot_loses_nothing() {
    let mut rig = start(&[]).await;
    rig.ready().await;
    let agents = rig.agents_upstream();
    rig.fault(r#"{"fault":"snapshot","rows":2,"then_close":true,"times":1}"#);
    rig.fault(r#"{"fault":"close"}"#);
    wait_for("the second loss", || async {
        assert_eq!(rig.agents().await, agents);
        rig.reconnects("closed").await == 2.0
    })
    .await;
    wait_for("the snapshot", || async { rig.of_agents("feed_snapshot_complete", "").await == 1.0 }).await;
    assert_eq!(rig.agents().await, agents);
    rig.stop().await;
}

#[tokio::test]
async fn frames_that_break_the_protocol_or_the_limit_end_the_session_and_no_more() {
    let limit = format!("{AGENTS}[limits]\nframe_bytes = \"64KiB\"\n");
    let mut rig = Rig::start_with(&limit, &[], &[]).await;
    rig.ready().await;
    let long = format!(r#"{{"fault":"frame","text":"{}"}}"#, "x".repeat(70_000));
    for (fault, reason) in
        [(long.as_str(), "oversized"), (r#"{"fault":"frame","hex":"ff","binary":false}"#, "protocol")]
    {
        wait_for("the feed", || rig.is_up()).await;
        assert_eq!(rig.fault(fault), 1);
        wait_for("the end of the session", || async { rig.reconnects(reason).await == 1.0 }).await;
    }
    wait_for("the feed", || rig.is_up()).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_accepts_and_closes_is_not_hammered() {
    let mut rig = start(&[r#"{"fault":"accept_then_close","at":"upgrade","times":null}"#]).await;
    let started = std::time::Instant::now();
    wait_for("three losses", || async {
        rig.reconnects("closed").await + rig.reconnects("connect").await >= 3.0
    })
    .await;
    assert!(started.elapsed() >= std::time::Duration::from_secs(2), "each pause is a second or more");
    assert_eq!(rig.requests(Operation::Create), 1);
    rig.fault(r#"{"fault":"clear"}"#);
    rig.ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn no_page_shows_a_secret_not_even_one_that_axp_repeats() {
    let body = r#","body":"{\"error\":\"invalid_client\",\"error_description\":\"simulated-client-secret\"}","times":1"#;
    let mut rig = Rig::start_with("", &[&answer("token", 503, body)], &[]).await;
    rig.ready().await;
    for path in ["/metrics", "/", "/-/ready", "/-/healthy", "/nothing"] {
        let (_, body) = rig.get(path).await;
        for secret in ["simulated-client-secret", "simulated-app-key", "eyJ", "Bearer"] {
            assert!(!body.contains(secret), "{secret} at {path}");
        }
    }
    rig.stop().await;
}
