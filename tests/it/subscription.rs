//! A subscription's life under faults that the simulator makes: made, waited for, renewed, replaced
//! without a gap, ended, and found again after a crash.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use axp_exporter::simulator::Operation;

use crate::hang::Hang;
use crate::rig::{AGENTS, Rig, wait_for};
use crate::session::{answer, rewrite, start};

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
async fn a_subscription_whose_status_is_not_known_is_waited_for_and_shown() {
    let status = |status: &str| format!("status=\"{status}\"");
    let mut rig = start(&[&rewrite("create", "/status", r#""DREAMING""#)]).await;
    wait_for("the status", || async { rig.of_agents("subscription_status", &status("other")).await == 1.0 })
        .await;
    rig.ready().await;
    assert_eq!((rig.requests(Operation::Get), rig.requests(Operation::Create)), (1, 1));
    for (name, value) in [("active", 1.0), ("pending", 0.0), ("inactive", 0.0), ("other", 0.0)] {
        assert_eq!(rig.of_agents("subscription_status", &status(name)).await, value, "{name}");
    }
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
async fn a_token_refused_at_a_renewal_keeps_no_socket_that_closes_from_being_opened_again() {
    let mut rig = start(&[&rewrite("create", "/expiresIn", "4")]).await;
    rig.ready().await;
    rig.fault(&answer("token", 401, r#","body":"{\"error\":\"invalid_client\"}","times":null"#));
    wait_for("the refusal", || async { rig.requests(Operation::Token) == 2 }).await;
    assert!(rig.is_up().await);
    rig.fault(r#"{"fault":"close"}"#);
    wait_for("the loss", || async { rig.reconnects("closed").await == 1.0 }).await;
    wait_for("the feed", || rig.is_up()).await;
    assert_eq!((rig.requests(Operation::Token), rig.requests(Operation::Create)), (2, 1));
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
async fn stopping_waits_no_longer_than_moments_for_a_subscription_that_cannot_be_ended() {
    let mut rig = start(&[r#"{"fault":"delay","operation":"delete","seconds":60}"#]).await;
    rig.ready().await;
    let began = Instant::now();
    rig.stop_app().await;
    let took = began.elapsed().as_secs_f64();
    assert!((2.0..4.0).contains(&took), "it has its two seconds, and the feed ends by itself: {took}");
    rig.stop().await;
}

#[tokio::test]
async fn what_a_crash_left_in_the_making_is_found_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let environment = [("AXP_EXPORTER_AXP__STATE_FILE", path.to_str().unwrap())];
    let lost = r#"{"fault":"drop_answer","operation":"create","perform":true,"times":1}"#;
    let mut rig = Rig::start_with(AGENTS, &[lost], &environment).await;
    assert_eq!(rig.requests(Operation::List), 0, "a name that is new has left nothing");
    wait_for("the creation", || async { rig.simulator.subscriptions().len() == 1 }).await;
    rig.crash().await;
    rig.restart(&environment).await;
    rig.ready().await;
    assert_eq!((rig.requests(Operation::Create), rig.requests(Operation::List)), (1, 1));
    rig.stop_app().await;
    assert!(rig.simulator.subscriptions().is_empty(), "it was ours to end");
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
    wait_for("the note", || async { fs::read_to_string(&first).unwrap().contains("Agent_itd") }).await;
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
    assert!(!fs::read_to_string(&first).unwrap().contains("Agent_itd"), "which is written down by then");
    rig.stop().await;
}

#[tokio::test]
async fn a_ledger_whose_disk_hangs_holds_up_neither_metrics_nor_feeds_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let _hang = Hang::at(&folder.path().join("state.lock"));
    let both = format!("{AGENTS}[[producer]]\nid = \"Queue_itd_1.0.0\"\n");
    let environment = [("AXP_EXPORTER_AXP__STATE_FILE", path.to_str().unwrap())];
    let mut rig = Rig::start_with(&both, &[], &environment).await;
    rig.ready().await;
    assert_eq!((rig.agents().await, rig.simulator.subscriptions().len()), (rig.agents_upstream(), 2));
    let logged_out = rig.simulator.log_out(None).unwrap();
    wait_for("an event", || async { !rig.agents().await.contains(&logged_out) }).await;
    assert!(!path.exists(), "the disk hangs still");
    let began = Instant::now();
    rig.stop_app().await;
    assert!(began.elapsed() < Duration::from_secs(5), "the feeds end by themselves, and are not cut off");
    assert!(rig.simulator.subscriptions().is_empty());
    rig.stop().await;
}
