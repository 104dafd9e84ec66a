//! Disks that are full, read-only or broken, at the start and later: the exporter runs in a mount
//! namespace of its own, where a small disk in memory is mounted for it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use super::bench::{Bench, beside, line, spooled};
use super::files::{Writer, read, size};
use super::stand_in::{StandIn, status};
use crate::support::{PATIENCE, Process, exporter, get, tool, wait_for};

/// An exporter whose folder `disk` is such a disk.
struct Disk {
    writer: Writer,
    /// Keeps the disk there when the exporter has ended, and lets us see it.
    root: File,
}

impl Disk {
    /// A disk with these options of tmpfs, and what the shell does to it in its folder before the
    /// exporter starts, which writes `main` to this path.
    fn start(options: &str, shell: &str, path: &str, keys: impl FnOnce(&str) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        let disk = disk.display().to_string();
        let shell = format!("mount -t tmpfs -o {options} disk {disk} && cd {disk} || exit\n{shell}");
        let writer = Writer::start_in(folder, namespace(), &shell, path, &keys(&disk));
        let root = format!("/proc/{}/root{disk}", writer.exporter.id());
        Self { writer, root: File::open(root).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.root.as_raw_fd()))
    }

    /// Has the shell do this in the folder of the disk.
    fn shell(&self, script: &str) {
        within(&self.writer, &format!("cd {} && {script}", self.writer.path("disk").display()));
    }

    /// Waits for values of gauges of sinks.
    fn wait_for(&self, gauges: &[(&str, &str, u64)]) {
        wait_for("such gauges", PATIENCE, || {
            let is = |(sink, name, value): &(&str, &str, u64)| self.writer.value_of(sink, name, "") == *value;
            if gauges.iter().all(is) { Ok(()) } else { Err(self.writer.exporter.stderr()) }
        });
    }

    fn dropped(&self, sink: &str) -> u64 {
        self.writer.value_of(sink, "lines_total", ",outcome=\"dropped\"")
    }

    /// How often the log says so of a sink.
    fn said(&self, sink: &str, what: &str) -> usize {
        let log = self.writer.exporter.stderr();
        log.lines().filter(|line| line.contains(what) && line.contains(&format!("sink=\"{sink}\""))).count()
    }
}

/// A shell that may mount what nobody else sees.
fn namespace() -> Command {
    let mut command = tool("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh"]);
    command
}

/// Has the shell do this where the exporter is.
fn within(writer: &Writer, script: &str) {
    let target = writer.exporter.id().to_string();
    let mut command = tool("nsenter");
    command.args(["--user", "--mount", "--preserve-credentials", "--target", &target, "sh", "-c", script]);
    assert!(command.status().unwrap().success(), "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_starts_on_a_full_disk_and_its_sinks_go_on_by_themselves_when_there_is_room() {
    let server = StandIn::start(|_| status(503)).await;
    // No file can be made any more.
    let full = "i=0; while true > full$i; do i=$((i + 1)); done 2>/dev/null";
    let disk = Disk::start("size=4m,nr_inodes=20", full, "disk/lines", |disk| {
        beside(&server.url(), format!("{disk}/spool"))
    });
    disk.wait_for(&[("main", "up", 0), ("http", "up", 0), ("http", "spool_up", 0)]);
    wait_for("lines to wait", PATIENCE, || {
        let waits = |sink| disk.writer.value_of(sink, "queue_bytes", "") > 0;
        if waits("main") && waits("http") { Ok(()) } else { Err("none".to_owned()) }
    });
    wait_for("the metrics", PATIENCE, || {
        let metrics = get(&disk.writer.metrics_url).ok();
        if metrics.contains("axp_queue_itd_") { Ok(()) } else { Err(metrics) }
    });
    for (sink, what) in [("main", "lines cannot be delivered"), ("http", "the spool cannot be opened")] {
        assert_eq!(disk.said(sink, what), 1, "{sink}: {}", disk.writer.exporter.stderr());
    }
    assert!(disk.writer.exporter.stderr().contains("No space left on device"));
    disk.shell("rm full*");
    disk.wait_for(&[("main", "up", 1), ("http", "up", 0), ("http", "spool_up", 1)]);
    wait_for("lines on the disk", PATIENCE, || {
        let bytes = disk.writer.value_of("http", "spool_bytes", "");
        if bytes > 0 && size(&disk.path("lines")) > 0 { Ok(()) } else { Err("none".to_owned()) }
    });
    wait_for("it in the log", PATIENCE, || {
        let log = disk.writer.exporter.stderr();
        if disk.said("http", "the spool can be used again") == 1 { Ok(()) } else { Err(log) }
    });
    server.answer_by(|_| status(204));
    disk.wait_for(&[("http", "up", 1), ("http", "spool_bytes", 0), ("http", "queue_bytes", 0)]);
    assert_eq!((disk.dropped("main"), disk.dropped("http")), (0, 0));
    let Disk { writer, root } = disk;
    writer.stop();
    let lines = read(&[PathBuf::from(format!("/proc/self/fd/{}/lines", root.as_raw_fd()))]);
    let stored = server.lines();
    assert!(!lines.is_empty() && lines == stored, "{} in the file, {} stored", lines.len(), stored.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_starts_on_a_read_only_disk_and_goes_on_when_it_is_writable() {
    let server = StandIn::start(|_| status(204)).await;
    let keys = |disk: &str| beside(&server.url(), format!("{disk}/spool"));
    let disk = Disk::start("size=4m", "mkdir spool; mount -o remount,ro .", "disk/lines", keys);
    disk.wait_for(&[("main", "up", 0), ("http", "up", 1), ("http", "spool_up", 0)]);
    assert!(disk.writer.exporter.stderr().contains("Read-only file system"));
    // Nothing has to be put in the spool; that it can be used again is seen all the same.
    disk.shell("mount -o remount,rw .");
    disk.wait_for(&[("main", "up", 1), ("http", "spool_up", 1)]);
    assert_eq!((disk.dropped("main"), disk.dropped("http")), (0, 0));
    let Disk { writer, .. } = disk;
    writer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_spool_that_cannot_be_opened_for_now_stops_no_start_and_is_delivered_later() {
    let server = StandIn::start(|_| status(503)).await;
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool").display().to_string();
    let mut bench = Bench::start(&spooled(&server.url(), &spool)).await;
    bench.send_all(0..100);
    assert_eq!(bench.end().await.waiting, 100);
    // A socket lies over it.
    let socket = folder.path().join("socket").display().to_string();
    let _listener = UnixListener::bind(&socket).unwrap();
    let segment = format!("{spool}/0000000000000001.spool");
    let cover = format!("mount --bind {socket} {segment} || exit");
    let writer = Writer::start_in(folder, namespace(), &cover, "lines", &beside(&server.url(), &spool));
    let is_up = |value: u64| {
        wait_for("the spool's gauge", PATIENCE, || {
            if writer.value_of("http", "spool_up", "") == value {
                Ok(())
            } else {
                Err(writer.exporter.stderr())
            }
        });
    };
    is_up(0);
    server.answer_by(|_| status(204));
    assert!(writer.exporter.stderr().contains("the spool cannot be opened"));
    within(&writer, &format!("umount {segment}"));
    is_up(1);
    wait_for("the lines", PATIENCE, || {
        let stored = server.stored();
        let missing = (0..100).filter(|number| stored.get(&line(*number)) != Some(&1)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} missing")) }
    });
    assert_eq!(writer.value_of("http", "spool_set_aside_total", ""), 0);
    writer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_whose_disk_is_full_for_a_while_costs_no_line() {
    let server = StandIn::start(|_| status(503)).await;
    let keys = |disk: &str| beside(&server.url(), format!("{disk}/spool"));
    let disk = Disk::start("size=64k", "mkdir spool", "lines", keys);
    disk.wait_for(&[("http", "spool_up", 0), ("main", "up", 1)]);
    wait_for("lines to wait", PATIENCE, || {
        let bytes = disk.writer.value_of("http", "queue_bytes", "");
        if bytes > 0 { Ok(()) } else { Err("none".to_owned()) }
    });
    wait_for("it in the log", PATIENCE, || {
        let log = disk.writer.exporter.stderr();
        if disk.said("http", "lines cannot be put in the spool") == 1 { Ok(()) } else { Err(log) }
    });
    disk.shell("mount -o remount,size=16m .");
    // A file can be made while lines have no room: only these show that there is some.
    wait_for("more in the spool than the disk had room for", PATIENCE, || {
        let bytes = disk.writer.value_of("http", "spool_bytes", "");
        if bytes > 64 << 10 { Ok(()) } else { Err(format!("{bytes} bytes")) }
    });
    disk.wait_for(&[("http", "spool_up", 1)]);
    server.answer_by(|_| status(204));
    // The longer it was away, the later it is tried again: after a minute at most.
    wait_for("an empty spool", PATIENCE * 4, || {
        let is = |name, value| disk.writer.value_of("http", name, "") == value;
        if is("up", 1) && is("spool_bytes", 0) { Ok(()) } else { Err(disk.writer.exporter.stderr()) }
    });
    assert_eq!((disk.dropped("main"), disk.dropped("http")), (0, 0));
    let Disk { writer, .. } = disk;
    let folder = writer.stop();
    assert!(server.stored().values().all(|times| *times == 1), "each once");
    assert!(server.lines() == read(&[folder.path().join("lines")]), "all of them");
}

#[test]
fn a_file_on_a_disk_that_was_full_is_as_if_it_had_not_been() {
    // One feed, so that all sinks get the lines in one order.
    let keys = |disk: &str| {
        format!(
            "[[influx]]\nname = \"copy\"\ntarget = \"file\"\npath = \"{disk}/../copy\"\n\
             flush_interval = \"10ms\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n"
        )
    };
    // What has no room is a part of a line.
    let disk = Disk::start("size=16k", "head -c 5000 /dev/zero > ballast", "disk/lines", keys);
    disk.wait_for(&[("main", "up", 0)]);
    assert_eq!(disk.said("main", "lines cannot be delivered"), 1);
    let full = std::fs::read_to_string(disk.path("lines")).unwrap();
    assert!(full.ends_with('\n'), "no line is torn");
    disk.shell("mount -o remount,size=16m .");
    disk.wait_for(&[("main", "up", 1)]);
    assert_eq!(disk.dropped("main"), 0);
    let Disk { writer, root } = disk;
    let folder = writer.stop();
    let written = std::fs::read_to_string(format!("/proc/self/fd/{}/lines", root.as_raw_fd())).unwrap();
    assert!(written.len() > full.len() && written.starts_with(&full));
    assert!(
        written == std::fs::read_to_string(folder.path().join("copy")).unwrap(),
        "every byte is the same"
    );
}

#[test]
fn a_file_whose_disk_is_read_only_or_broken_for_a_while_gets_every_line_once() {
    let keys = |disk: &str| {
        format!(
            "spool_dir = \"{disk}/../spool\"\n[[influx]]\nname = \"copy\"\ntarget = \"file\"\n\
             path = \"{disk}/../copy\"\nflush_interval = \"10ms\"\n"
        )
    };
    let disk = Disk::start("size=4m", "true", "disk/lines", keys);
    let folder = disk.writer.path("disk").display().to_string();
    // A file can hide its disk; and to write at the begin of a process's memory is an error.
    let (read_only, broken) = (
        format!("mount -t tmpfs -o ro disk {folder}"),
        format!("mount --bind /proc/{}/mem {folder}/lines", disk.writer.exporter.id()),
    );
    for (cover, covered, reason) in [
        (read_only, folder.clone(), "Read-only file system"),
        (broken, format!("{folder}/lines"), "Input/output error"),
    ] {
        let before = size(&disk.path("lines"));
        wait_for("lines", PATIENCE, || {
            if size(&disk.path("lines")) > before { Ok(()) } else { Err("none".to_owned()) }
        });
        within(&disk.writer, &cover);
        disk.wait_for(&[("main", "up", 0), ("main", "spool_up", 1), ("copy", "up", 1)]);
        wait_for("a backlog", PATIENCE, || {
            let (waits, log) =
                (disk.writer.value_of("main", "spool_bytes", ""), disk.writer.exporter.stderr());
            if waits > 0 { Ok(()) } else { Err(log) }
        });
        within(&disk.writer, &format!("umount {covered}"));
        disk.wait_for(&[("main", "up", 1), ("main", "spool_bytes", 0)]);
        let log = disk.writer.exporter.stderr();
        // It is spoken of once a minute.
        assert!(log.contains(reason) || log.contains("Read-only"), "{reason}: {log}");
    }
    assert_eq!((disk.dropped("main"), disk.dropped("copy")), (0, 0));
    let Disk { writer, root } = disk;
    let folder = writer.stop();
    let lines = read(&[PathBuf::from(format!("/proc/self/fd/{}/lines", root.as_raw_fd()))]);
    assert!(!lines.is_empty() && lines == read(&[folder.path().join("copy")]), "{} lines", lines.len());
}

#[test]
fn a_path_that_is_a_mistake_ends_the_start_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::create_dir(path("linked")).unwrap();
    std::os::unix::fs::symlink(path("file"), path("linked/lock")).unwrap();
    let _listener = UnixListener::bind(path("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let (_simulator, config) = crate::commands::simulator();
    let file = "target = \"file\"\npath = ";
    let http = "url = \"http://127.0.0.1:1\"\napi = \"v1\"\ndatabase = \"d\"\nspool_dir = ";
    for (keys, value) in [
        (file, path("nowhere/lines")),
        (file, path("file/lines")),
        (file, path("link")),
        (file, path("folder")),
        (file, path("socket")),
        (file, path("pipe")),
        (file, "/dev/null".to_owned()),
        (http, path("file")),
        (http, path("file/spool")),
        (http, path("linked")),
    ] {
        let text = format!(
            "{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[[influx]]\nname = \"main\"\n{keys}{value:?}\n"
        );
        let config = crate::commands::write_config(folder.path(), &text);
        let mut process = Process::start(exporter(["run", "-c", &config]));
        let status = wait_for("the end", PATIENCE, || process.ended().ok_or_else(|| process.stderr()));
        assert_eq!(status.code(), Some(78), "{value}");
        wait_for("a reason", PATIENCE, || {
            let said = process.stderr();
            if said.contains(&value) { Ok(()) } else { Err(said) }
        });
    }
}
