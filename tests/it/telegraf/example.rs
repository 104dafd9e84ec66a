//! The example for Telegraf: its settings fit each other, and its command runs with its environment.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axp_exporter::config;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::write_config;
use crate::support::{PATIENCE, Process, exporter, wait_for};
use crate::telegraf::Centre;

/// Telegraf's own `flush_interval`, where its file has the one that it comes with.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

fn example() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/telegraf/telegraf.conf");
    Figment::from(Toml::file_exact(path)).extract().unwrap()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// What stands behind an argument.
fn argument<'w>(words: &'w [String], name: &str) -> &'w str {
    &words[words.iter().position(|word| word == name).unwrap() + 1]
}

#[test]
fn what_telegraf_asks_by_and_forgets_after_is_what_the_command_is_told() {
    let example = example();
    let (input, output) = (&example["inputs"]["execd"][0], &example["outputs"]["prometheus_client"][0]);
    let command = words(&input["command"]);
    assert_eq!(command[..2], ["/usr/bin/axp-exporter", "telegraf"]);
    assert_eq!(input["signal"], argument(&command, "--signal"));
    assert_eq!(input["data_format"], "influx");
    let duration = |text: &str| config::Duration::parse(text).unwrap().get();
    let heartbeat = duration(argument(&command, "--heartbeat"));
    let expiration = duration(output["expiration_interval"].as_str().unwrap());
    assert!(expiration > heartbeat + FLUSH_INTERVAL);
    assert_eq!((&output["metric_version"], &output["string_as_label"]), (&2.into(), &false.into()));
    let prefix = input["name_prefix"].as_str().unwrap();
    assert_eq!(output["namepass"][0], format!("{prefix}*"));
}

#[test]
fn its_command_runs_with_its_environment() {
    let centre = Centre::start(0);
    let folder = TempDir::new().unwrap();
    let secret = |key: &str| {
        let line = centre.config.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    let is_public = |line: &&str| !line.starts_with("client_secret") && !line.starts_with("app_key");
    let config: Vec<&str> = centre.config.lines().filter(is_public).collect();
    let path = write_config(folder.path(), &config.join("\n"));
    let input = &example()["inputs"]["execd"][0];
    let words_of = words(&input["command"]);
    let arguments = words_of[1..].iter().map(|word| word.replace("/etc/axp-exporter/config.toml", &path));
    let mut command = exporter(arguments);
    command.env_clear();
    for variable in words(&input["environment"]) {
        let (name, value) = variable.split_once('=').unwrap();
        let Some(key) = name.strip_prefix("AXP_EXPORTER_AXP__") else {
            command.env(name, value);
            continue;
        };
        let key = key.to_lowercase();
        let file = folder.path().join(Path::new(value).file_name().unwrap());
        if let Some(key) = key.strip_suffix("_file").filter(|key| *key != "state") {
            fs::write(&file, secret(key)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        command.env(name, file);
    }
    let (mut process, stdin) = Process::start_fed(command);
    process.read_until("line", |line| line.starts_with("queue_itd,").then_some(()));
    assert!(folder.path().join("axp-subscriptions.json").exists());
    drop(stdin);
    assert!(wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr())).success());
}
