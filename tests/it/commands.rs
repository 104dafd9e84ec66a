//! The program itself: its commands, what it prints, how it exits.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::demo::Demo;
use crate::support::{PATIENCE, Process, exporter, get, pipe, wait_for};

/// The program, with nothing in its environment that could change what it does.
fn program(arguments: &[&str]) -> Command {
    let mut command = exporter(arguments);
    command.env_clear();
    command
}

/// Runs the program to its end: exit code, stdout, stderr.
fn output(arguments: &[&str]) -> (i32, String, String) {
    let output = pipe(program(arguments), "");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_stdout_that_takes_no_data_is_told_of_unless_it_was_closed() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = program(&["generate", "man"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{stderr}");
    assert!(stderr.starts_with("generate: failed to write to stdout: No space left"), "{stderr}");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(&["generate", "man"]).stdout(closed).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// A simulator, and the configuration that it prints.
pub(crate) fn simulator() -> (Process, String) {
    let process = Process::start(program(&["simulate", "--listen", "127.0.0.1:0", "--agents", "3"]));
    let config = process.read_through("app_key");
    (process, config)
}

pub(crate) fn write_config(folder: &Path, text: &str) -> String {
    let path = folder.join("config.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A configuration that `check` has nothing to say about.
fn good_config(folder: &Path) -> String {
    let secret = folder.join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    "[axp]\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\nclient_secret_file = \"secret\"\napp_key_file = \"secret\"\n".to_owned()
}

#[test]
fn wrong_arguments_exit_64_and_help_exits_0() {
    for arguments in [&["nonsense"][..], &["run", "--nonsense"], &[], &["demo", "--agents", "many"]] {
        let (code, stdout, stderr) = output(arguments);
        assert_eq!((code, stdout.as_str()), (64, ""), "{arguments:?}");
        assert!(stderr.contains("--help"), "{stderr}");
    }
    let (code, stdout, _) = output(&["--help"]);
    assert_eq!(code, 0);
    for command in
        ["run", "demo", "simulate", "check", "producers", "explain", "filter", "telegraf", "replay"]
    {
        assert!(stdout.contains(command), "{stdout}");
    }
    let (code, stdout, _) = output(&["--version"]);
    assert_eq!((code, stdout.contains(env!("CARGO_PKG_VERSION"))), (0, true));
}

#[test]
fn run_without_a_configuration_says_what_to_do_next() {
    let (code, stdout, stderr) = output(&["run"]);
    assert_eq!((code, stdout.as_str()), (78, ""));
    assert!(
        stderr.contains("/etc/axp-exporter/config.toml") && stderr.contains("axp-exporter demo"),
        "{stderr}"
    );
}

#[test]
fn check_reports_everything_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(
        folder.path(),
        "[axp]\naccount_id = \"ABC\"\nclient_idd = \"x\"\nping_interval = \"soon\"\n[limits]\nseries = \"many\"\n\
         [[producer]]\nid = \"\"\n[[relabel]]\nregex = \"(\"\n",
    );
    for command in ["check", "run"] {
        let (code, stdout, stderr) = output(&[command, "-c", &path]);
        assert_eq!((code, stdout.as_str()), (78, ""));
        for part in [
            "account_id",
            "client_idd",
            "client_id?",
            "ping_interval",
            "\"soon\"",
            "series",
            "producer",
            "relabel[0].regex",
        ] {
            assert!(stderr.contains(part), "{part} not in\n{stderr}");
        }
        assert!(
            stderr.lines().all(|line| line.starts_with(&path)),
            "one line each, with the file:\n{stderr}"
        );
    }
}

#[test]
fn check_has_nothing_to_say_about_a_good_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), &good_config(folder.path()));
    let (code, stdout, stderr) = output(&["check", "-c", &path]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("no problem"));
}

#[test]
fn a_port_in_use_exits_78_with_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = format!("{}[web]\nlisten = \"{address}\"\n", good_config(folder.path()));
    let (code, _, stderr) = output(&["run", "-c", &write_config(folder.path(), &text)]);
    assert_eq!((code, stderr.lines().count()), (78, 1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("web.listen"), "{stderr}");
}

#[test]
fn an_address_that_the_machine_does_not_have_yet_is_worth_another_start() {
    let folder = tempfile::tempdir().unwrap();
    // https://www.rfc-editor.org/rfc/rfc5737: nobody has it.
    let path = write_config(
        folder.path(),
        &format!("{}\n[web]\nlisten = \"192.0.2.1:9955\"\n", good_config(folder.path())),
    );
    let (code, _, stderr) = output(&["run", "-c", &path]);
    assert_eq!(code, 70, "{stderr}");
    assert!(stderr.contains("192.0.2.1:9955 (web.listen)"), "{stderr}");
}

#[test]
fn https_goes_through_the_proxy_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "{}api_url = \"https://axp.invalid\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n[web]\nlisten = \"127.0.0.1:0\"\n",
        good_config(folder.path())
    );
    let path = write_config(folder.path(), &text);
    let mut command = program(&["run", "-c", &path]);
    command.env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().unwrap()));
    let mut exporter = Process::start(command);
    let (mut stream, _) = proxy.accept().unwrap();
    let mut head = [0; 19];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"CONNECT axp.invalid");
    stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
    drop(stream);
    assert!(exporter.stop().success());
}

#[test]
fn the_demo_shows_where_to_look_and_stops_on_ctrl_c() {
    let mut demo = Process::start(program(&["demo", "--listen", "127.0.0.1:0", "--seed", "7"]));
    let text = demo.read_through("Ctrl-C");
    assert!(text.contains("/metrics") && text.contains("(seed 7)"), "{text}");
    let samples = text.lines().map(str::trim).filter(|line| line.starts_with("axp_")).count();
    assert_eq!(samples, 3, "{text}");
    let series: u32 = text.lines().find_map(|line| line.split_once(" series")).unwrap().0.parse().unwrap();
    assert!(series > 1000, "{text}");
    assert!(demo.stop_by("INT").success());
    assert_eq!(demo.stderr(), "", "nothing to complain about");
    assert_eq!(demo.read_rest(), ["Stopped."]);
}

#[test]
fn the_simulator_prints_a_configuration_that_run_takes_and_no_secret_is_logged() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let path = write_config(
        folder.path(),
        &format!(
            "{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n\
             [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\nflush_interval = \"10ms\"\n"
        ),
    );
    let mut exporter = Process::start(program(&["run", "-c", &path]));
    wait_for("line in the file", PATIENCE, || {
        let text = std::fs::read_to_string(&lines).unwrap_or_default();
        if text.contains("agent_itd,") { Ok(()) } else { Err(exporter.stderr()) }
    });
    assert!(exporter.stop().success());
    assert!(simulator.stop().success());
    assert_eq!(exporter.read_rest(), [""; 0], "stdout is for data");
    let log = exporter.stderr();
    assert!(log.contains("feed up"), "{log}");
    let secret = |key: &str| {
        let value = config.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim_matches([' ', '=', '"']).to_owned()
    };
    for hidden in [secret("client_secret"), secret("app_key"), "eyJ".to_owned(), "Bearer".to_owned()] {
        assert!(!log.contains(&hidden), "{hidden} in\n{log}");
    }
    let written = std::fs::read_to_string(&lines).unwrap();
    assert!(!written.contains("agent_first_name"), "personal data is dropped by default");
}

#[test]
fn a_feed_that_is_lost_says_how_its_socket_ended() {
    let mut demo = Demo::start(&["--agents", "5", "--queues", "2"]);
    let close =
        r#"{"fault":"close","producer":"Queue_itd_1.0.0","code":4001,"reason":"gone\u001b[31m\naway"}"#;
    assert_eq!(demo.admin("faults", close)["hit"], 1);
    let lost = |feed: &str| {
        wait_for("line about it", PATIENCE, || {
            let log = demo.process.stderr();
            let is_it = |line: &&str| line.contains("feed lost") && line.contains(feed);
            log.lines().find(is_it).map(str::to_owned).ok_or(log)
        })
    };
    let line = lost("Queue_itd_1.0.0");
    for said in ["code=4001", r#"words="gone [31m away""#] {
        assert!(line.contains(said), "{said} in {line}");
    }
    assert_eq!(demo.admin("faults", r#"{"fault":"reset","producer":"Agent_itd_1.0.0"}"#)["hit"], 1);
    let line = lost("Agent_itd_1.0.0");
    assert!(line.contains("code=1006"), "nobody said anything: {line}");
    assert!(demo.process.stop().success());
}

#[test]
fn lines_on_stdout_are_lines_and_nothing_else() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    let influx = "[web]\nlisten = \"127.0.0.1:0\"\n[[influx]]\nname = \"out\"\ntarget = \"stdout\"\nflush_interval = \"10ms\"\n";
    let path = write_config(folder.path(), &format!("{config}\n{influx}"));
    let mut exporter = Process::start(program(&["run", "-c", &path]));
    let is_line = |line: &str| influxdb_line_protocol::parse_lines(line).all(|line| line.is_ok());
    exporter.read_until("line of a queue", |line| {
        assert!(is_line(line), "{line}");
        line.starts_with("queue_itd,").then_some(())
    });
    assert!(exporter.stop().success());
    assert!(exporter.read_rest().iter().all(|line| is_line(line)));
    assert!(simulator.stop().success());
}

#[test]
fn a_sink_that_blocks_does_not_keep_the_program_from_stopping() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    // Nobody reads it: it fills up, and the next write blocks.
    let influx = "[web]\nlisten = \"127.0.0.1:0\"\n[[influx]]\nname = \"out\"\ntarget = \"stdout\"\nflush_interval = \"10ms\"\n";
    let path = write_config(folder.path(), &format!("{config}\n{influx}"));
    let (mut exporter, _stdin) = Process::start_unread(program(&["run", "-c", &path]));
    let metrics_url = wait_for("metrics", PATIENCE, || {
        let log = exporter.stderr();
        let found = log.split_once("url=\"").and_then(|(_, rest)| rest.split_once('"'));
        found.map(|(url, _)| url.to_owned()).ok_or(log)
    });
    let waiting = || {
        let metrics = get(&metrics_url).ok();
        let series = "axp_exporter_influx_queue_bytes{sink=\"out\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)).map(str::to_owned);
        line.unwrap_or(metrics).parse::<u64>().unwrap()
    };
    wait_for("more to wait than a batch", PATIENCE, || {
        if waiting() > 5_000 { Ok(()) } else { Err(exporter.stderr()) }
    });
    assert!(exporter.stop().success());
    assert!(simulator.stop().success());
}
