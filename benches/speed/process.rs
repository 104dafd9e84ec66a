//! The whole process: memory, scrapes over HTTP, events from a socket, and how soon they show.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use axp_exporter::parse::name::snake_case;

use crate::centre::{Centre, encode};
use crate::exporter::Exporter;
use crate::report::{Report, Target, fastest, milliseconds, per_second};
use crate::{frames, ingest, render};

/// A million.
pub(crate) const SERIES: usize = render::ROWS * frames::WIDE.len();
/// How often a scrape is tried.
const ROUNDS: usize = 10;
const MEBIBYTE: f64 = (1 << 20) as f64;

/// What a million series cost at rest, and how long a scrape of them takes.
pub(crate) fn measure_million(report: &mut Report) {
    let centre = Centre::start();
    let exporter = Exporter::start(&centre);
    let mut socket = centre.socket();
    exporter.settle();
    let idle = exporter.memory();
    report.add(
        "memory without series",
        format!("{:.1} MiB", idle as f64 / MEBIBYTE),
        String::new(),
        idle as f64 / MEBIBYTE,
        Target::AtMost(12.0),
    );
    let events = frames::shuffled(&frames::queues(render::ROWS, "LIVE"));
    socket.write_all(&encode(&events)).unwrap();
    exporter.settle();
    let full = exporter.memory();
    report.add(
        "memory of 1 M series",
        format!("{:.1} MiB", full as f64 / MEBIBYTE),
        "bytes a series above idle".to_owned(),
        (full - idle) as f64 / SERIES as f64,
        Target::AtMost(40.0),
    );
    let lines = exporter.scraper().scrape("").split(|byte| *byte == b'\n').count();
    assert!(lines > SERIES, "only {lines} lines");
    let (tables, mut body) = ([render::million().table], Vec::new());
    let rendering = fastest(|| render::render(&mut body, &tables));
    let theirs = render::prometheus_client_time(&render::prometheus_client());
    for (coding, headers, yardstick, named, most) in [
        ("", "", rendering, "rendering them", 3.0),
        (", gzip", "Accept-Encoding: gzip\r\n", theirs, "prometheus-client, plain", 1.0),
    ] {
        for (case, target, event) in
            [("", Target::AtMost(most), Some(&events[0])), (", nothing changed", Target::None, None)]
        {
            let scrape = Scrapes::of(&exporter, headers, || {
                if let Some(event) = event {
                    socket.write_all(&encode(std::slice::from_ref(event))).unwrap();
                    exporter.settle();
                }
            });
            report.add(
                &format!("scrape of 1 M series over loopback{coding}{case}"),
                scrape.to_string(),
                format!("{named} {}", milliseconds(yardstick)),
                scrape.time.as_secs_f64() / yardstick.as_secs_f64(),
                target,
            );
        }
    }
    exporter.settle();
    println!("memory after scrapes: {:.1} MiB", exporter.memory() as f64 / MEBIBYTE);
}

/// What the fastest of some scrapes took.
struct Scrapes {
    time: Duration,
    cpu_time: Duration,
    bytes: usize,
}

impl Scrapes {
    /// Scrapes on one connection, each time after something has been done.
    fn of(exporter: &Exporter, headers: &str, mut before: impl FnMut()) -> Self {
        let mut scraper = exporter.scraper();
        let mut fastest = Self { time: Duration::MAX, cpu_time: Duration::MAX, bytes: 0 };
        for _ in 0..ROUNDS {
            before();
            let used = exporter.cpu_time();
            let time = crate::report::time(|| fastest.bytes = scraper.drain(headers));
            fastest.time = fastest.time.min(time);
            fastest.cpu_time = fastest.cpu_time.min(exporter.cpu_time().saturating_sub(used));
        }
        fastest
    }
}

impl std::fmt::Display for Scrapes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, cpu_time, bytes } = self;
        let megabytes = *bytes as f64 / 1e6;
        let [time, cpu_time] = [*time, *cpu_time].map(milliseconds);
        write!(formatter, "{time} for {megabytes:.0} MB, {cpu_time} of its cores")
    }
}

/// Events a second and core, from the socket to the table.
pub(crate) fn measure_socket(report: &mut Report) {
    let centre = Centre::start();
    let exporter = Exporter::start(&centre);
    let mut socket = centre.socket();
    let events = frames::queues(ingest::ROWS, "LIVE");
    let bytes = encode(&events);
    let mut send = || {
        let before = exporter.cpu_time();
        socket.write_all(&bytes).unwrap();
        exporter.settle();
        exporter.cpu_time().saturating_sub(before)
    };
    send();
    let mut rig = ingest::known(frames::QUEUES, &events);
    let (mut core, mut process) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        core = core.min(crate::report::time(|| rig.apply(&events)));
        process = process.min(send());
    }
    report.add(
        "events of 25 measures from the socket, a core-second",
        per_second(events.len(), process),
        format!("frame to table alone {}", per_second(events.len(), core)),
        core.as_secs_f64() / process.as_secs_f64(),
        Target::AtLeast(0.5),
    );
}

/// How long it takes until a scrape shows an event while 50,000 arrive each second.
pub(crate) fn measure_latency(report: &mut Report) {
    const ROWS: usize = 200;
    const TICK: Duration = Duration::from_millis(1);
    /// With [`TICK`] 50,000 a second.
    const EVENTS_A_TICK: usize = 50;
    const TICKS: usize = 5_000;
    let centre = Centre::start();
    let exporter = Exporter::start(&centre);
    let mut socket = centre.socket();
    let events = frames::queues(ROWS, "LIVE");
    socket.write_all(&encode(&events)).unwrap();
    exporter.settle();
    // The last event of a tick numbers it.
    let numbered = |tick: usize| {
        let measures = format!(r#""{}":"{tick}""#, frames::WIDE[0]);
        let mut events: Vec<_> =
            (1..EVENTS_A_TICK).map(|event| events[(tick + event) % ROWS].clone()).collect();
        events.retain(|event| !event.contains(&frames::queue(0)));
        events.push(frames::frame(frames::QUEUES, "LIVE", &frames::queue(0), &measures));
        encode(&events)
    };
    let ticks: Vec<_> = (0..TICKS).map(numbered).collect();
    let started = Instant::now();
    let due = move |tick: usize| started + TICK * u32::try_from(tick).unwrap();
    let sender = thread::spawn(move || {
        for (tick, bytes) in ticks.iter().enumerate() {
            thread::sleep(due(tick).saturating_duration_since(Instant::now()));
            socket.write_all(bytes).unwrap();
        }
    });
    let series = format!("axp_queue_itd_{}{{", snake_case(frames::WIDE[0]));
    let mut scraper = exporter.scraper();
    let (mut latencies, mut next) = (Vec::new(), 0);
    while next < TICKS {
        let body = scraper.scrape("");
        let now = Instant::now();
        let body = String::from_utf8_lossy(&body);
        // Row 0 is the first of its family.
        let sample = body.lines().find(|line| line.starts_with(&series)).unwrap();
        let shown: usize = sample.rsplit(' ').next().unwrap().parse().unwrap();
        // Before the first tick there stands what the row began with.
        if latencies.is_empty() && now < due(EVENTS_A_TICK) {
            continue;
        }
        while next <= shown {
            latencies.push(now.saturating_duration_since(due(next)));
            next += 1;
        }
    }
    sender.join().unwrap();
    latencies.drain(..EVENTS_A_TICK);
    latencies.sort_unstable();
    let p99 = latencies[latencies.len() * 99 / 100];
    report.add(
        "event to visible in /metrics at 50,000 events/s, p99",
        milliseconds(p99),
        format!("median {}", milliseconds(latencies[latencies.len() / 2])),
        p99.as_secs_f64() * 1e3,
        Target::AtMost(5.0),
    );
}
