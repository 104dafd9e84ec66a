//! The exporter at work for as long as one likes, with whatever goes wrong: it neither grows nor loses
//! anything. `tests/soak 60` runs it for an hour.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axp_exporter::simulator::{CentreOptions, Simulator, SimulatorHandle, SimulatorOptions, Status};

use crate::commands::write_config;
use crate::influx::stand_in::{StandIn, status};
use crate::producers::program;
use crate::support::{Process, get, wait_for};

/// How long it runs where `AXP_EXPORTER_SOAK_MINUTES` says nothing else.
const MINUTES: f64 = 2.0;
/// How long anything may take that is waited for: longer than the longest pause between two attempts.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is scraped.
const SCRAPE_INTERVAL: Duration = Duration::from_millis(250);
/// How often something goes wrong with the feeds, and how often, and for how long, a sink is away.
const FAULT_INTERVAL: Duration = Duration::from_secs(4);
const OUTAGE_INTERVAL: Duration = Duration::from_secs(20);
const OUTAGE: Duration = Duration::from_secs(7);
/// How often the configuration is another one, by the rule that comes and goes.
const RELOAD_INTERVAL: Duration = Duration::from_secs(11);
const RULE: &str = "[[relabel]]\ntarget_label = \"site\"\nreplacement = \"north\"\n";
/// By what part resident memory may grow in a quarter of the time: the heap goes up and down by almost as
/// much. What grows for ever shows in a run that is long enough.
const GROWTH_MAX: f64 = 0.05;
const PRODUCERS: [&str; 4] =
    ["Agent_itd_1.0.0", "AgentByChannel_itd_1.0.0", "Queue_itd_1.0.0", "QueueByChannel_itd_1.0.0"];
/// What goes wrong, one after the other.
const FAULTS: [&str; 8] = [
    r#"{"fault":"close"}"#,
    r#"{"fault":"reset","producer":"Agent_itd_1.0.0"}"#,
    r#"{"fault":"frame","text":"{\"keys\":"}"#,
    r#"{"fault":"expire","producer":"Queue_itd_1.0.0"}"#,
    r#"{"fault":"silence","producer":"AgentByChannel_itd_1.0.0","seconds":3}"#,
    r#"{"fault":"revoke_tokens"}"#,
    r#"{"fault":"answer","operation":"create","status":503}"#,
    r#"{"fault":"reset"}"#,
];

/// A look at the program through its own metrics.
struct Look {
    page: String,
}

impl Look {
    fn take(url: &str) -> Self {
        Self { page: get(url).ok() }
    }

    /// The sum of the samples of a metric whose labels have all of these parts.
    fn sum(&self, metric: &str, parts: &[&str]) -> f64 {
        let samples = self.page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(metric)?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && parts.iter().all(|part| labels.contains(part))).then(|| value.parse::<f64>().unwrap())
        });
        samples.sum()
    }

    /// Resident memory in bytes, open files, tasks.
    fn size(&self) -> [f64; 3] {
        ["process_resident_memory_bytes", "process_open_fds", "axp_exporter_tasks"]
            .map(|metric| self.sum(metric, &[]))
    }
}

/// The program, and what it works with.
struct Soak {
    centre: SimulatorHandle,
    server: StandIn,
    process: Process,
    url: String,
    folder: tempfile::TempDir,
    configuration: String,
}

impl Soak {
    async fn start() -> Self {
        let options = SimulatorOptions {
            seed: Some(7),
            centre: CentreOptions { agents: 40, queues: 5, events_per_second: 100.0 },
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::bind(options).await.unwrap();
        let (centre, credentials) = (simulator.handle(), simulator.credentials());
        let server = StandIn::start(|_| status(204)).await;
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[axp]\napi_url = {:?}\naccount_id = {:?}\nclient_id = {:?}\nclient_secret = {:?}\napp_key = {:?}\n\
             snapshot_quiet = \"200ms\"\nping_interval = \"1s\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
             [[influx]]\nname = \"steady\"\ntarget = \"file\"\npath = \"{}\"\nflush_interval = \"50ms\"\n\
             [[influx]]\nname = \"fickle\"\ntarget = \"http\"\napi = \"v1\"\ndatabase = \"d\"\nurl = {:?}\n\
             spool_dir = \"{}\"\nflush_interval = \"50ms\"\n\
             [record]\npath = \"{}\"\nrotate_bytes = \"256KiB\"\nrotate_keep = 2\n",
            simulator.url(),
            credentials.account_id,
            credentials.client_id,
            credentials.client_secret,
            credentials.app_key,
            folder.path().join("lines.lp").display(),
            server.url(),
            folder.path().join("spool").display(),
            folder.path().join("feed.jsonl.gz").display(),
        );
        let config = write_config(folder.path(), &text);
        tokio::spawn(simulator.run(std::future::pending()));
        let mut command = program(&["run", "-c", &config]);
        // As the units have it.
        command.env("MALLOC_ARENA_MAX", "2");
        let process = Process::start(command);
        let url = wait_for("URL", PATIENCE, || {
            let log = process.stderr();
            let url = log.split_once("url=\"").and_then(|(_, rest)| rest.split_once('"'));
            url.map(|(url, _)| url.to_owned()).ok_or(log)
        });
        let soak = Self { centre, server, process, url, folder, configuration: text };
        soak.settle();
        soak.centre.resume();
        soak
    }

    fn fault(&self, fault: &str) {
        self.centre.inject(serde_json::from_str(fault).unwrap()).unwrap();
    }

    /// Has another configuration read: the rule comes with every second one.
    fn reload(&self, number: u64) {
        let rule = if number % 2 == 1 { RULE } else { "" };
        write_config(self.folder.path(), &format!("{}{rule}", self.configuration));
        self.process.signal("HUP");
    }

    /// Has the contact centre rest, and waits until the exporter knows all of it and no line waits.
    fn settle(&self) -> Look {
        self.centre.pause();
        wait_for("peace", PATIENCE, || {
            let look = Look::take(&self.url);
            let is_known = PRODUCERS.iter().all(|id| {
                let by_id = [*id];
                #[expect(clippy::cast_precision_loss, reason = "they are few")]
                let rows = self.centre.rows(id).len() as f64;
                look.sum("axp_exporter_feed_snapshot_complete", &by_id) == 1.0
                    && look.sum("axp_exporter_rows", &by_id) == rows
            });
            let waiting = look.sum("axp_exporter_influx_queue_bytes", &[])
                + look.sum("axp_exporter_influx_spool_bytes", &[]);
            // An empty spool has the heads of its files.
            let up = look.sum("axp_exporter_influx_up", &[]);
            if is_known && waiting < 100.0 && up == 2.0 { Ok(look) } else { Err(look.page) }
        })
    }

    /// Has it at work for so long; gives its sizes.
    fn work(&self, time: Duration) -> Vec<[f64; 3]> {
        let (begin, mut sizes) = (Instant::now(), Vec::new());
        let (mut faults, mut next_fault) = (FAULTS.iter().cycle(), begin + FAULT_INTERVAL);
        let (mut is_away, mut next_change) = (false, begin + OUTAGE_INTERVAL);
        let (mut reloads, mut next_reload) = (0, begin + RELOAD_INTERVAL);
        while begin.elapsed() < time {
            let now = Instant::now();
            if now >= next_fault {
                self.fault(faults.next().unwrap());
                next_fault = now + FAULT_INTERVAL;
            }
            if now >= next_change {
                is_away = !is_away;
                self.server.answer_by(move |_| status(if is_away { 503 } else { 204 }));
                next_change = now + if is_away { OUTAGE } else { OUTAGE_INTERVAL };
            }
            if now >= next_reload {
                reloads += 1;
                self.reload(reloads);
                next_reload = now + RELOAD_INTERVAL;
            }
            sizes.push(Look::take(&self.url).size());
            std::thread::sleep(SCRAPE_INTERVAL);
        }
        self.fault(r#"{"fault":"clear"}"#);
        self.server.answer_by(|_| status(204));
        self.reload(0);
        sizes
    }
}

/// The mean of one size over a part of the time.
#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn mean(sizes: &[[f64; 3]], of: usize) -> f64 {
    sizes.iter().map(|size| size[of]).sum::<f64>() / sizes.len() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn it_neither_grows_nor_loses_a_line_however_long_it_runs() {
    let minutes =
        std::env::var("AXP_EXPORTER_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(MINUTES);
    let mut soak = Soak::start().await;
    let before = Look::take(&soak.url).size();
    let sizes = soak.work(Duration::from_secs_f64(60.0 * minutes));
    let after = soak.settle();

    // The books.
    let of = |metric: &str, parts: &[&str]| after.sum(&format!("axp_exporter_{metric}_total"), parts);
    let events = of("events", &[]);
    assert_eq!(events, of("events_applied", &[]) + of("events_rejected", &[]));
    assert_eq!(of("readings", &["rejected"]), of("readings_rejected", &[]));
    let lines = std::fs::read_to_string(soak.folder.path().join("lines.lp")).unwrap();
    let lines: BTreeSet<String> = lines.split_inclusive('\n').map(str::to_owned).collect();
    let stored: BTreeSet<String> = soak.server.stored().into_keys().collect();
    assert!(lines == stored, "{} lines, and {} stored", lines.len(), stored.len());
    #[expect(clippy::cast_precision_loss, reason = "they are far below 2^53")]
    let lines = lines.len() as f64;
    for sink in ["steady", "fickle"] {
        let sink = format!("sink=\"{sink}\"");
        let outcomes =
            ["written", "rejected", "dropped"].map(|outcome| of("influx_lines", &[&sink, outcome]));
        assert_eq!(outcomes, [lines, 0.0, 0.0], "{sink}");
    }
    assert_eq!(of("feed_faults", &[]), 0.0);
    assert!(of("record_records", &["written"]) >= events, "all that came was recorded");
    assert_eq!(of("record_records", &["dropped"]), 0.0);
    assert_eq!(after.sum("axp_exporter_config_last_reload_successful", &[]), 1.0);
    let reloads = soak.process.stderr().matches("the configuration was reloaded").count();
    assert!(reloads > 0, "{}", soak.process.stderr());
    let reconnects = of("reconnects", &[]);
    assert!(reconnects >= minutes, "{reconnects} in {minutes} minutes");

    // The sizes: what is there when all is at rest, and what memory makes of time.
    let rest = after.size();
    for (what, of, more) in [("files", 1, 4.0), ("tasks", 2, 4.0)] {
        assert!(rest[of] <= before[of] + more, "{what}: {} before, {} after", before[of], rest[of]);
    }
    // In the first half the heap takes its shape.
    let (half, quarter) = (sizes.len() / 2, sizes.len() / 4);
    let (third, last) = (mean(&sizes[half..half + quarter], 0), mean(&sizes[half + quarter..], 0));
    let growth = (last - third) / third;
    let hours = minutes / 240.0;
    let tenths = sizes.chunks(sizes.len().div_ceil(10));
    let tenths: Vec<String> =
        tenths.map(|sizes| format!("{:.1}", mean(sizes, 0) / f64::from(1 << 20))).collect();
    println!("resident by tenths of the time, MiB: {}", tenths.join(" "));
    println!(
        "{minutes} minutes: {events} events, {lines} lines, {reconnects} reconnects, {reloads} reloads, {} scrapes; resident \
         {:.1} MiB, then {:.1}: {:+.2} % ({:+.1} % an hour); files {} and {}, tasks {} and {}",
        sizes.len(),
        third / f64::from(1 << 20),
        last / f64::from(1 << 20),
        100.0 * growth,
        100.0 * growth / hours,
        before[1],
        rest[1],
        before[2],
        rest[2],
    );
    // A short run has yet to touch what a long one keeps.
    let most = if minutes >= 30.0 { GROWTH_MAX } else { 2.0 * GROWTH_MAX };
    assert!(growth <= most, "resident memory grew by {:.2} % in a quarter of the time", 100.0 * growth);
    assert!(soak.process.stop().success(), "{}", soak.process.stderr());
    // Where AXP has ended one itself, its end need not be told to AXP.
    let left = soak.centre.subscriptions();
    assert!(left.iter().all(|left| left.status == Status::Inactive), "{left:?}\n{}", soak.process.stderr());
}
