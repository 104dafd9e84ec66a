//! Scrapes: every dialect, shared renderings, and when there is none.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::*;
use crate::legal::{self, Series, Syntax};
use crate::table::pick::Pick;
use crate::web::accept::{Coding, Dialect};
use crate::web::rendering::Rendering;
use crate::web::sharing::Sharing;
use crate::web::wish::Wish;

const TIMEOUT: &str = "X-Prometheus-Scrape-Timeout-Seconds";

/// Every dialect by what asks for it, with how it is read and whether underscores are doubled.
const DIALECTS: [(&str, Syntax, bool); 9] = [
    ("text/plain;version=0.0.4", Syntax::Text, false),
    ("text/plain;version=1.0.0;escaping=allow-utf-8", Syntax::Text, false),
    ("text/plain;version=1.0.0;escaping=underscores", Syntax::Text, false),
    ("text/plain;version=1.0.0;escaping=dots", Syntax::Text, true),
    ("text/plain;version=1.0.0;escaping=values", Syntax::Text, false),
    ("application/openmetrics-text;version=0.0.1", Syntax::OpenMetrics, false),
    ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", Syntax::OpenMetrics, false),
    ("application/openmetrics-text;version=1.0.0;escaping=dots", Syntax::OpenMetrics, true),
    ("application/openmetrics-text;version=1.0.0;escaping=values", Syntax::OpenMetrics, false),
];

/// Names and labels of a body, with underscores as they were before `dots` doubled them.
fn names(series: &Series, is_doubled: bool) -> BTreeSet<(String, Vec<(String, String)>)> {
    let plain = |name: &str| if is_doubled { name.replace("__", "_") } else { name.to_owned() };
    let labels = |labels: &[(String, String)]| {
        labels.iter().map(|(name, value)| (plain(name), value.clone())).collect()
    };
    series.keys().map(|(name, pairs)| (plain(name), labels(pairs))).collect()
}

#[tokio::test]
async fn every_dialect_in_every_coding_is_legal_and_shows_the_same_series() {
    let bench = Bench::new(300);
    let mut first = None;
    for (accept, syntax, is_doubled) in DIALECTS {
        for coding in ["identity", "gzip"] {
            let answer = bench.get("/metrics", &[("Accept", accept), ("Accept-Encoding", coding)]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type").replace("; charset=utf-8", "").replace(' ', ""), accept);
            assert_eq!(answer.header("content-encoding"), if coding == "gzip" { "gzip" } else { "" });
            assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
            let series = legal::read(syntax, &answer.body).unwrap_or_else(|what| panic!("{what}"));
            assert_eq!(answer.body.contains("axp__queue__itd__state{queue__id="), is_doubled);
            let names = names(&series, is_doubled);
            assert_eq!(*first.get_or_insert_with(|| names.clone()), names, "{accept}");
        }
    }
    let first = first.unwrap();
    let measures = first.iter().filter(|(name, _)| name.starts_with("axp_queue_itd_"));
    assert_eq!(measures.count(), 300 * 4, "a duration, two states and an info series each");
    assert!(first.iter().any(|(name, _)| name == "process_cpu_seconds_total"));
}

#[tokio::test]
async fn openmetrics_says_units_and_info_and_text_knows_neither() {
    let bench = Bench::new(1);
    let openmetrics = bench.get("/metrics", &[("Accept", "application/openmetrics-text")]).await.body;
    for head in [
        "# TYPE axp_queue_itd info\n# HELP axp_queue_itd Texts of",
        "# TYPE axp_queue_itd_wait_seconds gauge\n# UNIT axp_queue_itd_wait_seconds seconds\n# HELP axp_queue_itd_wait_seconds Said to be \\\"new\\\" \\\\ hot\n",
        "# TYPE axp_queue_itd_state gauge\n# HELP",
        "# TYPE axp_exporter_scrape_duration_seconds histogram\n# UNIT axp_exporter_scrape_duration_seconds seconds\n",
        "# TYPE axp_exporter_build info\n# HELP",
        "# TYPE axp_exporter_scrapes counter\n# HELP",
        "# TYPE process_resident_memory_bytes gauge\n# UNIT process_resident_memory_bytes bytes\n",
    ] {
        assert!(openmetrics.contains(head), "{head} not in\n{openmetrics}");
    }
    let text = bench.get("/metrics", &[]).await.body;
    for head in [
        "# HELP axp_queue_itd_wait_seconds Said to be \"new\" \\\\ hot\n# TYPE axp_queue_itd_wait_seconds gauge\n",
        "# TYPE axp_queue_itd_info gauge\n",
        "# TYPE axp_exporter_build_info gauge\n",
        "# TYPE axp_exporter_scrapes_total counter\n",
    ] {
        assert!(text.contains(head), "{head} not in\n{text}");
    }
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
}

#[tokio::test]
async fn the_lines_of_two_scrapes_have_the_same_order() {
    let bench = Bench::new(3);
    // Many labels in the exporter's own families: hash maps hardly agree on their order.
    let others: Vec<Bench> = (0..3).map(|_| Bench::new(3)).collect();
    let names = |answer: &Answer| {
        let names = answer.body.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
        names.filter(|line| !line.contains("process_")).collect::<Vec<_>>()
    };
    let first = names(&bench.get("/metrics", &[]).await);
    assert!(first.len() > 50);
    for other in &others {
        assert_eq!(names(&other.get("/metrics", &[]).await), first);
    }
}

#[tokio::test]
async fn names_pick_whole_families() {
    let bench = Bench::new(2);
    let picked = async |query: &str, accept: &str| {
        let body = bench.get(&format!("/metrics?{query}"), &[("Accept", accept)]).await.body;
        let families = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        families.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let openmetrics = "application/openmetrics-text";
    for (query, text, open) in [
        ("name[]=axp_queue_itd_state", "axp_queue_itd_state", "axp_queue_itd_state"),
        ("name%5B%5D=axp_queue_itd_state&x=y", "axp_queue_itd_state", "axp_queue_itd_state"),
        ("name[]=axp_queue_itd_info", "axp_queue_itd_info", "axp_queue_itd"),
        ("name[]=axp_queue_itd", "axp_queue_itd_info", "axp_queue_itd"),
        ("name[]=axp_exporter_scrapes_total", "axp_exporter_scrapes_total", "axp_exporter_scrapes"),
        (
            "name[]=axp_exporter_scrape_duration_seconds_count",
            "axp_exporter_scrape_duration_seconds",
            "axp_exporter_scrape_duration_seconds",
        ),
    ] {
        assert_eq!(picked(query, "").await, [text], "{query}");
        assert_eq!(picked(query, openmetrics).await, [open], "{query}");
    }
    let held = bench.own(r#"axp_exporter_series{measure_producer_id="Queue_itd_1.0.0"}"#);
    assert_eq!(held, 8, "all that there are, whatever was picked");
    let several =
        picked("name[]=axp_queue_itd_state&name[]=process_threads&name[]=axp_queue_itd_wait_seconds", "")
            .await;
    assert_eq!(several, ["axp_queue_itd_state", "axp_queue_itd_wait_seconds", "process_threads"]);
    assert!(picked("name[]=axp_queue", "").await.is_empty(), "not by a part of the name");
    assert!(picked("name[]=", "").await.is_empty());
    assert!(picked("name=axp_queue_itd_state", "").await.len() > 10, "that is another key");
    let nothing = bench.get("/metrics?name[]=x", &[("Accept", openmetrics)]).await;
    assert_eq!((nothing.status, nothing.body.as_str()), (200, "# EOF\n"));
}

#[tokio::test]
async fn what_is_no_scrape_is_told_so() {
    let bench = Bench::new(1);
    let refused = bench.get("/metrics", &[("Accept-Encoding", "br, *;q=0")]).await;
    assert_eq!(refused.status, 406);
    let post = Request::post("/metrics").body(()).unwrap();
    let answer = Answer::to(&bench.site, &post).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    let post = Request::post("/-/reload").body(()).unwrap();
    assert_eq!(Answer::to(&bench.site, &post).await.status, 403, "web.lifecycle is false");
    assert_eq!(bench.get("/metric", &[]).await.status, 404);
    assert_eq!(bench.get("/-/healthy", &[]).await.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_scrapers_at_once_cost_the_work_of_a_few() {
    let bench = Bench::new(500);
    let source = Source::new(feeds_of(&bench), Arc::clone(&bench.telemetry), Vec::new());
    let sharing = Arc::new(Sharing::new(Arc::new(source), Places::default()));
    let wish = Wish::new(Dialect::Text0, Coding::Gzip);
    let hold = bench.hold();
    let mut scrapers = JoinSet::new();
    for _ in 0..1000 {
        let sharing = Arc::clone(&sharing);
        scrapers.spawn(async move {
            sharing.render(wish, Pick::default(), Timeout::of(&HeaderMap::new())).await.unwrap()
        });
    }
    drop(hold);
    let renderings = scrapers.join_all().await;
    let different: BTreeSet<usize> = renderings.iter().map(|one| Arc::as_ptr(one).addr()).collect();
    assert!(different.len() <= 10, "{} renderings for 1000 scrapers", different.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_applied_before_a_request_came_is_in_its_answer_however_many_share_it() {
    let bench = Arc::new(Bench::new(100));
    let applied = Arc::new(AtomicU32::new(0));
    let mut scrapers = JoinSet::new();
    for _ in 0..8 {
        let (bench, applied) = (Arc::clone(&bench), Arc::clone(&applied));
        scrapers.spawn(async move {
            for _ in 0..50 {
                let before = f64::from(applied.load(Ordering::SeqCst));
                let seen = bench.get("/metrics", &[]).await.wait();
                assert!(seen >= before, "{before} was there, {seen} is shown");
            }
        });
    }
    let mut count = 0_u32;
    while !scrapers.is_empty() {
        count += 1;
        bench.set_wait(f64::from(count));
        applied.store(count, Ordering::SeqCst);
        while scrapers.try_join_next().map(Result::unwrap).is_some() {}
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn measures_that_have_not_changed_are_not_rendered_again() {
    let bench = Bench::new(100);
    let source = Source::new(feeds_of(&bench), Arc::clone(&bench.telemetry), Vec::new());
    let wish = Wish::new(Dialect::Text0, Coding::Identity);
    let places = Places::default();
    let render =
        |last| Arc::new(source.render(wish, &Pick::default(), last, places.try_take()).unwrap().unwrap());
    let place = |rendering: &Rendering| rendering.page(1).unwrap().as_ptr().addr();
    let first = render(None);
    let second = render(Some(Arc::clone(&first)));
    assert_eq!(place(&first), place(&second));
    bench.set_wait(7.0);
    let page = |rendering: &Rendering| rendering.page(1).unwrap().clone();
    let read = page(&first).to_vec();
    let third = render(Some(second));
    assert_ne!(page(&third), page(&first));
    assert_eq!(page(&first), read, "who still reads a rendering sees nothing of the next");
    let own = bench.own(r#"axp_exporter_series{measure_producer_id="Queue_itd_1.0.0"}"#);
    assert_eq!(own, 400, "what the body shows is what the gauge says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_that_cannot_be_done_in_time_ends_before_its_client_gives_up() {
    let bench = Bench::new(10);
    let hold = bench.hold();
    let began = Instant::now();
    let answer = bench.get("/metrics", &[(TIMEOUT, "0.5")]).await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    drop(hold);
    for nonsense in ["0.5s", "", "-1", "0", "NaN", "inf", "1e999", "0x10", "ü"] {
        assert_eq!(bench.get("/metrics", &[(TIMEOUT, nonsense)]).await.status, 200, "{nonsense}");
    }
    assert_eq!(bench.get("/metrics", &[(TIMEOUT, "1e300")]).await.status, 200);
    assert_eq!(bench.own(r#"axp_exporter_scrapes_refused_total{reason="timeout"}"#), 1);
    assert_eq!(bench.own(r#"axp_exporter_scrapes_total{format="text"}"#), 11);
    assert_eq!(bench.own("axp_exporter_scrape_duration_seconds_count"), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_forty_scrapes_at_once_are_sent_away_at_once() {
    let bench = Arc::new(Bench::new(10));
    let mut scrapes = JoinSet::new();
    let hold = bench.hold();
    for _ in 0..40 {
        let bench = Arc::clone(&bench);
        scrapes.spawn(async move { bench.get("/metrics", &[]).await.status });
    }
    let counted = || bench.own(r#"axp_exporter_scrapes_total{format="text"}"#);
    let deadline = Instant::now() + Duration::from_secs(20);
    while counted() < 40 {
        assert!(Instant::now() < deadline, "only {} came through", counted());
        tokio::task::yield_now().await;
    }
    let refused = bench.get("/metrics", &[]).await;
    drop(hold);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert!(scrapes.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(bench.get("/metrics", &[]).await.status, 200, "their places are free again");
    assert_eq!(bench.own(r#"axp_exporter_scrapes_refused_total{reason="busy"}"#), 1);
    assert_eq!(bench.own("axp_exporter_scrape_duration_seconds_count"), 41);
}

#[tokio::test]
async fn forty_who_do_not_read_what_they_asked_for_keep_nobody_out() {
    let bench = Bench::new(10);
    let request = Request::get("/metrics").body(()).unwrap();
    let mut unread = Vec::new();
    for _ in 0..40 {
        let response = bench.site.answer(&request, Timeout::of(request.headers())).await;
        assert_eq!(response.status(), 200);
        unread.push(response);
    }
    assert_eq!(bench.get("/metrics", &[]).await.status, 200);
    assert_eq!(bench.own(r#"axp_exporter_scrapes_refused_total{reason="busy"}"#), 0);
}

fn feeds_of(bench: &Bench) -> Arc<Feeds> {
    let feeds = Arc::new(Feeds::new(Limits::new(1000)));
    feeds.add(Arc::new(FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(&bench.table)).0));
    feeds
}
