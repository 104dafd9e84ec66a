//! What the program tells its manager, from its start to its end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::configure;
use super::manager::Manager;
use crate::producers::{Account, program};
use crate::support::{PATIENCE, Process, exporter, pipe};

const WATCHDOG: &str = "WATCHDOG=1";

/// The program under a manager.
fn managed(config: &Path, manager: &Manager) -> Command {
    let mut command = program(&["run", "-c", config.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &manager.address);
    command
}

/// What a health check at a socket in the file system is answered.
fn health(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn tells_its_story(account: &Account, manager: &Manager) {
    let socket = account.folder.path().join("scrape.sock");
    let config = configure(account, &format!("unix:{}", socket.display()));
    account.fault(r#"{"fault":"answer","operation":"token","status":503,"times":null}"#);
    let mut running = Process::start(managed(&config, manager));
    let first = manager.next_within(PATIENCE).unwrap();
    assert_eq!(first, "READY=1", "before any other word");
    assert!(health(&socket).contains(" 200 "), "it answers as soon as it is ready");
    let begins = |start: &'static str| move |message: &str| message.starts_with(start);
    let waiting = manager
        .hear("status of feeds that wait", begins("STATUS=0 of 2 feeds up, 0 series; Agent_itd_1.0.0 "));
    assert!(waiting.contains("; Queue_itd_1.0.0 "), "{waiting}");
    account.fault(r#"{"fault":"clear"}"#);
    let up = manager.hear("status of feeds that are up", begins("STATUS=2 of 2 feeds up, "));
    assert!(up.ends_with(" series") && !up.ends_with(" 0 series"), "{up}");
    // A reload begins and ends, whether the file is good or not.
    for text in ["", "nonsense = 1\n"] {
        std::fs::write(&config, text.to_owned() + &std::fs::read_to_string(&config).unwrap()).unwrap();
        running.signal("HUP");
        manager.hear("begin of a reload", begins("RELOADING=1\nMONOTONIC_USEC="));
        manager.hear("end of a reload", |message| message == "READY=1");
    }
    account.fault(r#"{"fault":"drop_answer","operation":"upgrade","times":null}"#);
    account.fault(r#"{"fault":"close","producer":"Agent_itd_1.0.0"}"#);
    let lost = manager.hear("status of a feed that is lost", begins("STATUS=1 of 2 feeds up, "));
    assert!(lost.contains(" series; Agent_itd_1.0.0 "), "{lost}");
    assert!(running.stop().success());
    manager.hear("last word", |message| message == "STOPPING=1\nSTATUS=stopping");
    assert_eq!(manager.next_within(Duration::from_millis(1)), None);
}

#[test]
fn it_is_ready_once_it_listens_and_tells_how_its_feeds_stand() {
    let account = Account::start();
    tells_its_story(&account, &Manager::at_path(&account.folder));
}

#[test]
fn a_manager_may_listen_in_the_abstract_namespace() {
    tells_its_story(&Account::start(), &Manager::in_the_abstract());
}

#[test]
fn a_bad_configuration_is_never_ready() {
    let account = Account::start();
    let manager = Manager::at_path(&account.folder);
    let config = configure(&account, "127.0.0.1:http");
    let output = pipe(managed(&config, &manager), "");
    assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(manager.next_within(Duration::from_millis(1)), None);
}

/// The program with a watchdog of four seconds for the process that `pid` names to a shell.
fn watched(config: &Path, manager: &Manager, pid: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("WATCHDOG_PID={pid} exec \"$0\" run -c \"$1\""));
    command.arg(exporter::<&str>([]).get_program()).arg(config);
    command.env_clear().env("WATCHDOG_USEC", "4000000").env("NOTIFY_SOCKET", &manager.address);
    command
}

#[test]
fn signs_of_life_come_in_time_and_end_with_the_life() {
    let account = Account::start();
    let manager = Manager::at_path(&account.folder);
    let config = configure(&account, "127.0.0.1:0");
    let mut running = Process::start(watched(&config, &manager, "$$"));
    manager.hear("word that it is ready", |message| message == "READY=1");
    for _ in 0..4 {
        assert!(manager.hears(WATCHDOG, Duration::from_secs(4)), "{}", running.stderr());
    }
    running.signal("STOP");
    manager.forget();
    assert!(!manager.hears(WATCHDOG, Duration::from_secs(2)));
    running.signal("CONT");
    assert!(manager.hears(WATCHDOG, PATIENCE));
    assert!(running.stop().success());
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let account = Account::start();
    let manager = Manager::at_path(&account.folder);
    let config = configure(&account, "127.0.0.1:0");
    let _running = Process::start(watched(&config, &manager, "1"));
    manager.hear("word that it is ready", |message| message == "READY=1");
    assert!(!manager.hears(WATCHDOG, Duration::from_secs(2)));
}
