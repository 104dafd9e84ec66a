//! `axp-exporter telegraf`, driven as Telegraf drives a program of `inputs.execd`.

mod example;
mod expiry;
mod logs;
mod pipes;
mod stop;
mod ticks;

use std::collections::BTreeMap;
use std::process::{ChildStdin, Command};
use std::thread;
use std::time::Duration;

use influxdb_line_protocol::parse_lines;
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::write_config;
use crate::rig::between;
use crate::support::{PATIENCE, Process, exporter, get, request, wait_for};

/// Longer than an event is on its way.
const REST: Duration = Duration::from_millis(300);

/// A simulated contact centre in which nothing happens unless it is made to.
pub(crate) struct Centre {
    _process: Process,
    /// The configuration that it prints.
    pub(crate) config: String,
    url: String,
}

impl Centre {
    /// One in which so many events come a second, once [`Self::resume`] lets them.
    pub(crate) fn start(rate: u32) -> Self {
        let rate = rate.to_string();
        let arguments =
            ["simulate", "--listen", "127.0.0.1:0", "--agents", "3", "--seed", "7", "--rate", &rate];
        let process = Process::start(exporter(arguments));
        let config = process.read_through("app_key");
        let url = config.lines().find_map(|line| line.strip_prefix("api_url = ")).unwrap();
        let centre = Self { _process: process, url: url.trim_matches('"').to_owned(), config };
        centre.admin("pause", "");
        centre
    }

    pub(crate) fn admin(&self, path: &str, body: &str) -> Value {
        let answer = request("POST", &format!("{}/admin/{path}", self.url), &[], body).ok();
        serde_json::from_str(&answer).unwrap()
    }

    pub(crate) fn resume(&self) {
        self.admin("resume", "");
    }

    /// The subscriptions that there are.
    pub(crate) fn subscriptions(&self) -> usize {
        let state: Value = serde_json::from_str(&get(&format!("{}/admin/state", self.url)).ok()).unwrap();
        state["subscriptions"].as_array().unwrap().len()
    }

    /// The program as Telegraf would start it, `more` being more of its configuration.
    pub(crate) fn plugin(&self, folder: &TempDir, more: &str, arguments: &[&str]) -> Command {
        let path = write_config(
            folder.path(),
            &format!("{}\nsnapshot_quiet = \"200ms\"\n[web]\nlisten = \"127.0.0.1:0\"\n{more}", self.config),
        );
        let mut command = exporter([&["telegraf", "-c", &path], arguments].concat());
        command.env_clear();
        command
    }
}

/// The program between the pipes of Telegraf.
pub(crate) struct Plugin {
    pub(crate) process: Process,
    pub(crate) stdin: Option<ChildStdin>,
    _folder: TempDir,
}

impl Plugin {
    /// Starts it, and waits until every feed is up.
    #[track_caller]
    pub(crate) fn start(centre: &Centre, more: &str, arguments: &[&str]) -> Self {
        let mut plugin = Self::start_unread(centre, more, arguments);
        plugin.process.read_stdout();
        plugin
    }

    /// The same, with a stdout that nobody reads yet.
    #[track_caller]
    pub(crate) fn start_unread(centre: &Centre, more: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let (process, stdin) = Process::start_unread(centre.plugin(&folder, more, arguments));
        let plugin = Self { process, stdin: Some(stdin), _folder: folder };
        plugin.wait_for_log("feed up", 4);
        plugin
    }

    /// Closes stdin.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// Waits for its end; gives its exit code.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let Self { process, .. } = self;
        wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr())).code()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &str, times: usize) {
        wait_for(words, PATIENCE, || {
            let log = self.process.stderr();
            if log.matches(words).count() >= times { Ok(()) } else { Err(log) }
        });
    }

    /// Reads stdout until a line of each of so many rows has come.
    #[track_caller]
    pub(crate) fn read_rows(&self, count: usize) -> BTreeMap<String, Line> {
        let mut rows = BTreeMap::new();
        while rows.len() < count {
            let line = self.process.read_until("line", |line| Some(Line::read(line)));
            rows.insert(line.series.clone(), line);
        }
        rows
    }

    /// What `--web` shows.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        self.wait_for_log("serving metrics url=", 1);
        get(&between(&self.process.stderr(), "serving metrics url=\"", "\"")).ok()
    }

    /// The sum of the exporter's own series that begin so, with `--web`.
    #[track_caller]
    pub(crate) fn count(&self, series: &str) -> u64 {
        let metrics = self.metrics();
        let samples = metrics.lines().filter(|line| line.starts_with(&format!("axp_exporter_{series}")));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until a count is what is wanted.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, series: &str, wanted: impl Fn(u64) -> bool) {
        wait_for(series, PATIENCE, || {
            let count = self.count(series);
            if wanted(count) { Ok(()) } else { Err(count.to_string()) }
        });
    }

    /// Waits until no more events come from a centre that is paused, with `--web`; gives how many came.
    #[track_caller]
    pub(crate) fn wait_for_rest(&self) -> u64 {
        wait_for("rest", PATIENCE, || {
            let before = self.count("events_total{");
            thread::sleep(REST);
            if self.count("events_total{") == before { Ok(before) } else { Err(before.to_string()) }
        })
    }
}

/// A line as a parser of another's reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Measurement and tags.
    pub(crate) series: String,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) time: i64,
}

impl Line {
    #[track_caller]
    pub(crate) fn read(line: &str) -> Self {
        let parsed: Vec<_> =
            parse_lines(line).collect::<Result<_, _>>().unwrap_or_else(|err| panic!("{err}: {line}"));
        let [parsed] = &parsed[..] else { panic!("{line}") };
        let fields = parsed.field_set.iter();
        Self {
            series: parsed.series.to_string(),
            fields: fields.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            time: parsed.timestamp.unwrap(),
        }
    }
}
