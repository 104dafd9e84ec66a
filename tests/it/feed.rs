//! The exporter against the simulator over sockets: snapshot, LIVE, DELETE, reconnect,
//! stale rows, and what must not happen.

use std::collections::BTreeMap;

use crate::rig::{AGENTS, Rig, between, wait_for};

#[tokio::test]
async fn a_snapshot_shows_every_row_and_readiness_waits_for_it() {
    let mut rig =
        Rig::start_with(AGENTS, &[r#"{"fault":"delay","operation":"token","seconds":0.3}"#], &[]).await;
    let (status, body) = rig.get("/-/ready").await;
    assert_eq!((status, body.contains("Agent_itd_1.0.0")), (503, true), "{body}");
    assert_eq!(rig.get("/-/healthy").await.0, 200);
    rig.ready().await;
    assert_eq!(rig.agents().await, rig.agents_upstream());
    assert_eq!(rig.of_agents("feed_up", "").await, 1.0);
    assert_eq!(rig.of_agents("feed_snapshot_complete", "").await, 1.0);
    assert_eq!(rig.get("/nothing").await.0, 404);
    rig.stop().await;
}

#[tokio::test]
async fn every_value_is_the_upstreams() {
    let mut rig = Rig::start("[[producer]]\nid = \"Queue_itd_1.0.0\"\n").await;
    rig.ready().await;
    let mut expected = BTreeMap::new();
    for (keys, measures) in rig.simulator.rows("Queue_itd_1.0.0") {
        let measures: BTreeMap<_, _> = measures.into_iter().collect();
        expected.insert(keys[0].1.clone(), measures["contactsQueueing"].clone());
    }
    assert!(!expected.is_empty());
    let shown = rig.samples("axp_queue_itd_contacts_queueing{").await;
    let shown: BTreeMap<_, _> = shown
        .iter()
        .map(|sample| (between(sample, "queue_id=\"", "\""), sample.rsplit(' ').next().unwrap().to_owned()))
        .collect();
    assert_eq!(shown, expected);
    rig.stop().await;
}

#[tokio::test]
async fn without_configured_producers_all_interval_producers_are_exported_and_described() {
    let mut rig = Rig::start("").await;
    rig.ready().await;
    let up = rig.samples("axp_exporter_feed_up{").await;
    assert_eq!(up.len(), 4, "{up:?}");
    assert!(up.iter().all(|sample| sample.contains("_itd_") && sample.ends_with(" 1")), "{up:?}");
    let help = rig.samples("# HELP axp_queue_itd_contacts_queueing ").await;
    assert!(help[0].contains("contactsQueueing of Queue_itd_1.0.0"), "{help:?}");
    assert!(!help[0].contains("AXP measure"), "the dictionary's own words come first: {help:?}");
    rig.stop().await;
}

#[tokio::test]
async fn live_events_follow_and_a_deleted_agent_is_gone() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    rig.simulator.resume();
    let live = r#"payload_type="live",event_action="upsert""#;
    wait_for("live events", || async { rig.of_agents("events_total", live).await > 3.0 }).await;
    rig.simulator.pause();
    let agent = rig.simulator.log_out(None).unwrap();
    let deleted = r#"payload_type="live",event_action="delete""#;
    wait_for("the DELETE", || async { rig.of_agents("events_total", deleted).await == 1.0 }).await;
    let (_, body) = rig.get("/metrics").await;
    assert!(!body.contains(&agent), "no series of any metric holds the agent");
    assert_eq!(rig.agents().await, rig.agents_upstream());
    rig.stop().await;
}

#[tokio::test]
async fn a_reconnect_finds_out_what_was_deleted_meanwhile() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    let before = rig.agents().await;
    rig.fault(r#"{"fault":"accept_then_close","at":"upgrade","times":null}"#);
    rig.fault(r#"{"fault":"close"}"#);
    wait_for("the feed to be down", || async { rig.of_agents("feed_up", "").await == 0.0 }).await;
    let agent = rig.simulator.log_out(None).unwrap();
    rig.fault(r#"{"fault":"clear"}"#);
    wait_for("the resync", || async {
        rig.of_agents("rows_retired_total", r#"cause="resync""#).await == 1.0
    })
    .await;
    assert!(before.contains(&agent) && !rig.agents().await.contains(&agent));
    assert_eq!(rig.agents().await, rig.agents_upstream());
    assert!(rig.of_agents("reconnects_total", r#"reason="closed""#).await >= 1.0);
    rig.stop().await;
}

#[tokio::test]
async fn rows_go_stale_when_the_feed_stays_away_and_come_back_with_it() {
    let mut rig = Rig::start_with(AGENTS, &[], &[("AXP_EXPORTER_AXP__STALE_AFTER", "1s")]).await;
    rig.ready().await;
    rig.fault(r#"{"fault":"answer","operation":"token","status":503,"times":null}"#);
    rig.fault(r#"{"fault":"revoke_tokens"}"#);
    rig.fault(r#"{"fault":"reset"}"#);
    wait_for("the feed to be down", || async { rig.of_agents("feed_up", "").await == 0.0 }).await;
    assert!(!rig.agents().await.is_empty(), "rows stay for a while");
    wait_for("the rows to go stale", || async { rig.agents().await.is_empty() }).await;
    assert!(rig.of_agents("rows_retired_total", r#"cause="stale""#).await >= 1.0);
    assert!(rig.samples("axp_agent_itd_").await.is_empty());
    rig.fault(r#"{"fault":"clear"}"#);
    wait_for("the rows to come back", || async { rig.agents().await == rig.agents_upstream() }).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_link_is_noticed_by_its_pings() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    rig.fault(r#"{"fault":"silence"}"#);
    wait_for("the dead link", || async {
        rig.of_agents("reconnects_total", r#"reason="ping""#).await == 1.0
    })
    .await;
    wait_for("the feed to be up", || async { rig.of_agents("feed_up", "").await == 1.0 }).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_refused_authentication_is_tried_again() {
    let refused = r#"{"fault":"refuse_authentication","status":"CONNECTION_FAILED_INVALID_TOKEN","times":1}"#;
    let mut rig = Rig::start_with(AGENTS, &[refused], &[]).await;
    rig.ready().await;
    assert_eq!(rig.of_agents("reconnects_total", r#"reason="authentication""#).await, 1.0);
    rig.stop().await;
}

#[tokio::test]
async fn a_token_never_goes_to_a_foreign_endpoint() {
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("ws://{}/ws", stranger.local_addr().unwrap());
    let fault = format!(r#"{{"fault":"endpoint","endpoint":"{endpoint}","times":1}}"#);
    let mut rig = Rig::start_with(AGENTS, &[&fault], &[]).await;
    wait_for("the refusal", || async {
        rig.of_agents("reconnects_total", r#"reason="endpoint""#).await == 1.0
    })
    .await;
    rig.ready().await;
    let called = tokio::time::timeout(std::time::Duration::ZERO, stranger.accept()).await;
    assert!(called.is_err(), "nobody called the stranger");
    assert_eq!(rig.simulator.subscriptions().len(), 1, "the subscription that was refused is ended");
    rig.stop().await;
}

#[tokio::test]
async fn odd_answers_are_made_the_best_of() {
    let faults = [
        r#"{"fault":"rewrite","operation":"create","pointer":"/expiresIn","value":1.844674407370955e19,"times":1}"#,
        r#"{"fault":"rewrite","operation":"token","pointer":"/expires_in","value":"900","times":null}"#,
        r#"{"fault":"rewrite","operation":"producers","pointer":"/1/measureProducerId","value":"Agent_itd_1.0.0"}"#,
        r#"{"fault":"answer","operation":"dictionary","status":500,"times":null}"#,
    ];
    let mut rig = Rig::start_with("", &faults, &[]).await;
    rig.ready().await;
    let up = rig.samples("axp_exporter_feed_up{").await;
    assert_eq!(up.len(), 3, "a producer that is listed twice is one: {up:?}");
    assert_eq!(rig.agents().await, rig.agents_upstream());
    rig.stop().await;
}

#[tokio::test]
async fn an_empty_snapshot_is_believed_when_live_events_come() {
    let mut rig = Rig::start_with(AGENTS, &[r#"{"fault":"snapshot","rows":0,"times":null}"#], &[]).await;
    wait_for("the feed to be up", || async { rig.of_agents("feed_up", "").await == 1.0 }).await;
    assert_eq!(rig.get("/-/ready").await.0, 503);
    rig.simulator.resume();
    rig.ready().await;
    rig.stop().await;
}

#[tokio::test]
async fn bad_frames_are_counted_and_cost_nothing_else() {
    let mut rig = Rig::start(AGENTS).await;
    rig.ready().await;
    for frame in [
        r#"{"fault":"frame","text":"ping"}"#,
        r#"{"fault":"frame","text":"{\"keys\":"}"#,
        r#"{"fault":"frame","hex":"00ff","binary":true}"#,
    ] {
        assert_eq!(rig.fault(frame), 1);
    }
    for reason in ["not_json", "malformed", "binary"] {
        let series = format!("axp_exporter_events_rejected_total{{reason=\"{reason}\"}}");
        wait_for(reason, || async { rig.value(&series).await == 1.0 }).await;
    }
    assert_eq!(rig.of_agents("feed_up", "").await, 1.0);
    assert_eq!(rig.agents().await, rig.agents_upstream());
    rig.stop().await;
}

#[tokio::test]
async fn the_file_holds_a_line_for_every_applied_event_and_the_books_balance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let influx = format!(
        "[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {path:?}\nflush_interval = \"10ms\"\non_delete = \"marker\"\n"
    );
    let mut rig = Rig::start(&influx).await;
    rig.ready().await;
    rig.simulator.resume();
    let live = r#"payload_type="live",event_action="upsert""#;
    wait_for("live events", || async { rig.of_agents("events_total", live).await > 10.0 }).await;
    rig.simulator.pause();
    let agent = rig.simulator.log_out(None).unwrap();
    let sum = |samples: Vec<String>| -> f64 {
        samples.iter().map(|sample| sample.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let written = || rig.value(r#"axp_exporter_influx_lines_total{sink="main",outcome="written"}"#);
    wait_for("all lines to be written", || async {
        let events = sum(rig.samples("axp_exporter_events_applied_total{").await);
        events > 0.0 && written().await == events
    })
    .await;
    let events = sum(rig.samples("axp_exporter_events_total{").await);
    let applied = sum(rig.samples("axp_exporter_events_applied_total{").await);
    let rejected = sum(rig.samples("axp_exporter_events_rejected_total{").await);
    assert_eq!(events, applied + rejected);
    let contacts = rig.samples("axp_queue_itd_contacts_queueing{").await;
    rig.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as f64, applied);
    let lines: Vec<_> = influxdb_line_protocol::parse_lines(&text).collect::<Result<_, _>>().unwrap();
    let retired = text.lines().filter(|line| line.contains(&agent) && line.contains(" retired=true "));
    assert!(retired.count() >= 1, "the agent's rows end with a marker");
    for sample in contacts {
        let queue = between(&sample, "queue_id=\"", "\"");
        let last = lines
            .iter()
            .filter(|line| line.series.measurement == "queue_itd")
            .filter(|line| line.tag_value("queue_id").is_some_and(|value| *value == queue))
            .filter_map(|line| line.field_value("contacts_queueing"))
            .next_back();
        let shown: f64 = sample.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(last, Some(&influxdb_line_protocol::FieldValue::F64(shown)), "{sample}");
    }
}

#[tokio::test]
async fn stopping_ends_the_subscriptions() {
    let mut rig = Rig::start("").await;
    rig.ready().await;
    assert_eq!(rig.simulator.subscriptions().len(), 4);
    let simulator = rig.simulator.clone();
    rig.stop().await;
    assert!(simulator.subscriptions().is_empty());
}
