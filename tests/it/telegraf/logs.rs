//! stderr, and what a program under Telegraf leaves alone.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::commands::write_config;
use crate::support::{PATIENCE, Process, exporter, wait_for};
use crate::telegraf::{Centre, Plugin};

fn is_prefixed(line: &str) -> bool {
    ["E! ", "W! ", "I! ", "D! ", "T! "].iter().any(|prefix| line.starts_with(prefix))
}

/// Runs it to its end, which is not that of stdin; gives its exit code, stdout and stderr.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // Else waiting would close it.
    let _stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn whatever_the_configuration_says_logs_are_lines_with_a_prefix() {
    let centre = Centre::start(50);
    let more = "[log]\nlevel = \"trace\"\nformat = \"json\"\n";
    let mut plugin = Plugin::start(&centre, more, &[]);
    centre.admin(
        "faults",
        r#"{"fault":"close","producer":"Queue_itd_1.0.0","code":4001,"reason":"a\nb\u001b[31m"}"#,
    );
    plugin.wait_for_log("W! feed lost", 1);
    plugin.close_stdin();
    assert_eq!(plugin.ended(), Some(0));
    let log = plugin.process.stderr();
    assert!(log.lines().all(is_prefixed) && !log.contains('\u{1b}'), "{log}");
    assert!(log.contains("\nI! feed up producer=\"Queue_itd_1.0.0\"\n"), "{log}");
}

#[test]
fn each_line_of_a_complaint_has_a_prefix() {
    let folder = TempDir::new().unwrap();
    let path = write_config(folder.path(), "[axp]\naccount_id = \"ABC\"\nclient_idd = \"x\"\n");
    let mut command = exporter(["telegraf", "-c", &path]);
    command.env_clear();
    let (code, stdout, said) = run(command);
    assert_eq!((code, stdout), (Some(78), String::new()), "{said}");
    assert!(said.lines().count() > 2 && said.lines().all(|line| line.starts_with("E! ")), "{said}");
}

#[test]
fn no_listener_is_opened_and_no_sink_and_systemd_hears_nothing() {
    let centre = Centre::start(0);
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let lines = folder.path().join("lines");
    let systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    systemd.set_nonblocking(true).unwrap();
    let text = format!(
        "{}\n[web]\nlisten = \"{}\"\n[[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\n",
        centre.config,
        taken.local_addr().unwrap(),
    );
    let path = write_config(folder.path(), &text);
    let command = |arguments: &[&str]| {
        let mut command = exporter([&["telegraf", "-c", &path], arguments].concat());
        command.env_clear().env("NOTIFY_SOCKET", systemd.local_addr().unwrap().as_pathname().unwrap());
        command
    };
    let (mut process, stdin) = Process::start_fed(command(&["--heartbeat", "100ms"]));
    process.read_until("line", |line| line.starts_with("queue_itd,").then_some(()));
    drop(stdin);
    assert!(wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr())).success());
    assert!(!lines.exists());
    let log = process.stderr();
    assert!(log.contains("I! [[influx]] is left to `run`: here Telegraf delivers blocks=1\n"), "{log}");
    assert!(!log.contains("serving metrics"), "{log}");
    assert!(systemd.recv(&mut [0; 100]).is_err(), "systemd was told something");
    // With --web it is as [web] says, which is of no use here.
    let (code, _, said) = run(command(&["--web"]));
    assert_eq!(code, Some(78), "{said}");
}
