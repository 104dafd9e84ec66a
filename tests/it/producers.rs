//! `axp-exporter producers` against the simulator.

use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, Process, exporter, pipe, request, wait_for};

/// A simulator, the configuration that it prints, and a folder with that.
pub(crate) struct Account {
    _simulator: Process,
    pub(crate) config: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Account {
    pub(crate) fn start() -> Self {
        let simulator = Process::start(program(&["simulate", "--listen", "127.0.0.1:0", "--agents", "3"]));
        let config = simulator.read_through("app_key");
        Self { _simulator: simulator, config, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs a command with this configuration.
    fn output(&self, command: &[&str], config: &str) -> (i32, String, String) {
        output(self.folder.path(), command, config)
    }

    pub(crate) fn value(&self, key: &str) -> &str {
        let line = self.config.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches([' ', '=', '"'])
    }

    /// Makes the simulator answer an operation with this status, once.
    fn answer(&self, operation: &str, status: u16) {
        self.fault(&format!(r#"{{"fault":"answer","operation":"{operation}","status":{status}}}"#));
    }

    /// Injects a fault, given as the admin endpoint takes it.
    pub(crate) fn fault(&self, fault: &str) {
        request("POST", &format!("{}/admin/faults", self.value("api_url")), &[], fault).ok();
    }
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = exporter(arguments);
    command.env_clear();
    command
}

fn output(folder: &Path, command: &[&str], config: &str) -> (i32, String, String) {
    let path = folder.join("config.toml");
    std::fs::write(&path, config).unwrap();
    let output = pipe(program(&[command, &["-c", path.to_str().unwrap()]].concat()), "");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_table_says_what_the_configuration_would_export() {
    let account = Account::start();
    let (code, table, stderr) = account.output(&["producers"], &account.config);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for part in [
        "producer  Queue_itd_1.0.0\nstem      queue_itd\nkeys      queueId\n",
        " axp_queue_itd_contacts_queueing ",
        " axp_agent_itd_agent_state{state} ",
        " axp_agent_itd_time_in_state_timestamp_seconds ",
        " dropped: personal ",
        "Contacts that are not answered yet",
    ] {
        assert!(table.contains(part), "{part} not in\n{table}");
    }
    assert!(!table.contains("DialogDetail"), "that is none of the interval to date");
    let rules = "[[producer]]\nid = \"Queue_itd_1.0.0\"\nname = \"lines\"\ndeny = [\"coach*\"]\n";
    let (_, table, _) = account.output(&["producers"], &format!("{}{rules}", account.config));
    assert!(table.starts_with("producer  Queue_itd_1.0.0\nstem      lines\n"), "{table}");
    assert!(table.contains(" axp_lines_contacts_queueing ") && table.contains(" denied "), "{table}");
    assert_eq!(table.matches("exported  no").count(), 3, "{table}");
}

#[test]
fn blocks_appended_to_the_configuration_pass_the_check() {
    let account = Account::start();
    let (code, blocks, stderr) = account.output(&["producers", "--toml"], &account.config);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(blocks.matches("\n[[producer]]\n").count(), 4, "{blocks}");
    assert!(blocks.lines().any(|line| line.starts_with("# activeDuration ") && line.contains("DURATION")));
    let config = format!("{}{blocks}", account.config);
    let (code, _, stderr) = account.output(&["check"], &config);
    assert_eq!((code, stderr.as_str()), (0, ""), "{config}");
    let (code, more, _) = account.output(&["producers", "--toml"], &config);
    assert_eq!((code, more.matches("has its block already").count()), (0, 4), "{more}");
    let (code, _, stderr) = account.output(&["check"], &format!("{config}{more}"));
    assert_eq!((code, stderr.as_str()), (0, ""), "what has its block gets no second one");
}

#[test]
fn wrong_credentials_cost_one_line_without_a_secret() {
    let account = Account::start();
    for key in ["client_secret", "app_key"] {
        let wrong = account.config.replace(account.value(key), "canary-of-a-secret");
        let (code, stdout, stderr) = account.output(&["producers"], &wrong);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (70, "", 1), "{stderr}");
        assert!(stderr.contains("401") && stderr.contains("axp.app_key_file"), "{stderr}");
        for secret in ["canary", account.value("client_secret"), account.value("app_key")] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
    }
    account.answer("producers", 403);
    let (code, _, stderr) = account.output(&["producers"], &account.config);
    assert_eq!(code, 70);
    assert!(stderr.contains("403") && stderr.contains("permission"), "{stderr}");
}

#[test]
fn one_producer_or_dictionary_that_fails_leaves_the_others() {
    let account = Account::start();
    account.answer("producer", 404);
    account.answer("dictionary", 500);
    let (code, table, stderr) = account.output(&["producers"], &account.config);
    assert_eq!((code, stderr.lines().count()), (0, 2), "{stderr}");
    assert!(stderr.contains("AgentByChannel_itd_1.0.0: failed to get"), "{stderr}");
    assert!(stderr.contains("Agent_itd_1.0.0, descriptions: failed to get"), "{stderr}");
    assert_eq!(table.matches("not known, as its measures").count(), 1, "{table}");
    assert!(table.contains(" Idle Time Duration\n"), "AXP's display name instead:\n{table}");
    assert!(table.contains(" axp_queue_itd_contacts_queueing "), "{table}");
}

#[test]
fn a_signal_does_not_wait_for_a_stdout_that_nobody_reads() {
    let account = Account::start();
    let path = account.folder.path().join("config.toml");
    std::fs::write(&path, format!("{}[[producer]]\nid = \"Lost_itd_1.0.0\"\n", account.config)).unwrap();
    let program = program(&["producers", "-c", path.to_str().unwrap()]);
    // It finds a pipe that is full.
    let mut filled = Command::new("sh");
    filled.args(["-c", "head -c 65536 /dev/zero && exec \"$@\"", "sh"]);
    filled.arg(program.get_program()).args(program.get_args());
    let (mut process, stdin) = Process::start_unread(filled);
    drop(stdin);
    wait_for("its words", PATIENCE, || match process.stderr() {
        words if words.contains("Lost_itd_1.0.0: configured, but not in AXP's list") => Ok(()),
        words => Err(words),
    });
    process.signal("TERM");
    let status = wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr()));
    assert_eq!((status.code(), process.unread_bytes()), (Some(70), 65536), "{}", process.stderr());
}

#[test]
fn nobody_there_and_no_configuration_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = output(folder.path(), &["producers"], "[axp]\naccount_id = \"ABC\"\n");
    assert_eq!(code, 78, "{stderr}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "[axp]\napi_url = \"http://{nobody}\"\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\n\
         client_secret = \"canary\"\napp_key = \"canary\"\n"
    );
    let (code, stdout, stderr) = output(folder.path(), &["producers"], &config);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (70, "", 1), "{stderr}");
    assert!(stderr.contains("reach AXP (token)") && !stderr.contains("canary"), "{stderr}");
}
