//! The session under faults that the simulator makes, over real sockets: what AXP may
//! answer, and what the exporter makes of it. What takes minutes by design is proven with
//! a clock that jumps, beside the code.

use axp_exporter::simulator::Operation;

use crate::rig::{AGENTS, Rig, wait_for};

/// Faults as the simulator takes them.
pub(crate) fn answer(operation: &str, status: u16, rest: &str) -> String {
    format!(r#"{{"fault":"answer","operation":"{operation}","status":{status}{rest}}}"#)
}

pub(crate) fn rewrite(operation: &str, pointer: &str, value: &str) -> String {
    format!(
        r#"{{"fault":"rewrite","operation":"{operation}","pointer":"{pointer}","value":{value},"times":1}}"#
    )
}

pub(crate) async fn start(faults: &[&str]) -> Rig {
    Rig::start_with(AGENTS, faults, &[]).await
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
    for (status, shown, tokens) in [
        ("CONNECTION_FAILED_INVALID_TOKEN", "invalid_token", 2),
        ("CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION", "unknown_subscription", 1),
        ("CONNECTION_FAILED_INTERNAL_SERVER_ERROR", "internal_server_error", 1),
        ("SOMETHING_ELSE", "other", 1),
    ] {
        let fault = format!(r#"{{"fault":"refuse_authentication","status":"{status}","times":1}}"#);
        let mut rig = start(&[&fault]).await;
        rig.ready().await;
        assert_eq!(rig.reconnects("authentication").await, 1.0, "{status}");
        let asked = [Operation::Token, Operation::Get, Operation::Create].map(|asked| rig.requests(asked));
        assert_eq!(asked, [tokens, 1, 1], "{status}");
        for shown in [shown, "confirmed"] {
            let label = format!("status=\"{shown}\"");
            assert_eq!(rig.of_agents("authentications_total", &label).await, 1.0, "{status}: {shown}");
        }
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_constraint_violation_is_not_tried_again_for_a_while() {
    let fault =
        r#"{"fault":"refuse_authentication","status":"CONNECTION_FAILED_CONSTRAINT_VIOLATION","times":1}"#;
    let mut rig = start(&[fault]).await;
    wait_for("the refusal", || async { rig.reconnects("authentication").await == 1.0 }).await;
    // A pause is of two seconds at most.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!((rig.requests(Operation::Get), rig.requests(Operation::Create)), (0, 1));
    let label = r#"status="constraint_violation""#;
    assert_eq!(rig.of_agents("authentications_total", label).await, 1.0);
    rig.stop().await;
}

#[tokio::test]
async fn a_dictionary_is_asked_for_again_unless_axp_says_no() {
    let after = |operation: &'static str, status: u16, asks: u64| async move {
        let mut rig = start(&[&answer(operation, status, r#","times":1"#)]).await;
        rig.ready().await;
        rig.fault(r#"{"fault":"close"}"#);
        wait_for("the loss", || async { rig.reconnects("closed").await == 1.0 }).await;
        wait_for("the feed", || rig.is_up()).await;
        assert_eq!(rig.requests(Operation::Producer), asks, "{operation} {status}");
        rig.stop().await;
    };
    let statuses = [(429, 2), (401, 2), (500, 2), (403, 1), (404, 1)];
    let cases =
        ["producer", "dictionary"].map(|operation| statuses.map(|(status, asks)| (operation, status, asks)));
    let all = cases.into_iter().flatten().map(|(operation, status, asks)| after(operation, status, asks));
    futures_util::future::join_all(all).await;
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
