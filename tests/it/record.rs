//! Recordings: made of a live feed, replayed by the program, and golden ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::commands::{simulator, write_config};
use crate::rig::{AGENTS, Rig, between};
use crate::support::{PATIENCE, Process, exporter, get, pipe, wait_for};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recordings").join(name)
}

fn program(arguments: &[&str]) -> Command {
    let mut command = exporter(arguments);
    command.env_clear();
    command
}

/// Replays to the end: exit code, stdout, stderr.
fn replay(config: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), config);
    let output = pipe(program(&[&["replay", "-c", &path], arguments].concat()), "");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[track_caller]
fn check_golden(name: &str, found: &str) {
    let path = fixture(name);
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} says\n{expected}\nbut it is\n{found}", path.display());
}

#[test]
fn a_golden_recording_gives_the_same_series_and_lines_at_any_speed() {
    let recording = fixture("sessions.jsonl");
    let recording = recording.to_str().unwrap();
    let (code, series, stderr) = replay("", &["--output", "prometheus", recording]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stderr, "replay: 0:06:01 of recorded time; events: 18 applied, 3 refused\n");
    check_golden("sessions.prom", &series);
    for speed in ["max", "400"] {
        let arguments = ["--output", "lines", "--markers", "--speed", speed, recording];
        let (code, lines, stderr) = replay("", &arguments);
        assert_eq!(code, 0, "{stderr}");
        check_golden("sessions.lines", &lines);
    }
}

#[test]
fn another_configuration_makes_something_else_of_it() {
    let config = "[[producer]]\nid = \"Queue_itd_1.0.0\"\nname = \"lines\"\nallow = [\"answered\"]\n\
                  [[relabel]]\nregex = \"account_id\"\naction = \"labeldrop\"\n";
    let recording = fixture("sessions.jsonl");
    let (code, series, stderr) = replay(config, &["--output", "prometheus", recording.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        series,
        "# HELP axp_lines_answered Contacts that were answered (answered of Queue_itd_1.0.0, as published)\n\
         # TYPE axp_lines_answered gauge\naxp_lines_answered{queue_id=\"a\"} 5\naxp_lines_answered{queue_id=\"d\"} 0\n"
    );
    assert!(stderr.contains("records are of producers that the configuration does not have"), "{stderr}");
}

#[tokio::test]
async fn the_replay_of_a_live_feed_gives_what_it_gave() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, lines) = (folder.path().join("feed.jsonl.gz"), folder.path().join("lines"));
    let producers = "[[producer]]\nid = \"Agent_itd_1.0.0\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n";
    let more = format!(
        "{producers}[record]\npath = {recording:?}\n\
         [[influx]]\nname = \"file\"\ntarget = \"file\"\npath = {lines:?}\non_delete = \"marker\"\n"
    );
    let mut rig = Rig::start(&more).await;
    rig.ready().await;
    rig.simulator.resume();
    crate::rig::wait_for("events", || async {
        rig.value(r#"axp_exporter_events_applied_total{measure_producer_id="Agent_itd_1.0.0"}"#).await > 20.0
    })
    .await;
    // A session that breaks, and agents who are gone when the next one begins.
    rig.simulator.pause();
    rig.fault(r#"{"fault":"close"}"#);
    assert!(rig.simulator.log_out(None).is_some());
    crate::rig::wait_for("the feed's return", || async {
        rig.reconnects("closed").await >= 1.0 && rig.agents().await == rig.agents_upstream()
    })
    .await;
    crate::rig::wait_for("the snapshot's end", || async {
        rig.of_agents("feed_snapshot_complete", "").await == 1.0
            && rig
                .value(r#"axp_exporter_feed_snapshot_complete{measure_producer_id="Queue_itd_1.0.0"}"#)
                .await
                == 1.0
    })
    .await;
    let (_, live) = rig.get("/metrics").await;
    let live: Vec<&str> =
        live.lines().filter(|line| line.contains("axp_") && !line.contains("axp_exporter_")).collect();
    assert!(live.len() > 100, "{live:?}");
    let configuration = rig.configuration().to_owned();
    rig.stop().await;
    // The same configuration, which would have another recording made and lines written.
    let recording = recording.to_str().unwrap();
    let (code, series, stderr) = replay(&configuration, &["--output", "prometheus", recording]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(series.lines().collect::<Vec<_>>(), live, "{stderr}");
    let (_, replayed, _) = replay(&configuration, &["--output", "lines", "--markers", recording]);
    let written = std::fs::read_to_string(&lines).unwrap();
    assert!(written.contains(" retired=true "));
    assert_eq!(sorted(&replayed), sorted(&written));
    let mut unpacked = String::new();
    let file = std::fs::File::open(recording).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut unpacked).unwrap();
    for mark in ["header", "producer", "opened", "authenticated", "closed", "lost", "event", "end"] {
        assert!(unpacked.contains(&format!("{{\"kind\":\"{mark}\"")), "no {mark}");
    }
    assert!(unpacked.contains("\"agentFirstName\":null"), "what is personal is not there");
}

#[tokio::test]
async fn a_reload_that_drops_personal_data_holds_for_what_is_recorded_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("feed.jsonl.gz");
    let more = format!("{AGENTS}[record]\npath = {recording:?}\n[privacy]\npersonal = \"keep\"\n");
    let mut rig = Rig::start(&more).await;
    rig.ready().await;
    let samples = rig.samples("axp_agent_itd_info{").await;
    let name = between(&samples[0], "agent_login_id=\"", "\"");
    let dropping = rig.configuration().replace("\"keep\"", "\"drop\"");
    rig.reload(&dropping).await.unwrap();
    rig.simulator.resume();
    crate::rig::wait_for("another snapshot", || async { rig.reconnects("replaced").await == 1.0 }).await;
    let up = rig.value("axp_exporter_record_up").await;
    let dropped = rig.value(r#"axp_exporter_record_records_total{outcome="dropped"}"#).await;
    assert_eq!((up, dropped), (1.0, 0.0));
    rig.stop().await;
    let unpacked = |path: &Path| {
        let output = Command::new("gzip").arg("-dc").stdin(std::fs::File::open(path).unwrap()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let before = unpacked(&folder.path().join("feed.jsonl.gz.1"));
    let after = unpacked(&recording);
    assert!(before.contains(&name) && before.contains("\"personal\":\"keep\""));
    assert!(!after.contains(&name) && after.contains("\"personal\":\"drop\""), "{after}");
    assert!(after.contains("\"kind\":\"event\""), "{after}");
}

#[test]
fn a_kill_costs_a_second_at_most_and_the_next_start_begins_another_file() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("feed.jsonl.gz");
    let config = format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[record]\npath = {recording:?}\n");
    let path = write_config(folder.path(), &config);
    for run in 0..2 {
        let exporter = Process::start(program(&["run", "-c", &path]));
        let url = wait_for("address", PATIENCE, || {
            let log = exporter.stderr();
            let url = log.split("url=\"").nth(1).and_then(|rest| rest.split('"').next());
            url.map(str::to_owned).ok_or(log)
        });
        let written = wait_for("record", PATIENCE, || {
            let metrics = get(&url).ok();
            let line = "axp_exporter_record_records_total{outcome=\"written\"} ";
            let written = metrics.lines().find_map(|found| found.strip_prefix(line)?.parse::<u64>().ok());
            written.filter(|written| *written > 20).ok_or(metrics)
        });
        exporter.signal("KILL");
        let (code, _, stderr) = replay("", &["--output", "lines", recording.to_str().unwrap()]);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("feed.jsonl.gz ends on the way, as after a crash"), "{stderr}");
        assert!(events(&stderr) > 0 && written > 20, "{stderr}");
        assert_eq!(folder.path().join("feed.jsonl.gz.1").exists(), run == 1);
    }
    let both = ["feed.jsonl.gz.1", "feed.jsonl.gz"].map(|name| folder.path().join(name));
    let both = both.each_ref().map(|path| path.to_str().unwrap());
    let (code, series, stderr) = replay("", &["--output", "prometheus", both[0], both[1]]);
    assert_eq!((code, stderr.matches("ends on the way").count()), (0, 2), "{stderr}");
    assert!(series.contains("axp_agent_itd_agent_state{"), "{series}");
    assert!(simulator.stop().success());
}

#[test]
fn two_exporters_do_not_record_to_one_path() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("feed.jsonl.gz");
    let config = format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[record]\npath = {recording:?}\n");
    let path = write_config(folder.path(), &config);
    let mut first = Process::start(program(&["run", "-c", &path]));
    wait_for("file", PATIENCE, || if recording.exists() { Ok(()) } else { Err(first.stderr()) });
    let output = pipe(program(&["run", "-c", &path]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("feed.jsonl.gz (record.path): another process uses it"), "{stderr}");
    assert!(!folder.path().join("feed.jsonl.gz.1").exists());
    assert!(first.stop().success() && simulator.stop().success());
}

#[test]
fn a_stdout_that_takes_no_more_is_told_of_unless_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, recording) = (write_config(folder.path(), ""), fixture("sessions.jsonl"));
    let recording = recording.to_str().unwrap();
    let arguments = ["replay", "-c", &path, "--speed", "400", "--output", "lines", recording];
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = program(&arguments).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{stderr}");
    assert!(stderr.contains("replay: failed to write to stdout: No space left"), "{stderr}");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(&arguments).stdout(closed).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_signal_does_not_wait_for_a_stdout_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("sessions.jsonl")).unwrap();
    let event = text.lines().rfind(|line| line.contains("\"UPSERT\"")).unwrap();
    let (config, path) = (write_config(folder.path(), ""), folder.path().join("long"));
    // More lines than a pipe holds.
    let (head, tail) = text.split_at(text.rfind("{\"kind\":\"end\"").unwrap());
    std::fs::write(&path, head.to_owned() + &format!("{event}\n").repeat(10_000) + tail).unwrap();
    let arguments = ["replay", "-c", &config, "--output", "lines", path.to_str().unwrap()];
    let (mut process, stdin) = Process::start_unread(program(&arguments));
    drop(stdin);
    wait_for("a full pipe", PATIENCE, || match process.unread_bytes() {
        bytes if bytes > 60_000 => Ok(()),
        bytes => Err(format!("{bytes} bytes")),
    });
    process.signal("TERM");
    let status = wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr()));
    assert_eq!(status.code(), Some(70));
    assert!(process.stderr().contains("replay: stopped while nobody reads stdout"), "{}", process.stderr());
}

#[test]
fn what_comes_before_damage_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(fixture("sessions.jsonl")).unwrap();
    let path = folder.path().join("damaged");
    std::fs::write(&path, good.replacen("\"kind\":\"end\"", "\"kind\":\"x\"", 1)).unwrap();
    let (code, lines, stderr) = replay("", &["--output", "lines", "--markers", path.to_str().unwrap()]);
    assert_eq!(code, 65, "{stderr}");
    let whole = std::fs::read_to_string(fixture("sessions.lines")).unwrap();
    assert!(lines.lines().count() > 10 && whole.starts_with(&lines), "{lines}");
}

/// How many events were applied, by what was said.
fn events(stderr: &str) -> u64 {
    between(stderr, "events: ", " applied").parse().unwrap()
}

#[test]
fn a_replay_is_served_at_its_pace_and_its_lines_bear_their_recorded_times() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let config = format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n[axp]\nstale_after = \"5m\"\n\
         [[influx]]\nname = \"file\"\ntarget = \"file\"\npath = {lines:?}\non_delete = \"marker\"\n\
         [record]\npath = {:?}\n",
        folder.path().join("none")
    );
    let path = write_config(folder.path(), &config);
    let recording = fixture("sessions.jsonl");
    let arguments = ["replay", "-c", &path, "--speed", "50", "--stay", recording.to_str().unwrap()];
    let began = Instant::now();
    let mut process = Process::start(program(&arguments));
    let url = wait_for("address", PATIENCE, || {
        let said = process.stderr();
        let url = said.split("metrics are at ").nth(1).and_then(|rest| rest.lines().next());
        url.map(str::to_owned).ok_or(said)
    });
    wait_for("queue", PATIENCE, || {
        let metrics = get(&url).ok();
        if metrics.contains("axp_queue_itd_answered{") { Ok(()) } else { Err(metrics) }
    });
    let status = get(&url.replace("/metrics", "/api/v1/status")).ok();
    assert!(status.contains("\"up\"") && status.contains("Queue_itd_1.0.0"), "{status}");
    wait_for("end", PATIENCE, || {
        let said = process.stderr();
        if said.contains("the recording is at its end") { Ok(()) } else { Err(said) }
    });
    assert!(began.elapsed() >= Duration::from_secs(7), "361 seconds, 50 times as fast");
    let series = |text: &str| {
        let is_series = |line: &&str| line.contains("axp_") && !line.contains("axp_exporter_");
        text.lines().filter(is_series).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = std::fs::read_to_string(fixture("sessions.prom")).unwrap();
    assert_eq!(series(&get(&url).ok()), series(&expected));
    assert_eq!(get(&url.replace("/metrics", "/-/ready")).status, 200);
    assert!(process.stop().success());
    let expected = std::fs::read_to_string(fixture("sessions.lines")).unwrap();
    assert_eq!(std::fs::read_to_string(&lines).unwrap(), expected);
    assert!(!folder.path().join("none").exists(), "a replay is not recorded");
}

#[test]
fn a_signal_ends_a_replay_before_its_end() {
    let recording = fixture("sessions.jsonl");
    let folder = tempfile::tempdir().unwrap();
    let path = write_config(folder.path(), "[web]\nlisten = \"127.0.0.1:0\"\n");
    let lines = ["--output", "lines", "--speed", "1"];
    for output in [&lines[..], &[]] {
        let arguments = [&["replay", "-c", &path], output, &[recording.to_str().unwrap()]].concat();
        let mut process = Process::start(program(&arguments));
        if output.is_empty() {
            wait_for("start", PATIENCE, || {
                let said = process.stderr();
                if said.contains("metrics are at") { Ok(()) } else { Err(said) }
            });
        } else {
            process.read_until("line", |line| line.starts_with("queue_itd,").then_some(()));
        }
        assert!(process.stop().success());
        let said = wait_for("summary", PATIENCE, || {
            let said = process.stderr();
            if said.contains("of recorded time") { Ok(said) } else { Err(said) }
        });
        assert!(said.contains("replay: stopped after 0:00:0"), "{said}");
    }
}

#[test]
fn what_cannot_be_replayed_is_said_and_exits_with_65() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = std::fs::read_to_string(fixture("sessions.jsonl")).unwrap();
    let damaged = write("damaged", &good.replacen("\"kind\":\"lost\"", "\"kind\":\"x\"", 1));
    let other = write("other", &good.replace("\"drop\"", "\"hash\"").replace("00aa", "00ab"));
    let good = write("good", &good);
    let foreign = write("foreign", "{\"keys\":{}}\n");
    for (recordings, expected) in [
        (vec!["/no/such/recording"], "failed to read /no/such/recording: No such file"),
        (vec![foreign.as_str()], "foreign: it is no recording"),
        (vec![&damaged], "damaged: damaged at line 21: unknown variant `x`"),
        (vec![&good, &other], "other: [privacy] was another when it was recorded"),
    ] {
        for output in [&["--output", "prometheus"][..], &["--speed", "max"]] {
            let (code, stdout, stderr) =
                replay("[web]\nlisten = \"127.0.0.1:0\"\n", &[output, &recordings].concat());
            assert_eq!((code, stdout.as_str()), (65, ""), "{stderr}");
            assert!(stderr.contains(expected), "{expected} not in\n{stderr}");
        }
    }
    for arguments in [
        &["--speed", "0", &good][..],
        &["--speed", "inf", &good],
        &["--stay", "--output", "lines", &good],
        &["--markers", "--output", "prometheus", &good],
        &["--markers", &good],
        &[],
    ] {
        let (code, _, stderr) = replay("", arguments);
        assert_eq!(code, 64, "{stderr}");
    }
    let (code, _, stderr) = replay("[limits]\nseries = 0\n", &[&good]);
    assert_eq!(code, 78, "{stderr}");
}

#[test]
fn a_path_that_is_a_mistake_keeps_the_exporter_from_starting() {
    let (mut simulator, config) = simulator();
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "words").unwrap();
    let config = format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\n[record]\npath = {precious:?}\n");
    let path = write_config(folder.path(), &config);
    let output = pipe(program(&["run", "-c", &path]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("(record.path): something else than a recording is there"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "words");
    assert!(simulator.stop().success());
}
