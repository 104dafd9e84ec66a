//! Memory: rows without end are refused before they take it, what `docs/sizing.md` reckons is enough under the
//! worst of loads, and who is killed for it all the same begins anew with what the spool has.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use axp_exporter::simulator::SimulatorHandle;

use crate::commands::write_config;
use crate::influx::stand_in::{StandIn, status};
use crate::process::{END_TIMEOUT, configuration, metrics_url};
use crate::rig::{AGENTS, simulator};
use crate::support::{Process, exporter, get, tool, wait_for};

/// A program with a contact centre that sends what a test has it send.
struct Bombed {
    process: Process,
    url: String,
    centre: SimulatorHandle,
    config: String,
    _folder: tempfile::TempDir,
}

/// What the kernel counts against `ulimit -d`, bytes: memory that only this process can have written.
fn data_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

impl Bombed {
    /// A program whose data may take so many KiB; `more` is made of the folder that it may write to.
    async fn start(most: Option<u64>, more: impl FnOnce(&Path) -> String) -> Self {
        let simulator = simulator().await;
        let centre = simulator.handle();
        centre.pause();
        let folder = tempfile::tempdir().unwrap();
        let more = format!("{AGENTS}[web]\nlisten = \"127.0.0.1:0\"\n{}", more(folder.path()));
        let config = write_config(folder.path(), &configuration(&simulator, &more));
        tokio::spawn(simulator.run(std::future::pending()));
        let process = Process::start(run(most, &config));
        let url = metrics_url(&process);
        let bombed = Self { process, url, centre, config, _folder: folder };
        wait_for("the snapshot", END_TIMEOUT, || {
            let page = bombed.page();
            let is_complete = sum(&page, "axp_exporter_feed_snapshot_complete") == 1.0;
            if is_complete && sum(&page, "axp_exporter_rows") > 0.0 { Ok(()) } else { Err(page) }
        });
        bombed
    }

    fn page(&self) -> String {
        get(&self.url).ok()
    }

    /// Sends an event for each of so many rows, whose keys are as long as they may be, and waits for it.
    fn send(&self, rows: Range<u32>, value: u32) {
        for begin in rows.clone().step_by(250) {
            let chunk = begin..rows.end.min(begin + 250);
            let before = sum(&self.page(), "axp_exporter_events_total");
            let sent = self.emit(chunk, value);
            wait_for("their events", END_TIMEOUT, || {
                let events = sum(&self.page(), "axp_exporter_events_total") - before;
                if events >= f64::from(sent) { Ok(()) } else { Err(format!("{events} of {sent}")) }
            });
        }
    }

    /// Sends them without waiting; gives how many were sent.
    fn emit(&self, rows: Range<u32>, value: u32) -> u32 {
        let wide = "x".repeat(150);
        let frames = rows.map(|row| {
            let keys: Vec<String> = (0..12).map(|key| format!(r#""k{key}":"{row}-{wide}""#)).collect();
            format!(
                r#"{{"keys":{{{}}},"eventAction":"UPSERT","payloadType":"LIVE","measures":{{"a":"{value}"}}}}"#,
                keys.join(",")
            )
        });
        frames.map(|frame| u32::try_from(self.centre.emit(&frame, "Agent_itd_1.0.0")).unwrap()).sum()
    }
}

/// The program, with so much memory for its data.
fn run(most: Option<u64>, config: &str) -> Command {
    let mut program = exporter(["run", "-c", config]);
    if let Some(kib) = most {
        let limited = std::mem::replace(&mut program, Command::new("sh"));
        program.arg("-c").arg(format!("ulimit -d {kib} && exec \"$0\" \"$@\""));
        program.arg(limited.get_program()).args(limited.get_args());
    }
    // As many stacks on any machine.
    program.env("TOKIO_WORKER_THREADS", "2");
    program
}

/// The sum of a metric's samples.
fn sum(page: &str, metric: &str) -> f64 {
    let samples = page.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let rest = series.strip_prefix(metric)?;
        (rest.is_empty() || rest.starts_with('{')).then(|| value.parse::<f64>().unwrap())
    });
    samples.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_end_are_refused_and_memory_stays() {
    let mut bombed = Bombed::start(None, |_| "[limits]\nseries = 5000\n".to_owned()).await;
    let before = sum(&bombed.page(), "process_resident_memory_bytes");
    bombed.send(0..4000, 1);
    let page = bombed.page();
    let refused = sum(&page, "axp_exporter_rows_refused_total");
    let own: Vec<&str> = page.lines().filter(|line| line.starts_with("axp_exporter_")).collect();
    assert!(refused > 3000.0, "{}", own.join("\n"));
    let grown = sum(&page, "process_resident_memory_bytes") - before;
    assert!(grown < 30e6, "{grown}");
    crate::legal::read(crate::legal::Syntax::Text, &page).unwrap_or_else(|what| panic!("{what}"));
    assert!(bombed.process.stop().success());
}

/// What `docs/sizing.md` reckons for so many series and sinks, with labels as long as they may be; KiB.
const fn reckoned(series: u64, sinks: u64) -> u64 {
    64 * 1024 + sinks * 16 * 1024 + series * 2
}

/// A sink that writes to this server, with more of its keys.
fn sink(name: &str, server: &StandIn, more: &str) -> String {
    format!(
        "[[influx]]\nname = {name:?}\ntarget = \"http\"\napi = \"v1\"\ndatabase = \"d\"\nurl = {:?}\n\
         flush_interval = \"50ms\"\n{more}",
        server.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sizing_reckons_is_enough_under_the_worst_of_loads() {
    // Two sinks that get rid of nothing, more rows than there may be, and scrapers that read nothing.
    let server = StandIn::start(|_| status(503)).await;
    let most = reckoned(20_000, 2);
    let mut bombed = Bombed::start(Some(most), |folder| {
        let spool = format!("spool_dir = {:?}\nspool_bytes = \"8MiB\"\n", folder.join("spool"));
        let sinks = [sink("memory", &server, ""), sink("spooled", &server, &spool)].concat();
        format!("[limits]\nseries = 20000\n{sinks}")
    })
    .await;
    let address = bombed.url.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    let mut scrapers = Vec::new();
    for value in 0..5 {
        bombed.send(0..4000, value);
        let mut scraper = TcpStream::connect(&address).unwrap();
        write!(scraper, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        scraper.read_exact(&mut [0]).unwrap();
        scrapers.push(scraper);
    }
    let page = bombed.page();
    for metric in [
        "axp_exporter_rows_refused_total",
        r#"axp_exporter_influx_lines_total{sink="memory",outcome="dropped"}"#,
    ] {
        assert!(
            page.lines().any(|line| line.starts_with(metric) && !line.ends_with(" 0")),
            "{metric} in {page}"
        );
    }
    let taken = data_bytes(&bombed.process) / 1024;
    println!("{taken} of {most} KiB");
    assert!(taken > most / 2, "{taken} of {most} KiB: the sizing reckons too much, or this is no load");
    crate::legal::read(crate::legal::Syntax::Text, &page).unwrap_or_else(|what| panic!("{what}"));
    assert!(bombed.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_for_want_of_memory_goes_on_with_its_spool() {
    const ROWS: u32 = 500;
    let server = StandIn::start(|_| status(503)).await;
    let mut bombed = Bombed::start(None, |folder| {
        sink("spooled", &server, &format!("spool_dir = {:?}\n", folder.join("spool")))
    })
    .await;
    bombed.send(0..ROWS, 7);
    wait_for("all lines in the spool", END_TIMEOUT, || {
        let page = bombed.page();
        let spooled = sum(&page, "axp_exporter_influx_spool_bytes");
        let waiting = sum(&page, "axp_exporter_influx_queue_bytes");
        if spooled > 1800.0 * f64::from(ROWS) && waiting == 0.0 { Ok(()) } else { Err(page) }
    });
    let most = data_bytes(&bombed.process) + (1 << 20);
    let limit = [format!("--pid={}", bombed.process.id()), format!("--data={most}:{most}")];
    assert!(tool("prlimit").args(limit).status().unwrap().success());
    let mut row = ROWS;
    let ended = wait_for("its end", END_TIMEOUT, || {
        bombed.emit(row..row + 100, 8);
        row += 100;
        bombed.process.ended().ok_or_else(|| row.to_string())
    });
    assert!(!ended.success(), "{}", bombed.process.stderr());
    assert!(!bombed.process.stderr().contains("-xxx"), "no value is said: {}", bombed.process.stderr());

    server.answer_by(|_| status(204));
    bombed.process = Process::start(run(None, &bombed.config));
    wait_for("the lines of before", END_TIMEOUT, || {
        let stored = server.stored();
        let lines = (0..ROWS).filter(|row| {
            let tag = format!(",k0={row}-");
            stored.keys().any(|line| line.contains(&tag) && line.contains("a=7"))
        });
        if lines.count() == ROWS as usize { Ok(()) } else { Err(format!("{} lines", stored.len())) }
    });
    assert!(bombed.process.stop().success());
}
