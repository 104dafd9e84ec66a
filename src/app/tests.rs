//! What becomes of faults of our own: they cost one feed its rows for a moment, and nobody else.

use std::future::pending;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::{App, Fault, early_end};
use crate::config::{Account, Config};
use crate::ingest::feeds::{FeedState, Feeds};
use crate::ingest::renewal::Pause;
use crate::pipeline::read_table;
use crate::reload::{Reloader, Source};
use crate::simulator::{CentreOptions, Simulator, SimulatorOptions};
use crate::sink::exposition::Format;
use crate::web::routes::Site;

const PATIENCE: Duration = Duration::from_secs(60);
const AGENTS: &str = "Agent_itd_1.0.0";
const QUEUES: &str = "Queue_itd_1.0.0";

/// An exporter of two simulated producers.
struct Bench {
    feeds: Arc<Feeds>,
    site: Arc<Site>,
    reloader: Reloader,
    /// Its configuration.
    text: Arc<Mutex<String>>,
    running: JoinHandle<Result<(), Fault>>,
}

impl Bench {
    async fn start(lines: &Path) -> Self {
        let centre = CentreOptions { agents: 10, queues: 3, events_per_second: 20.0 };
        let options = SimulatorOptions { seed: Some(7), centre, ..SimulatorOptions::default() };
        let simulator = Simulator::bind(options).await.unwrap();
        let credentials = simulator.credentials();
        let text = format!(
            "[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n\
             snapshot_quiet = \"200ms\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
             [[producer]]\nid = {AGENTS:?}\n[[producer]]\nid = {QUEUES:?}\n\
             [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\non_delete = \"marker\"\n",
            simulator.url(),
            credentials.account_id,
            credentials.client_id,
            credentials.client_secret,
            credentials.app_key,
        );
        let text = Arc::new(Mutex::new(text));
        let read = Arc::clone(&text);
        let load = move || {
            let text = read.lock().unwrap().clone();
            Config::from_text(Account::Required, Path::new("test"), &text, std::iter::empty())
        };
        let loaded = load().unwrap();
        let source = Source::new(move || load().map_err(|problems| problems.to_string()));
        let app = App::build(loaded, source).await.unwrap();
        let (feeds, site, reloader) = (app.feeds(), app.site(), app.reloader());
        tokio::spawn(simulator.run(pending()));
        Self { feeds, site, reloader, text, running: tokio::spawn(app.run(pending())) }
    }

    fn feed(&self, id: &str) -> Arc<FeedState> {
        self.feeds.list().into_iter().find(|feed| feed.producer_id() == id).unwrap()
    }

    fn rows(&self, id: &str) -> usize {
        read_table(&self.feed(id).table()).shown().count()
    }

    fn page(&self) -> String {
        String::from_utf8(self.site.render(Format::Text)).unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "no {what}:\n{}", self.page());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until every producer has had its first snapshot.
    async fn until_ready(&self) {
        self.until("snapshot", |bench| bench.feeds.waiting_for().is_some_and(|waiting| waiting.is_empty()))
            .await;
    }
}

#[tokio::test]
async fn a_feed_that_dies_of_a_fault_begins_anew_and_the_others_notice_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines.lp");
    let bench = Bench::start(&lines).await;
    bench.until_ready().await;
    let (agents, queues) = (bench.feed(AGENTS), bench.feed(QUEUES));
    let rows = bench.rows(AGENTS);
    assert!(rows > 0 && agents.panic().await);
    bench.until("end of its rows", |bench| bench.rows(AGENTS) == 0).await;
    let up = |id: &str| format!("axp_exporter_feed_up{{measure_producer_id={id:?}}} 1\n");
    let page = bench.page();
    assert!(page.contains(&up(QUEUES)) && !page.contains(&up(AGENTS)), "{page}");
    assert!(bench.feeds.waiting_for().is_some_and(|waiting| waiting == [AGENTS]), "it is not ready");
    bench.until_ready().await;
    bench.until("agents", |bench| bench.rows(AGENTS) == rows).await;
    assert!(Arc::ptr_eq(&queues, &bench.feed(QUEUES)));
    let page = bench.page();
    for (id, faults) in [(AGENTS, 1), (QUEUES, 0)] {
        let line = format!("axp_exporter_feed_faults_total{{measure_producer_id={id:?}}} {faults}\n");
        assert!(page.contains(&line), "{line} not in\n{page}");
    }
    bench
        .until("markers", |_| {
            std::fs::read_to_string(&lines).is_ok_and(|text| text.matches("retired=true").count() == rows)
        })
        .await;
    assert!(!bench.running.is_finished());
}

#[tokio::test]
async fn a_reload_that_meets_a_dead_feed_takes_its_heir() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(&folder.path().join("lines.lp")).await;
    bench.until_ready().await;
    let dead = bench.feed(AGENTS);
    assert!(dead.panic().await);
    // It may be noticed before the reload, or by it.
    let reloaded = bench.reloader.reload().await;
    assert!(reloaded.is_ok(), "{reloaded:?}");
    assert!(!Arc::ptr_eq(&dead, &bench.feed(AGENTS)));
    bench.until_ready().await;
    assert!(bench.rows(AGENTS) > 0);
}

#[tokio::test]
async fn a_feed_that_a_reload_ends_says_nothing_more_once_another_configuration_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(&folder.path().join("lines.lp")).await;
    bench.until_ready().await;
    // It is busy, and cannot pause for the reload before this is over.
    let (paused, is_busy) = oneshot::channel();
    let (over, renewal) = oneshot::channel();
    bench.feed(QUEUES).pause(Pause { paused, renewal }).await;
    is_busy.await.unwrap();
    let block = format!("[[producer]]\nid = {QUEUES:?}\n");
    let other = bench.text.lock().unwrap().replace(&block, "");
    *bench.text.lock().unwrap() = other;
    let mut reload = pin!(bench.reloader.reload());
    let early = tokio::time::timeout(Duration::from_secs(1), &mut reload).await;
    assert!(early.is_err(), "it waits: {early:?}");
    assert_eq!(bench.feeds.list().len(), 2, "and nothing is changed");
    drop(over);
    let reloaded = reload.await.unwrap();
    assert!(reloaded.contains("1 feed ended"), "{reloaded}");
    assert_eq!(bench.feeds.list().len(), 1);
}

#[tokio::test]
async fn faults_again_and_again_end_the_exporter() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(&folder.path().join("lines.lp")).await;
    bench.until_ready().await;
    for _ in 0..4 {
        let dead = bench.feed(QUEUES);
        assert!(dead.panic().await);
        bench.until("new beginning", |bench| !Arc::ptr_eq(&dead, &bench.feed(QUEUES))).await;
    }
    assert!(!bench.running.is_finished());
    assert!(bench.feed(AGENTS).panic().await);
    let ended = tokio::time::timeout(PATIENCE, bench.running).await.unwrap().unwrap();
    assert_eq!(ended, Err(Fault));
}

#[tokio::test]
async fn whatever_ends_before_its_time_is_noticed() {
    let dies = || async { panic!("as it should") };
    let goes_on = || async { pending().await };
    for (dying, expected) in [(0, "the server"), (1, "a sink"), (2, "the feeds")] {
        let (mut sinks, mut feeds) = (JoinSet::new(), JoinSet::new());
        let mut server = if dying == 0 { tokio::spawn(dies()) } else { tokio::spawn(goes_on()) };
        sinks.spawn(goes_on());
        feeds.spawn(goes_on());
        match dying {
            1 => drop(sinks.spawn(dies())),
            2 => drop(feeds.spawn(dies())),
            _ => {}
        }
        let ended = tokio::time::timeout(PATIENCE, early_end(&mut server, &mut sinks, &mut feeds)).await;
        assert_eq!(ended, Ok(expected));
    }
}
