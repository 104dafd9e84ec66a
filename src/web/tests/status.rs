//! The status where feeds are slow, gone or not known yet, and what its answers promise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ingest::api::unix_seconds;
use crate::ingest::feeds::{self, Requests};
use crate::ingest::report::FeedReport;
use crate::pipeline::report::Report;
use crate::sink::gauge::SinkGauge;
use crate::sink::queue;

/// A site with one feed whose requests are the test's to answer.
fn site_of(table: &SharedTable, metrics_path: &str) -> (Arc<Site>, Arc<Feeds>, Requests) {
    let (telemetry, feeds) = (Arc::new(Telemetry::new(7)), Arc::new(Feeds::new(Limits::new(7))));
    let (state, requests) = FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(table));
    feeds.add(Arc::new(state));
    let status = Status::new(Arc::clone(&feeds), Arc::clone(&telemetry), Vec::new());
    let source = Source::new(Arc::clone(&feeds), telemetry, Vec::new());
    let scrapes = Scrapes::new(Arc::new(source), Places::default());
    let site = Site::new(metrics_path.to_owned(), Arc::clone(&feeds), scrapes, status, None);
    (Arc::new(site), feeds, requests)
}

async fn get(site: &Site, path: &str) -> Answer {
    Answer::to(site, &Request::get(path).body(()).unwrap()).await
}

async fn status(site: &Site) -> Value {
    let answer = get(site, "/api/v1/status").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    serde_json::from_str(&answer.body).unwrap()
}

fn report() -> FeedReport {
    FeedReport {
        state: "up",
        waits_until: None,
        taking_over: false,
        snapshot_complete: true,
        last_event_at: None,
        ping_seconds: None,
        subscription_expires_at: None,
        setback: None,
        reconnects: BTreeMap::new(),
        pipeline: Report { measures: Vec::new(), refusals: Vec::new(), last_row: None },
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_does_not_answer_keeps_nobody_waiting_for_long() {
    let bench = Bench::new(3);
    let (site, _feeds, requests) = site_of(&bench.table, "/metrics");
    let began = tokio::time::Instant::now();
    for _ in 0..10 {
        let feed = status(&site).await["feeds"][0].take();
        assert_eq!((&feed["state"], &feed["data"]), (&json!("busy"), &json!("unknown")));
        assert_eq!((&feed["rows"], &feed["measures"]), (&json!(3), &Value::Null), "the table is there");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(20), "{:?}", began.elapsed());
    drop(requests);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&site).await["feeds"][0]["state"], "ended");
}

#[tokio::test]
async fn however_many_look_at_once_a_feed_reports_once() {
    let bench = Bench::new(3);
    let (site, _feeds, mut requests) = site_of(&bench.table, "/metrics");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some(feeds::Request::Report(answer)) = requests.recv().await {
            count.fetch_add(1, Ordering::Relaxed);
            answer.send(report()).unwrap();
        }
    });
    let looks = (0..50).map(|_| status(&site));
    for status in futures_util::future::join_all(looks).await {
        assert_eq!(status["feeds"][0]["data"], "current");
    }
    // Two where half a second went by meanwhile.
    assert!(asked.load(Ordering::Relaxed) <= 2, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn those_who_look_at_one_moment_read_the_same_bytes_of_memory() {
    let bench = Bench::new(3);
    let (site, _feeds, _requests) = site_of(&bench.table, "/metrics");
    for path in ["/api/v1/status", "/api/v1/measures"] {
        let read = async || {
            let request = Request::get(path).body(()).unwrap();
            let response = site.answer(&request, Timeout::of(request.headers())).await;
            response.into_body().frame().await.unwrap().unwrap().into_data().unwrap()
        };
        let (one, other) = (read().await, read().await);
        assert_eq!((one.as_ptr(), one.len()), (other.as_ptr(), other.len()), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_at_once_cost_one_composing_and_the_next_gets_that() {
    let bench = Bench::new(3);
    let feeds = Arc::new(Feeds::new(Limits::new(7)));
    feeds.add(Arc::new(FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(&bench.table)).0));
    let status = Arc::new(Status::new(feeds, Arc::clone(&bench.telemetry), Vec::new()));
    let hold = bench.hold();
    let idle = Arc::strong_count(&bench.table);
    for _ in 0..10 {
        assert!(tokio::time::timeout(Duration::ZERO, status.documents()).await.is_err());
    }
    assert_eq!(Arc::strong_count(&status), 2, "one composes");
    while Arc::strong_count(&bench.table) == idle {
        tokio::task::yield_now().await;
    }
    let composing_at = unix_seconds();
    drop(hold);
    let documents = status.documents().await.unwrap();
    assert!(documents.status.now_at <= composing_at, "it began before");
}

#[tokio::test(start_paused = true)]
async fn before_the_producers_are_known_the_status_says_what_it_waits_for() {
    let bench = Bench::new(0);
    let (site, feeds, requests) = site_of(&bench.table, "/metrics");
    drop(requests);
    let waits = status(&site).await;
    assert_eq!((&waits["ready"], &waits["waiting_for"]), (&json!(false), &Value::Null));
    assert!(get(&site, "/").await.body.contains(">Waiting for the list of producers</p>"));
    feeds.note_complete();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&site).await["waiting_for"], json!(["Queue_itd_1.0.0"]));
}

#[tokio::test]
async fn metrics_and_labels_are_named_by_size_and_no_value_is() {
    let bench = Bench::new(1100);
    let status = status(&bench.site).await;
    let sizes = |what: &str, name: &str, count: &str| {
        let all = status["cardinality"][what].as_array().unwrap().iter();
        all.map(|one| (one[name].as_str().unwrap().to_owned(), one[count].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, count| (name.to_owned(), count);
    let metrics = vec![
        of("axp_queue_itd_state", 2200),
        of("axp_queue_itd_info", 1100),
        of("axp_queue_itd_wait_seconds", 1100),
    ];
    assert_eq!(sizes("metrics", "metric", "series"), metrics);
    assert_eq!(sizes("labels", "label", "values"), [of("queue_id", 1100), of("queue_name", 1)]);
    assert!(!status.to_string().contains("EMEA"));
}

#[tokio::test]
async fn the_page_lets_in_its_own_script_alone_and_a_path_cannot_break_out_of_its_link() {
    let bench = Bench::new(1);
    let (site, ..) = site_of(&bench.table, "/m\"><script>");
    let (one, other) = (get(&site, "/").await, get(&site, "/").await);
    let policy = one.header("content-security-policy");
    let nonce = policy.split_once("script-src 'nonce-").unwrap().1.split_once('\'').unwrap().0;
    assert!(nonce.len() == 32 && policy.starts_with("default-src 'none';"), "{policy}");
    assert_ne!(policy, other.header("content-security-policy"), "a number is used once");
    assert_eq!(one.body.matches("<script").count(), 1);
    assert!(one.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(one.body.contains("href=\"./m&quot;&gt;&lt;script&gt;\""));
    assert_eq!((one.header("cache-control"), one.header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!(one.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_sink_with_a_spool_says_how_full_it_is_and_another_that_it_has_none() {
    let bench = Bench::new(1);
    let sink = |name: &str, spool_bytes_max| {
        let metrics = bench.telemetry.sink(name);
        metrics.spool_bytes.set(700);
        let queue = queue::lines(1, metrics.dropped.clone()).1.gauge();
        SinkGauge { metrics, queue, spool_bytes_max }
    };
    let sinks = vec![sink("kept", Some(1000)), sink("gone", None)];
    let feeds = Arc::new(Feeds::new(Limits::new(7)));
    let status = Status::new(feeds, Arc::clone(&bench.telemetry), sinks);
    let documents = Arc::new(status).documents().await.unwrap();
    let sinks = serde_json::to_value(&documents.status.sinks).unwrap();
    assert_eq!(sinks[0]["spool_bytes"], json!({"used": 700, "limit": 1000}));
    assert_eq!(sinks[1]["spool_bytes"], Value::Null);
}
