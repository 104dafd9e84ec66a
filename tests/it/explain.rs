//! `axp-exporter explain`, held to golden files that people can read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::write_config;
use crate::support::{exporter, pipe};

const QUEUE_EVENT: &str = include_str!("../fixtures/queue-event.json");
const AGENT_EVENT: &str = include_str!("../fixtures/agent-event.json");
const RULES: &str = include_str!("../fixtures/explain/rules.toml");
const RULES_EVENT: &str = include_str!("../fixtures/explain/rules-event.json");

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain")
}

/// Explains events under this configuration: exit code, stdout, stderr; the configuration's place
/// and the time of the line are not what they were.
fn explain(config: &str, arguments: &[&str], events: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "a key for the tests alone\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = write_config(folder.path(), config);
    let mut command = exporter([&["explain", "-c", &path], arguments, &["-"]].concat());
    command.env_clear();
    let output = pipe(command, events);
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&path, "config.toml");
    (output.status.code().unwrap(), timeless(&text(output.stdout)), text(output.stderr))
}

/// The text without the times of lines, which have nineteen digits.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    for piece in text.split_inclusive(|character: char| !character.is_ascii_digit()) {
        let digits = piece.trim_end_matches(|character: char| !character.is_ascii_digit());
        let rest = &piece[digits.len()..];
        out.push_str(if digits.len() == 19 { "<time>" } else { digits });
        out.push_str(rest);
    }
    out
}

#[track_caller]
fn check_golden(name: &str, found: &str) {
    let path = fixtures().join(name);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} says\n{expected}\nbut it is\n{found}", path.display());
}

#[test]
fn the_documented_events_are_explained_as_ever() {
    for (name, event) in [("queue.txt", QUEUE_EVENT), ("agent.txt", AGENT_EVENT)] {
        let (code, stdout, stderr) = explain("", &[], event);
        assert_eq!((code, stderr.as_str()), (0, ""));
        check_golden(name, &stdout);
    }
}

#[test]
fn every_outcome_and_every_rule_is_explained_as_ever() {
    for (name, arguments) in [("rules.txt", &[][..]), ("rules.json", &["--json"])] {
        let (code, stdout, stderr) = explain(RULES, arguments, RULES_EVENT);
        assert_eq!((code, stderr.as_str()), (0, ""));
        check_golden(name, &stdout);
    }
}

#[test]
fn no_personal_value_is_shown_where_the_outputs_show_none() {
    let hashed = RULES.to_owned();
    let dropped = RULES.replace("\"hash\"", "\"drop\"");
    for config in [&hashed, &dropped] {
        for arguments in [&[][..], &["--json"]] {
            let (_, stdout, _) = explain(config, arguments, RULES_EVENT);
            assert!(stdout.contains("agentDisplayName") && !stdout.contains("canary"), "{stdout}");
        }
    }
    let (_, stdout, _) = explain("[privacy]\npersonal = \"keep\"\n", &[], AGENT_EVENT);
    assert!(stdout.contains("agent_login_id=\"agent7@example.com\""), "{stdout}");
}

#[test]
fn it_says_what_the_filter_does() {
    let rules: String = RULES.replace("hash_key_file = \"key\"", "").replace("\"hash\"", "\"drop\"");
    for (config, event) in [("", QUEUE_EVENT), ("", AGENT_EVENT), (&*rules, RULES_EVENT)] {
        let (_, json, _) = explain(config, &["--json"], event);
        let explained: Value = serde_json::from_str(&json).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = write_config(folder.path(), config);
        let filter = |more: &[&str]| {
            let command = exporter([&["filter", "-c", &path], more].concat());
            timeless(&String::from_utf8(pipe(command, &event.replace('\n', "")).stdout).unwrap())
        };
        assert_eq!(filter(&[]), format!("{}\n", explained["line"].as_str().unwrap()));
        let exposition = filter(&["--output", "prometheus"]);
        let series: Vec<&str> = exposition.lines().filter(|line| !line.starts_with('#')).collect();
        let explained: Vec<&str> =
            explained["series"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert_eq!(series, explained);
        assert!(!series.is_empty());
    }
}

#[test]
fn rows_that_rules_drop_deletes_and_other_producers_are_told_apart() {
    let drop = "[[relabel]]\nsource_labels = [\"channel_id\"]\nregex = \"EMAIL\"\naction = \"drop\"\n\
                [[relabel]]\nregex = \"x\"\naction = \"labeldrop\"\n";
    let explained = |config: &str, event: &str| {
        let (code, stdout, stderr) = explain(config, &["--json"], event);
        assert_eq!((code, stderr.as_str()), (0, ""));
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    let dropped = explained(drop, QUEUE_EVENT);
    assert_eq!((&dropped["outcome"], &dropped["reason"]), (&"dropped".into(), &"relabel".into()));
    assert_eq!(dropped["labels"]["rules"].as_array().unwrap().len(), 1, "the second is not run");
    assert_eq!(dropped["labels"]["rules"][0]["drops"], true);
    assert_eq!((&dropped["labels"]["last"], &dropped["line"]), (&Value::Null, &Value::Null));
    assert_eq!(dropped["measures"][0]["outcome"], "dropped");

    let delete = QUEUE_EVENT.replace("UPSERT", "DELETE");
    let retired = explained("", &delete);
    assert_eq!(retired["outcome"], "retires");
    assert_eq!(retired["labels"]["last"]["channel_id"], "EMAIL");
    assert_eq!(retired["measures"][0]["outcome"], "ignored");
    assert_eq!(retired["series"], Value::Array(Vec::new()));

    let other = explained("[[producer]]\nid = \"Agent_itd_1.0.0\"\n", QUEUE_EVENT);
    assert_eq!((&other["producer"]["subscribed"], &other["outcome"]), (&false.into(), &"applied".into()));
    let (_, text, _) = explain("[[producer]]\nid = \"Agent_itd_1.0.0\"\n", &[], QUEUE_EVENT);
    assert!(text.contains("NOT EXPORTED: there are [[producer]] blocks, but none for it"), "{text}");

    let twice = QUEUE_EVENT
        .replace("\"channelId\": \"EMAIL\"", "\"channelId\": \"EMAIL\", \"channel-id\": \"VOICE\"");
    let refused = explained("", &twice);
    assert_eq!((&refused["outcome"], &refused["reason"]), (&"refused".into(), &"duplicate_label".into()));
}

#[test]
fn the_keys_of_the_json_are_the_same_for_every_event() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut all = Vec::new();
    for event in [QUEUE_EVENT, AGENT_EVENT, RULES_EVENT, &AGENT_EVENT.replace("UPSERT", "DELETE")] {
        let (_, json, _) = explain("", &["--json"], event);
        let explained: Value = serde_json::from_str(&json).unwrap();
        let measures = explained["measures"].as_array().unwrap().iter().map(keys);
        all.push((keys(&explained), measures.collect::<std::collections::BTreeSet<_>>()));
    }
    assert!(all.iter().all(|keys| *keys == all[0] && keys.1.len() == 1), "{all:?}");
}

#[test]
fn several_events_are_explained_one_by_one_and_each_by_itself() {
    let changed = QUEUE_EVENT.replace("\"2\"", "\"three\"");
    let (code, stdout, _) = explain("", &["--json"], &format!("{QUEUE_EVENT}\n{changed}{AGENT_EVENT}"));
    let explained: Vec<Value> =
        serde_json::Deserializer::from_str(&stdout).into_iter().map(Result::unwrap).collect();
    assert_eq!((code, explained.len()), (0, 3));
    assert_eq!(explained[1]["measures"][0]["kind"], "text", "as if none had come before");
    assert_eq!(explained[2]["producer"]["stem"], "agent_itd");
}

#[test]
fn what_is_no_event_is_told_with_its_place_and_what_it_lacks() {
    for (input, said) in [
        ("ping", "stdin, not JSON: expected value at line 1 column 1\n"),
        ("", "stdin, nothing in it\n"),
        ("\n[1]\n", "stdin, line 2: an array, not an event; give its elements one after the other\n"),
        (
            "{\"keys\":{\"a\":\"b\"},\"measures\":{}}",
            "stdin, line 1: no event, unknown_action: `eventAction` is neither `UPSERT` nor `DELETE`; missing: \
             eventAction, payloadType\n",
        ),
        (
            "{\"keys\":{\"a\":\"b\"},\"eventAction\":\"UPSERT\",\"payloadType\":\"LIVE\"}",
            "stdin, line 1: measureProducerId is missing, and the configuration does not name a single \
             [[producer]] whose it could be\n",
        ),
    ] {
        let (code, stdout, stderr) = explain("", &[], input);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (65, "", said), "{input}");
    }
    let (code, stdout, stderr) = explain("", &[], &format!("{QUEUE_EVENT}7\n{AGENT_EVENT}"));
    assert_eq!((code, stdout.matches("\nSERIES\n").count()), (65, 2), "the others are explained");
    assert_eq!(stderr, "stdin, line 28: a bare value, not an event, which is an object\n");
    let (_, _, stderr) =
        explain("[limits]\nframe_bytes = \"1KiB\"\n", &[], &" ".repeat(9).replace(' ', QUEUE_EVENT));
    assert_eq!(stderr, "", "each is short enough");
    let long = QUEUE_EVENT.replace("Natella", &"x".repeat(1024));
    let (code, _, stderr) = explain("[limits]\nframe_bytes = \"1KiB\"\n", &[], &long);
    assert_eq!(
        (code, stderr.as_str()),
        (65, "stdin, line 1: longer than limits.frame_bytes, which is 1KiB\n")
    );
    let output = pipe(exporter(["explain", "/nowhere/event.json"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr.starts_with("failed to read /nowhere/event.json: "), "{stderr}");
}
