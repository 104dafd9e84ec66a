//! A Prometheus server that scrapes a million series within the time that it allows by default.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::centre::{Centre, encode};
use crate::exporter::Exporter;
use crate::report::{Report, Target};
use crate::{frames, process, render};

/// Scrapes that are waited for: the first one of a server costs it most.
const SCRAPES: usize = 4;
/// How long these may take; fifteen seconds lie between them.
const PATIENCE: Duration = Duration::from_secs(180);
/// What Prometheus allows where its configuration says nothing.
const TIMEOUT_SECONDS: f64 = 10.0;

pub(crate) fn measure(report: &mut Report) {
    if Command::new("prometheus").arg("--version").output().is_err() {
        println!("prometheus is not on the PATH (tests/run installs it), so nothing is said of it");
        return;
    }
    let centre = Centre::start();
    let exporter = Exporter::start(&centre);
    let mut socket = centre.socket();
    let events = encode(&frames::shuffled(&frames::queues(render::ROWS, "LIVE")));
    socket.write_all(&events).unwrap();
    exporter.settle();
    let prometheus = Prometheus::start(exporter.address());
    let deadline = Instant::now() + PATIENCE;
    let durations = loop {
        assert!(Instant::now() < deadline, "Prometheus does not scrape");
        // So that each scrape finds another table.
        socket.write_all(&events).unwrap();
        thread::sleep(Duration::from_secs(1));
        let durations = prometheus.values("scrape_duration_seconds[1h]");
        if durations.len() >= SCRAPES {
            break durations;
        }
    };
    let samples = prometheus.values("scrape_samples_scraped[1h]");
    assert!(samples.iter().all(|samples| *samples > process::SERIES as f64), "{samples:?} samples");
    let up = prometheus.values("up[1h]");
    assert!(up.iter().all(|up| *up > 0.0), "a scrape failed: up was {up:?}");
    let in_words: Vec<String> = durations.iter().map(|seconds| format!("{seconds:.2}")).collect();
    report.add(
        "scrape_duration_seconds of a Prometheus server, 1 M series",
        format!("{} s one after the other, scrape_samples_scraped {}", in_words.join(", "), samples[0]),
        "its time-out, 10 s by default".to_owned(),
        durations.into_iter().fold(0.0, f64::max),
        Target::AtMost(TIMEOUT_SECONDS),
    );
}

/// A Prometheus server with one target, killed when dropped.
struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 15s}}\nscrape_configs: [{{job_name: axp, static_configs: [{{targets: [{target:?}]}}]}}]\n"
        );
        std::fs::write(&configuration, text).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address, _folder: folder }
    }

    /// The values of the one series that the query gives; none before it answers.
    fn values(&self, query: &str) -> Vec<f64> {
        let mut stream = match TcpStream::connect(&self.address) {
            Err(err) if err.kind() == ErrorKind::ConnectionRefused => return Vec::new(),
            stream => stream.unwrap(),
        };
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        // Of version 1.0, so that the answer comes in one piece.
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let samples = answer["data"]["result"][0]["values"].as_array().into_iter().flatten();
        samples.map(|sample| sample[1].as_str().unwrap().parse().unwrap()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
