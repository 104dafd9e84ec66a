//! Files as the program itself writes them: their size, logrotate, and what others do to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bench::{self, Bench, Books, line};
use super::stand_in::{StandIn, json};
use crate::support::{PATIENCE, Process, exporter, get, wait_for};

/// A simulator, and an exporter that writes its lines to a file.
pub(super) struct Writer {
    simulator: Process,
    pub(super) exporter: Process,
    pub(super) metrics_url: String,
    folder: tempfile::TempDir,
}

impl Writer {
    /// Starts both; `shell` is what the shell does before it becomes the exporter.
    pub(super) fn start(shell: &str, keys: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Command::new("sh"), shell, "lines", keys)
    }

    /// The same in this folder, with this command as the shell, and the file at this path.
    pub(super) fn start_in(
        folder: tempfile::TempDir,
        mut command: Command,
        shell: &str,
        path: &str,
        keys: &str,
    ) -> Self {
        let path = folder.path().join(path);
        let (simulator, config) = crate::commands::simulator();
        let text = format!(
            "{config}\n[web]\nlisten = \"127.0.0.1:0\"\n\
             [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = \"{}\"\nflush_interval = \"10ms\"\n{keys}\n",
            path.display()
        );
        let config = crate::commands::write_config(folder.path(), &text);
        let program = exporter::<&str>([]);
        command
            .arg("-c")
            .arg(format!("{shell}\nexec \"$0\" run -c \"$1\""))
            .arg(program.get_program())
            .arg(config);
        program.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
            command.env_remove(name);
        });
        let exporter = Process::start(command);
        let metrics_url = wait_for("metrics", PATIENCE, || {
            let log = exporter.stderr();
            let found = log.split_once("url=\"").and_then(|(_, rest)| rest.split_once('"'));
            found.map(|(url, _)| url.to_owned()).ok_or(log)
        });
        Self { simulator, exporter, metrics_url, folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The value of one of the sink's metrics.
    fn value(&self, name: &str, labels: &str) -> u64 {
        self.value_of("main", name, labels)
    }

    /// The value of one of a sink's metrics.
    pub(super) fn value_of(&self, sink: &str, name: &str, labels: &str) -> u64 {
        let series = format!("axp_exporter_influx_{name}{{sink=\"{sink}\"{labels}}} ");
        let metrics = get(&self.metrics_url).ok();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse().unwrap()
    }

    fn lines(&self, outcome: &str) -> u64 {
        self.value("lines_total", &format!(",outcome=\"{outcome}\""))
    }

    /// Stops both, the exporter first; gives the folder with what it has written.
    pub(super) fn stop(mut self) -> tempfile::TempDir {
        assert!(self.exporter.stop().success(), "{}", self.exporter.stderr());
        assert!(self.simulator.stop().success());
        self.folder
    }
}

/// The lines of files, each of which is whole, and comes once.
pub(super) fn read(paths: &[PathBuf]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{} ends in a whole line", path.display());
        for line in text.lines() {
            assert!(influxdb_line_protocol::parse_lines(line).all(|line| line.is_ok()), "{line}");
            assert!(seen.insert(line.to_owned()), "twice: {line}");
        }
    }
    seen
}

pub(super) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_file_that_can_grow_no_further_costs_no_line_and_stops_nothing() {
    // A limit on the size of files acts as a full disk: the write that reaches it is cut short.
    let writer = Writer::start("trap '' XFSZ; ulimit -f 64", "");
    let (full, moved) = (writer.path("lines"), writer.path("moved"));
    wait_for("a full file", PATIENCE, || {
        if writer.value("up", "") == 0 { Ok(()) } else { Err(format!("{} bytes", size(&full))) }
    });
    assert!(writer.value("queue_bytes", "") > 0, "lines wait");
    assert_eq!((writer.lines("dropped"), writer.lines("rejected")), (0, 0));
    assert_eq!(writer.lines("written"), read(std::slice::from_ref(&full)).len() as u64);
    assert!(writer.exporter.stderr().contains("lines cannot be delivered"));
    assert!(get(&writer.metrics_url).ok().contains("axp_queue_itd_"), "the metrics go on");
    // Room again: a new file begins, and it goes on by itself.
    std::fs::rename(&full, &moved).unwrap();
    wait_for("lines in a new file", PATIENCE, || {
        if writer.value("up", "") == 1 && size(&full) > 0 { Ok(()) } else { Err(writer.exporter.stderr()) }
    });
    assert_eq!(writer.lines("dropped"), 0);
    let folder = writer.stop();
    assert!(!read(&[folder.path().join("moved"), folder.path().join("lines")]).is_empty());
}

#[test]
fn a_file_is_opened_anew_on_sighup() {
    let mut writer = Writer::start("", "");
    let (path, moved) = (writer.path("lines"), writer.path("lines.1"));
    wait_for("lines", PATIENCE, || if size(&path) > 0 { Ok(()) } else { Err("an empty file".to_owned()) });
    std::fs::rename(&path, &moved).unwrap();
    writer.exporter.signal("HUP");
    wait_for("a new file", PATIENCE, || if size(&path) > 0 { Ok(()) } else { Err("no file".to_owned()) });
    let length = size(&moved);
    assert!(writer.exporter.ended().is_none());
    let folder = writer.stop();
    let paths = ["lines.1", "lines"].map(|name| folder.path().join(name));
    assert!(!read(&paths).is_empty());
    assert_eq!(size(&paths[0]), length, "nothing more came into the old file");
}

#[tokio::test]
async fn a_file_that_was_removed_is_let_go_of_at_a_sighup_before_there_are_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let mut bench = Bench::start(&format!("target = \"file\"\npath = {path:?}")).await;
    bench.send_all(0..10);
    assert_eq!(bench.settled().await, Books::all_written(10));
    let removed = PathBuf::from(format!("{} (deleted)", path.display()));
    let is_held = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        open.flatten().any(|open| std::fs::read_link(open.path()).is_ok_and(|file| file == removed))
    };
    std::fs::remove_file(&path).unwrap();
    assert!(is_held());
    bench.reopen();
    bench::wait_for("it to be let go of", || !is_held()).await;
    bench.send_all(10..20);
    assert_eq!(bench.end().await, Books::all_written(20));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), (10..20).map(line).collect::<String>());
}

#[test]
fn files_are_rotated_at_their_size() {
    let writer = Writer::start("", "rotate_bytes = \"16KiB\"\nrotate_keep = 3");
    let names = ["lines.3", "lines.2", "lines.1", "lines"];
    let paths = names.map(|name| writer.path(name));
    wait_for("four files", PATIENCE, || if size(&paths[0]) > 0 { Ok(()) } else { Err("fewer".to_owned()) });
    let folder = writer.stop();
    let paths = names.map(|name| folder.path().join(name));
    assert!(!read(&paths).is_empty());
    assert!(paths.iter().all(|path| size(path) <= 16 << 10));
    assert!(!folder.path().join("lines.4").exists());
}

#[test]
fn a_second_exporter_does_not_start_on_the_same_spool() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("spool_dir = {:?}", folder.path().join("spool"));
    let first = Writer::start("", &keys);
    let config = first.path("config.toml");
    let mut second = Process::start(exporter(["run".as_ref(), "-c".as_ref(), config.as_os_str()]));
    let status =
        wait_for("the end of the second", PATIENCE, || second.ended().ok_or_else(|| second.stderr()));
    assert_eq!(status.code(), Some(78));
    assert!(second.stderr().contains("as a spool: another process uses it"), "{}", second.stderr());
    first.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_shows_in_logs_metrics_lines_or_spool() {
    // A server that repeats what it was sent.
    let server = StandIn::start(|seen| {
        json(401, format!(r#"{{"code":"unauthorized","message":"no {}"}}"#, seen.header("authorization")))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let keys = format!(
        "[[influx]]\nname = \"http\"\nurl = {:?}\norg = \"o\"\nbucket = \"b\"\ntoken = \"canary-of-influx\"\n\
         flush_interval = \"10ms\"\nspool_dir = \"{}\"\n\
         [[influx]]\nname = \"basic\"\nurl = {:?}\napi = \"v1\"\ndatabase = \"d\"\nusername = \"user\"\n\
         password = \"canary-of-influx\"\nflush_interval = \"10ms\"\n[log]\nlevel = \"trace\"",
        server.url(),
        spool.display(),
        server.url(),
    );
    let writer = Writer::start("", &keys);
    wait_for("a refusal in the log", PATIENCE, || {
        let log = writer.exporter.stderr();
        let refused = |sink: &str| log.lines().any(|line| line.contains("401 Unauth") && line.contains(sink));
        if refused("http") && refused("basic") && size(&writer.path("lines")) > 0 { Ok(()) } else { Err(log) }
    });
    // The user and the password, as they are sent.
    let basic = "dXNlcjpjYW5hcnktb2YtaW5mbHV4";
    let sent = ["Token canary-of-influx".to_owned(), format!("Basic {basic}")];
    assert!(server.seen().iter().all(|seen| sent.iter().any(|sent| sent == seen.header("authorization"))));
    let mut shown = vec![writer.exporter.stderr(), get(&writer.metrics_url).ok()];
    assert!(
        shown[0].contains("[redacted]")
            && shown[1].contains("axp_exporter_influx_spool_bytes{sink=\"http\"}")
    );
    let lines = writer.path("lines");
    shown.push(std::fs::read_to_string(lines).unwrap());
    for entry in std::fs::read_dir(&spool).unwrap() {
        shown.push(String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned());
    }
    assert!(shown.iter().all(|text| !text.contains("canary-of-influx") && !text.contains(basic)));
    writer.stop();
}
