//! The units, as systemd's own tools read them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{configure, unit, units};
use crate::producers::Account;
use crate::support::{PATIENCE, Process, exporter, pipe, tool, wait_for};

const SERVICES: [&str; 2] = ["axp-exporter.service", "axp-exporter@.service"];

/// Runs `systemd-analyze`; gives whether it was content, and what it said.
fn analyze(arguments: &[&str], folder: &Path) -> (bool, String) {
    let mut command = tool("systemd-analyze");
    command.args(arguments).current_dir(folder).env("SYSTEMD_COLORS", "0");
    let output = pipe(command, "");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// The units in a folder of their own, with the program where it is and not where packages put it.
fn installed() -> TempDir {
    let folder = TempDir::new().unwrap();
    let program = exporter::<&str>([]).get_program().to_str().unwrap().to_owned();
    for name in SERVICES.into_iter().chain(["axp-exporter.socket"]) {
        std::fs::write(folder.path().join(name), unit(name).replace("/usr/bin/axp-exporter", &program))
            .unwrap();
    }
    folder
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = installed();
    for unit in
        ["axp-exporter.service", "axp-exporter@.service", "axp-exporter@lab.service", "axp-exporter.socket"]
    {
        let path = format!("./{unit}");
        let verdict = analyze(&["verify", "--man=no", "--recursive-errors=no", &path], folder.path());
        assert_eq!(verdict, (true, String::new()), "{unit}");
    }
    // It does find what is wrong.
    let broken = unit("axp-exporter.service").replace("Type=notify", "Type=notified");
    std::fs::write(folder.path().join("axp-exporter.service"), broken).unwrap();
    let (_, said) = analyze(&["verify", "--man=no", "./axp-exporter.service"], folder.path());
    assert!(said.contains("notified"), "{said}");
}

#[test]
fn the_exposure_of_the_services_is_low() {
    for service in SERVICES {
        let arguments =
            ["security", "--offline=true", "--threshold=12", "--no-pager", &format!("./{service}")];
        let (within, said) = analyze(&arguments, &units());
        let figure = said.rsplit("Overall exposure level for ").next().unwrap();
        let figure = figure.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let exposure: f64 = figure.parse().unwrap_or_else(|_| panic!("no figure in\n{said}"));
        assert!(within && exposure <= 1.2, "{service}: {exposure}\n{said}");
    }
}

#[test]
fn the_template_is_the_service_with_places_of_its_own() {
    let settings = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    let [service, template] = SERVICES.map(unit);
    let expected = settings(&service)
        .into_iter()
        .map(|line| match line.as_str() {
            "StateDirectory=axp-exporter" => "StateDirectory=axp-exporter-%i".to_owned(),
            line if line.starts_with("Description=") => format!("{line}, %i"),
            line if line.starts_with("LoadCredential=") => {
                line.replace("/etc/axp-exporter/", "/etc/axp-exporter/%i/")
            }
            line => line.replace("/config.toml", "/%i.toml"),
        })
        .collect::<Vec<_>>();
    assert_eq!(settings(&template), expected);
}

#[test]
fn what_systemd_waits_for_is_longer_than_what_the_exporter_takes() {
    let service = unit("axp-exporter.service");
    // Feeds 5 s, sinks 5 s, the server 3 s.
    for line in ["Type=notify", "TimeoutStopSec=20s", "WatchdogSec=30s", "RestartPreventExitStatus=64 78"] {
        assert!(service.lines().any(|found| found == line), "{line}");
    }
    let config = std::fs::read_to_string(units().join("../config.toml")).unwrap();
    let port = unit("axp-exporter.socket");
    let port = port.lines().find_map(|line| line.strip_prefix("ListenStream=")).unwrap();
    assert!(
        config.contains(&format!("\nlisten = \"{port}\"\n")),
        "the socket is where the exporter would listen"
    );
}

#[test]
fn it_serves_a_socket_of_the_tool_that_activates_as_systemd_does() {
    let account = Account::start();
    let config = configure(&account, "systemd");
    let socket = account.folder.path().join("passed.sock");
    let mut command: Command = tool("systemd-socket-activate");
    command.arg("--listen").arg(&socket).arg(exporter::<&str>([]).get_program());
    command.args(["run", "-c"]).arg(config).env_clear();
    let mut running = Process::start(command);
    let mut stream =
        wait_for("socket", PATIENCE, || UnixStream::connect(&socket).map_err(|err| err.to_string()));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It waits here since before the exporter was started.
    stream.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}\n{}", running.stderr());
    assert!(running.stop().success());
}

#[test]
fn the_services_are_bounded_and_leave_no_image_of_their_memory() {
    for service in SERVICES.map(unit) {
        for line in [
            "LimitCORE=0",
            "MemoryMax=",
            "Environment=MALLOC_ARENA_MAX=2",
            "TasksMax=",
            "LimitNOFILE=",
            "UMask=00",
            "RestartPreventExitStatus=64 78",
        ] {
            assert!(service.lines().any(|found| found.starts_with(line)), "{line} not in\n{service}");
        }
    }
}
