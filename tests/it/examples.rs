//! The ready examples for other people's pipelines, as far as they can be run or read here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{exporter, pipe};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/filter").join(name)
}

/// A folder with the program, and a consumer that knows the example's events alone.
fn programs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = exporter::<&str>([]).get_program().to_owned();
    std::os::unix::fs::symlink(program, folder.path().join("axp-exporter")).unwrap();
    let consumer = folder.path().join("kafka-console-consumer.sh");
    let events = example("events.jsonl");
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = '--bootstrap-server here:1 --topic events' ] && exec cat '{}'\n",
        events.display()
    );
    std::fs::write(&consumer, script).unwrap();
    std::fs::set_permissions(&consumer, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Runs a script of the examples; gives its lines, without their times.
fn run(script: &str, arguments: &[&str]) -> Vec<String> {
    let folder = programs();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(example(script));
    command.env_clear().env("PATH", path).env("BOOTSTRAP", "here:1").env("TOPIC", "events").args(arguments);
    let output = pipe(command, "");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{}", text(output.stderr));
    let lines = text(output.stdout);
    lines.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn files_and_a_topic_give_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "").unwrap();
    let events = example("events.jsonl");
    let config = ["-c", config.to_str().unwrap()];
    let lines = run("shell.sh", &[&[events.to_str().unwrap()], &config[..]].concat());
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("queue_itd,account_id=EZCLTR,channel_id=EMAIL coached=2,"), "{lines:?}");
    assert!(lines[1].starts_with("agent_itd,account_id=EZCLTR,agent_id=9f44ed4e"), "{lines:?}");
    assert_eq!(run("kafka.sh", &config), lines);
}

/// What is in a YAML file of the examples.
fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(example(name)).unwrap()).unwrap()
}

/// A command of an example: `sh -c`, then what the shell is to run, which uses the filter.
#[track_caller]
fn check_command(command: &Value) {
    let parts: Vec<&str> = command.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    let [shell, flag, script] = parts[..] else { panic!("{parts:?}") };
    assert_eq!((shell, flag), ("sh", "-c"));
    let mut sh = Command::new("sh");
    sh.arg("-n").arg("-c").arg(script);
    assert!(sh.status().unwrap().success(), "{script}");
    let (_, filter) = script.split_once("| axp-exporter ").unwrap();
    let mut arguments: Vec<&str> = filter.split(' ').collect();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "").unwrap();
    let at = arguments.iter().position(|argument| *argument == "-c").unwrap() + 1;
    arguments[at] = config.to_str().unwrap();
    let events = std::fs::read_to_string(example("events.jsonl")).unwrap();
    let output = pipe(exporter(&arguments), &events);
    assert!(output.status.success());
    assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 3);
}

#[test]
fn the_configuration_for_vector_is_yaml_with_a_command_that_runs() {
    let vector = yaml("vector.yaml");
    let source = &vector["sources"]["axp"];
    assert_eq!((&source["type"], &source["mode"]), (&"exec".into(), &"streaming".into()));
    assert_eq!(
        (&source["decoding"]["codec"], &source["include_stderr"]),
        (&"influxdb".into(), &false.into())
    );
    assert_eq!(vector["sinks"]["prometheus"]["inputs"][0], "axp");
    check_command(&source["command"]);
}

#[test]
fn the_configuration_for_redpanda_connect_is_yaml_with_a_command_that_runs() {
    let connect = yaml("redpanda-connect.yaml");
    let input = &connect["input"]["subprocess"];
    assert_eq!(input["codec"], "lines");
    let mut command = vec![input["name"].clone()];
    command.extend(input["args"].as_array().unwrap().iter().cloned());
    check_command(&Value::Array(command));
    assert!(connect["output"]["http_client"]["url"].as_str().unwrap().contains("precision=ns"));
}
