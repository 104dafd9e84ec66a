//! The watchdog is fed while every task makes progress, and not while one hangs.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use axp_exporter::app::App;
use axp_exporter::config::{Account, Config};
use axp_exporter::notify::{Notifier, watchdog};
use axp_exporter::reload::Source;
use axp_exporter::simulator::{Simulator, SimulatorHandle};
use tokio::runtime::Handle;

use super::manager::Manager;
use crate::rig::{AGENTS, PATIENCE, simulator, wait_for};

const WATCHDOG: &str = "WATCHDOG=1";
/// How often the manager is to hear of us.
const INTERVAL: Duration = Duration::from_millis(50);
/// How long a task may be silent. More than the second after which the feed here has to ping.
const SILENCE: Duration = Duration::from_secs(3);

/// An exporter of the simulated agents, with a sink of lines.
async fn build(simulator: &Simulator, lines: &tempfile::TempDir) -> App {
    let credentials = simulator.credentials();
    let text = format!(
        "{AGENTS}[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n\
         ping_interval = \"1s\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = \"{}\"\n",
        simulator.url(),
        credentials.account_id,
        credentials.client_id,
        credentials.client_secret,
        credentials.app_key,
        lines.path().join("lines.lp").display(),
    );
    let loaded = Config::from_text(Account::Required, "test".as_ref(), &text, std::iter::empty());
    App::build(loaded.unwrap_or_else(|problems| panic!("{problems}")), Source::none()).await.unwrap()
}

fn run(simulator: Simulator, app: App) -> (SimulatorHandle, impl Sized) {
    let handle = simulator.handle();
    let simulator = tokio::spawn(simulator.run(std::future::pending()));
    (handle, (simulator, tokio::spawn(app.run(std::future::pending()))))
}

#[tokio::test]
async fn every_task_that_lives_as_long_as_the_exporter_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator().await;
    let app = build(&simulator, &folder).await;
    let pulses = app.pulses();
    let _running = run(simulator, app);
    // While the test's only thread is here, no task can show progress.
    let silent = || {
        let now = Instant::now();
        pulses.silent(now, Duration::ZERO);
        pulses.silent(now, Duration::ZERO);
        let mut silent = pulses.silent(now + SILENCE, Duration::ZERO);
        silent.sort();
        silent
    };
    let all = ["feed Agent_itd_1.0.0", "server", "sink main"];
    wait_for("all tasks to begin", || async { silent() == all }).await;
    let quiet = || pulses.silent(Instant::now(), PATIENCE);
    assert!(quiet().is_empty());
    // Each goes on to beat by itself.
    wait_for("all tasks to beat", || async {
        let now = Instant::now();
        pulses.silent(now, Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(3)).await;
        pulses.silent(now, Duration::ZERO).is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_hangs_starves_the_watchdog_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Arc::new(Manager::at_path(&folder));
    let simulator = simulator().await;
    let app = build(&simulator, &folder).await;
    let (feeds, pulses) = (app.feeds(), app.pulses());
    let (simulator, _running) = run(simulator, app);
    let notifier = Notifier::to(manager.address.as_ref()).unwrap();
    tokio::spawn(watchdog::feed(notifier, INTERVAL, Arc::clone(&pulses), SILENCE));
    let hears = |time| {
        let manager = Arc::clone(&manager);
        async move { tokio::task::spawn_blocking(move || manager.hears(WATCHDOG, time)).await.unwrap() }
    };
    wait_for("rows", || async { feeds.list().iter().any(|feed| feed.table().read().unwrap().series() > 0) })
        .await;
    assert!(hears(PATIENCE).await);

    // Who reads the table does not give it back: the feed waits for it with its next event.
    let table = feeds.list()[0].table();
    let ((taken, is_taken), (release, is_released)) = (channel(), channel::<()>());
    let runtime = Handle::current();
    let reader = thread::spawn(move || {
        let _held = table.read().unwrap();
        taken.send(()).unwrap();
        // The thread that hangs with the feed may be the one that waits for sockets and clocks on behalf of
        // all. Others are woken, so that one of them does.
        while is_released.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            runtime.spawn(async {});
        }
    });
    is_taken.recv().unwrap();
    assert!(simulator.log_out(None).is_some());
    // It, and no other task but the sink, if it has woken that: it waits for the same thread then.
    let is_silent = || async {
        let mut silent = pulses.silent(Instant::now(), SILENCE);
        silent.retain(|task| task != "sink main");
        silent == ["feed Agent_itd_1.0.0"]
    };
    wait_for("the feed's silence", is_silent).await;
    wait_for("the watchdog to starve", || async { !hears(INTERVAL * 20).await }).await;
    drop(release);
    reader.join().unwrap();
    assert!(hears(PATIENCE).await, "it goes on");

    let never = pulses.begin("one that never beats");
    wait_for("the watchdog to starve again", || async { !hears(INTERVAL * 20).await }).await;
    drop(never);
    assert!(hears(PATIENCE).await, "a task that has ended is not missed");
}
