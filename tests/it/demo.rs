//! `axp-exporter demo`, as the tests run it.

use std::process::Command;

use crate::support::{Process, exporter, get, request};

/// `axp-exporter demo` on ports of the system, its first snapshots received.
#[derive(Debug)]
pub(crate) struct Demo {
    /// The process.
    pub(crate) process: Process,
    /// Where the metrics are.
    pub(crate) metrics_url: String,
    /// The simulator's base, without a slash at the end.
    pub(crate) simulator_url: String,
}

impl Demo {
    /// Starts it with these arguments besides, and waits for its summary.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_by(exporter(["demo", "--listen", "127.0.0.1:0"].iter().chain(arguments)))
    }

    /// Starts it in a process that may have no more than this many files open.
    #[track_caller]
    pub(crate) fn start_with_files(files_max: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit -n {files_max} && exec \"$0\" demo --listen 127.0.0.1:0"));
        shell.arg(exporter::<&str>([]).get_program());
        Self::start_by(shell)
    }

    #[track_caller]
    fn start_by(command: Command) -> Self {
        let process = Process::start(command);
        let metrics_url = process.read_until("URL of the metrics", |line| {
            Some(line.trim()).filter(|line| line.starts_with("http://")).map(str::to_owned)
        });
        let simulator_url = process.read_until("URL of the simulator", |line| {
            let (before, _) = line.split_once("/admin/agents/logout")?;
            Some(before.get(before.rfind("http://")?..)?.to_owned())
        });
        Self { process, metrics_url, simulator_url }
    }

    /// `/metrics` in the text format.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        get(&self.metrics_url).ok()
    }

    /// Tells the simulator to do something, `path` being below `/admin`; gives its answer.
    #[track_caller]
    pub(crate) fn admin(&self, path: &str, body: &str) -> serde_json::Value {
        let answer = request("POST", &format!("{}/admin/{path}", self.simulator_url), &[], body).ok();
        serde_json::from_str(&answer).expect("the simulator answers in JSON")
    }
}
