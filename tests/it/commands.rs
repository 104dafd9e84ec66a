//! The program itself: its commands, what it prints, how it exits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long the program may take for what it is asked.
const PATIENCE: Duration = Duration::from_secs(20);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axp-exporter"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> (i32, String, String) {
    read(&program(arguments).output().unwrap())
}

fn read(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Reads lines until one holds `mark`; everything read so far.
fn read_until(reader: &mut impl BufRead, mark: &str) -> String {
    let mut text = String::new();
    while !text.contains(mark) {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "ended without {mark:?}:\n{text}");
    }
    text
}

fn wait(mut child: Child) -> (i32, String, String) {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    read(&child.wait_with_output().unwrap())
}

fn write_config(folder: &Path, text: &str) -> String {
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
    for command in ["run", "demo", "simulate", "check"] {
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
fn https_goes_through_the_proxy_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "{}api_url = \"https://axp.invalid\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n[web]\nlisten = \"127.0.0.1:0\"\n",
        good_config(folder.path())
    );
    let path = write_config(folder.path(), &text);
    let mut command = program(&["run", "-c", &path]);
    let child =
        command.env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().unwrap())).spawn().unwrap();
    let (mut stream, _) = proxy.accept().unwrap();
    let mut head = [0; 19];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"CONNECT axp.invalid");
    stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
    drop(stream);
    signal(&child, "-TERM");
    let (code, _, stderr) = wait(child);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn the_demo_shows_where_to_look_and_stops_on_ctrl_c() {
    let mut child = program(&["demo", "--listen", "127.0.0.1:0", "--seed", "7"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let text = read_until(&mut stdout, "Ctrl-C");
    assert!(text.contains("/metrics") && text.contains("(seed 7)"), "{text}");
    let samples = text.lines().map(str::trim).filter(|line| line.starts_with("axp_")).count();
    assert_eq!(samples, 3, "{text}");
    let series: u32 = text.lines().find_map(|line| line.split_once(" series")).unwrap().0.parse().unwrap();
    assert!(series > 1000, "{text}");
    signal(&child, "-INT");
    let (code, _, stderr) = wait(child);
    assert_eq!((code, stderr.as_str()), (0, ""), "nothing to complain about");
    assert!(read_until(&mut stdout, "Stopped.").contains("Stopped."));
}

#[test]
fn the_simulator_prints_a_configuration_that_run_takes_and_no_secret_is_logged() {
    let mut simulator = program(&["simulate", "--listen", "127.0.0.1:0", "--agents", "3"]).spawn().unwrap();
    let mut stdout = BufReader::new(simulator.stdout.take().unwrap());
    let config = read_until(&mut stdout, "app_key = ");
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let path = write_config(
        folder.path(),
        &format!(
            "{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"trace\"\n\
             [[influx]]\nname = \"main\"\ntarget = \"file\"\npath = {lines:?}\nflush_interval = \"10ms\"\n"
        ),
    );
    let exporter = program(&["run", "-c", &path]).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while std::fs::metadata(&lines).map_or(0, |metadata| metadata.len()) == 0 {
        assert!(Instant::now() < deadline, "no line was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&exporter, "-TERM");
    let (code, out, log) = wait(exporter);
    assert_eq!((code, out.as_str()), (0, ""), "{log}");
    signal(&simulator, "-TERM");
    assert_eq!(wait(simulator).0, 0);
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
fn lines_on_stdout_are_lines_and_nothing_else() {
    let mut simulator = program(&["simulate", "--listen", "127.0.0.1:0", "--agents", "3"]).spawn().unwrap();
    let mut stdout = BufReader::new(simulator.stdout.take().unwrap());
    let config = read_until(&mut stdout, "app_key = ");
    let folder = tempfile::tempdir().unwrap();
    let influx = "[web]\nlisten = \"127.0.0.1:0\"\n[[influx]]\nname = \"out\"\ntarget = \"stdout\"\nflush_interval = \"10ms\"\n";
    let path = write_config(folder.path(), &format!("{config}\n{influx}"));
    let mut exporter = program(&["run", "-c", &path]).spawn().unwrap();
    let mut lines = BufReader::new(exporter.stdout.take().unwrap());
    let text = read_until(&mut lines, "\nqueue_itd,");
    signal(&exporter, "-TERM");
    assert!(influxdb_line_protocol::parse_lines(&text).all(|line| line.is_ok()), "{text}");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(influxdb_line_protocol::parse_lines(&rest).all(|line| line.is_ok()), "{rest}");
    assert_eq!(wait(exporter).0, 0);
    signal(&simulator, "-TERM");
    assert_eq!(wait(simulator).0, 0);
}
