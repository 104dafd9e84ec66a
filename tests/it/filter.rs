//! `axp-exporter filter`: the program between two pipes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::commands::write_config;
use crate::support::{PATIENCE, Process, exporter, pipe, wait_for};

/// The program as a filter with this configuration.
fn filter(folder: &Path, config: &str, arguments: &[&str]) -> Command {
    let path = write_config(folder, config);
    let mut command = exporter([&["filter", "-c", &path], arguments].concat());
    command.env_clear();
    command
}

/// Filters this input: exit code, stdout, stderr.
fn run(config: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = pipe(filter(folder.path(), config, arguments), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// An event of the queue producer, as a line.
fn event(payload_type: &str, action: &str, queue: &str, measures: &str) -> String {
    of("Queue_itd_1.0.0", payload_type, action, queue, measures)
}

fn of(producer: &str, payload_type: &str, action: &str, queue: &str, measures: &str) -> String {
    format!(
        r#"{{"accountId":"EZCLTR","keys":{{"queueId":"{queue}"}},"eventAction":"{action}","eventSourceId":"S","measureProducerId":"{producer}","payloadType":"{payload_type}","measures":{{{measures}}}}}"#
    ) + "\n"
}

fn live(queue: &str, answered: u32) -> String {
    event("LIVE", "UPSERT", queue, &format!(r#""answered":"{answered}""#))
}

/// Lines without their times.
fn timeless(lines: &str) -> Vec<&str> {
    lines.lines().map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

const QUEUE_EVENT: &str = include_str!("../fixtures/queue-event.json");
const AGENT_EVENT: &str = include_str!("../fixtures/agent-event.json");

#[test]
fn the_documented_events_become_the_documented_lines() {
    let input = [QUEUE_EVENT, AGENT_EVENT].map(|event| event.replace('\n', "")).join("\n");
    let (code, stdout, stderr) = run("", &[], &input);
    assert_eq!((code, stderr.as_str()), (0, "filter: lines: 2 in, 2 applied, 0 refused, 2 out\n"));
    assert_eq!(
        timeless(&stdout),
        [
            "queue_itd,account_id=EZCLTR,channel_id=EMAIL coached=2,is_default_queue=false,active_duration_seconds=922,active=0,active_engagements_in_acw=0,contacts_queueing=2,answered=4,coaching_duration_seconds=309,queue_name=\"Natella\",coached_duration_seconds=309,active_agents_in_acw=0,alert_duration_seconds=5,completed=4,coaching=2,offered=4",
            "agent_itd,account_id=EZCLTR,agent_id=9f44ed4e-24ee-4e50-98af-02582e440be5 time_in_state_timestamp_seconds=1643645393.849,user_status=\"Live\",time_logged_in_timestamp_seconds=1643645393.849,idle_time_duration_seconds=36000,agent_logon_duration_seconds=36000,agent_state=\"READY\"",
        ]
    );
    assert!(influxdb_line_protocol::parse_lines(&stdout).all(|line| line.is_ok()));
}

#[test]
fn a_line_is_there_as_soon_as_the_input_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut stdin) = Process::start_fed(filter(folder.path(), "", &[]));
    for answered in [1, 2] {
        stdin.write_all(live("a", answered).as_bytes()).unwrap();
        process.read_until("line", |line| line.contains(&format!("answered={answered} ")).then_some(()));
    }
    // One in two pieces, of which the second is not on its way yet.
    let whole = live("a", 3);
    let (head, tail) = whole.split_at(100);
    stdin.write_all((live("a", 4) + head).as_bytes()).unwrap();
    process.read_until("line", |line| line.contains("answered=4 ").then_some(()));
    stdin.write_all(tail.as_bytes()).unwrap();
    process.read_until("line", |line| line.contains("answered=3 ").then_some(()));
    drop(stdin);
    assert!(wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr())).success());
}

#[test]
fn bad_lines_cost_themselves_alone_and_a_flood_of_them_few_words() {
    let folder = tempfile::tempdir().unwrap();
    let bad = "ping\n".repeat(5000);
    let input = format!("{}\n\r\n{bad}[]\n{}", live("a", 1), live("b", 2));
    let started = std::time::Instant::now();
    let output = pipe(filter(folder.path(), "", &[]), &input);
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    let said: Vec<&str> = stderr.lines().collect();
    assert_eq!(
        said[0],
        "filter: line 4 refused, not_json: Text that is not JSON at all, such as a proxy's `ping`"
    );
    assert!(said.len() <= 10 + seconds + 2, "{stderr}");
    assert_eq!(
        *said.last().unwrap(),
        "filter: lines: 5003 in, 2 applied, 5001 refused (not_json 5001), 2 out"
    );
}

#[test]
fn strict_stops_at_the_first_line_or_value_that_is_refused() {
    let good = live("a", 1);
    for (bad, said) in [
        ("ping\n".to_owned(), "filter: line 2 refused, not_json: "),
        (
            event("LIVE", "UPSERT", "b", r#""answered":"five","offered":"1","offered":"2""#),
            "filter: line 2, ",
        ),
        (
            event("LIVE", "UPSERT", "b", r#""answered":"1e400""#),
            "filter: line 2, answered refused, out_of_range: ",
        ),
    ] {
        let (code, stdout, stderr) = run("", &["--strict"], &format!("{good}{bad}{}", live("c", 3)));
        assert_eq!(code, 65, "{stderr}");
        assert!(stdout.contains("queue_id=a ") && !stdout.contains("queue_id=c"), "{stdout}");
        assert!(stderr.starts_with(said), "{stderr}");
        assert!(stderr.lines().count() == 2 && stderr.contains("filter: lines: 2 in, "), "{stderr}");
        // Without it, the others go on.
        let (code, stdout, _) = run("", &[], &format!("{good}{bad}{}", live("c", 3)));
        assert!(code == 0 && stdout.contains("queue_id=c"), "{stdout}");
    }
    let unknown = event("LIVE", "DELETE", "never", "");
    let (code, ..) = run("", &["--strict"], &format!("{unknown}{good}"));
    assert_eq!(code, 0, "a stream may begin anywhere");
    let (code, stdout, _) = run("", &["--strict", "--output", "prometheus"], &format!("{good}ping\n"));
    assert_eq!((code, stdout.as_str()), (65, ""), "half an exposition is none");
}

#[test]
fn what_comes_later_holds_whatever_session_it_is_of() {
    let snapshot = |answered| event("INITIALIZING", "UPSERT", "a", &format!(r#""answered":"{answered}""#));
    let input = [snapshot(1), live("b", 1), live("a", 2), snapshot(3), live("c", 1)].concat();
    let (_, lines, stderr) = run("", &["--strict"], &input);
    assert_eq!(lines.lines().count(), 5, "{stderr}");
    let (_, exposition, _) = run("", &["--output", "prometheus"], &input);
    for series in ["\"a\"} 3", "\"b\"} 1", "\"c\"} 1"] {
        assert!(exposition.contains(series), "{exposition}");
    }
}

#[test]
fn the_exposition_shows_what_is_left() {
    let input = [live("a", 1), live("b", 2), live("a", 3), event("LIVE", "DELETE", "b", "")].concat();
    let (code, stdout, stderr) = run("", &["--output", "prometheus"], &input);
    assert_eq!(
        stdout,
        "# HELP axp_queue_itd_answered AXP measure (answered of Queue_itd_1.0.0, as published)\n\
         # TYPE axp_queue_itd_answered gauge\n\
         axp_queue_itd_answered{account_id=\"EZCLTR\",queue_id=\"a\"} 3\n"
    );
    assert_eq!((code, stderr.as_str()), (0, "filter: lines: 4 in, 4 applied, 0 refused, 3 out\n"));
}

#[test]
fn markers_are_for_lines() {
    let (code, stdout, stderr) = run("", &["--markers", "--output", "prometheus"], "");
    assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    assert!(stderr.contains("--markers is for --output lines"), "{stderr}");
}

#[test]
fn markers_end_a_row_where_they_are_wanted() {
    let input = [live("a", 1), event("LIVE", "DELETE", "a", "")].concat();
    let line = "queue_itd,account_id=EZCLTR,queue_id=a";
    let (_, stdout, _) = run("", &[], &input);
    assert_eq!(timeless(&stdout), [format!("{line} answered=1")]);
    let (_, stdout, _) = run("", &["--markers"], &input);
    assert_eq!(timeless(&stdout), [format!("{line} answered=1"), format!("{line} retired=true")]);
}

#[test]
fn producers_rules_privacy_and_limits_of_the_configuration_apply() {
    let config = "[[producer]]\nid = \"Queue_itd_1.0.0\"\nname = \"lines\"\ndeny = [\"offered\"]\n\
                  [[relabel]]\nsource_labels = [\"queue_id\"]\nregex = \"secret\"\naction = \"drop\"\n\
                  [limits]\nframe_bytes = \"1KiB\"\n";
    let upsert = |queue: &str, measures: &str| event("LIVE", "UPSERT", queue, measures);
    let long = upsert("a", &format!(r#""queueName":"{}""#, "x".repeat(1024)));
    let nobody = live("c", 5).replace(r#""measureProducerId":"Queue_itd_1.0.0","#, "");
    let input = [
        upsert("a", r#""answered":"1","offered":"2","agentLoginId":"canary""#),
        upsert("secret", r#""answered":"1""#),
        of("Agent_itd_1.0.0", "LIVE", "UPSERT", "a", r#""answered":"1""#),
        long,
        nobody.clone(),
    ];
    let (code, stdout, stderr) = run(config, &[], &input.concat());
    let line = |rest| format!("lines,account_id=EZCLTR,queue_id={rest}");
    assert_eq!(code, 0);
    assert_eq!(timeless(&stdout), [line("a answered=1"), line("c answered=5")], "{stderr}");
    for said in [
        "line 3 refused, not_configured: The configuration has [[producer]] blocks, but none of this",
        "line 4 refused, too_long: Longer than limits.frame_bytes",
        "lines: 5 in, 3 applied, 2 refused (not_configured 1, too_long 1), 2 out",
    ] {
        assert!(stderr.contains(said), "{said} not in\n{stderr}");
    }
    let (_, stdout, stderr) = run("", &[], &nobody);
    assert!(stdout.is_empty() && stderr.contains("line 1 refused, no_producer: "), "{stderr}");
}

#[test]
fn there_are_no_more_producers_than_can_be() {
    let producers: String = (0..70)
        .map(|id| of(&format!("P{id}_itd_1.0.0"), "LIVE", "UPSERT", "a", r#""answered":"1""#))
        .collect();
    let odd = of("two words", "LIVE", "UPSERT", "a", r#""answered":"1""#);
    let (code, stdout, stderr) = run("", &[], &(odd + &producers));
    assert_eq!((code, stdout.lines().count()), (0, 64));
    assert!(stderr.ends_with("7 refused (bad_producer 1, too_many_producers 6), 64 out\n"), "{stderr}");
}

#[test]
fn a_line_without_an_end_is_not_held() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, mut stdin) =
        Process::start_fed(filter(folder.path(), "[limits]\nframe_bytes = \"1MiB\"\n", &[]));
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..128 {
        stdin.write_all(&piece).unwrap();
    }
    stdin.write_all(("\n".to_owned() + &live("a", 1)).as_bytes()).unwrap();
    process.read_until("line", |line| line.contains("answered=1 ").then_some(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < 64 << 10, "{most} KiB");
    drop(stdin);
    wait_for("end", PATIENCE, || process.ended().ok_or_else(|| process.stderr()));
    assert!(process.stderr().contains("(too_long 1), 1 out"), "{}", process.stderr());
}

/// The filter between three pipes that are the test's own.
fn piped(folder: &Path) -> Child {
    let mut command = filter(folder, "", &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn who_closes_stdout_has_seen_enough() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = piped(folder.path());
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // Until it is gone, and its stdin with it.
    while stdin.write_all(live("a", 1).repeat(100).as_bytes()).is_ok() {}
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_signal_ends_it_with_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, output, left) in [("TERM", "lines", 0), ("INT", "prometheus", 3)] {
        let (mut process, mut stdin) = Process::start_fed(filter(folder.path(), "", &["--output", output]));
        stdin.write_all((live("a", 1) + "ping\n" + "{\"half\":").as_bytes()).unwrap();
        wait_for("word about the bad line", PATIENCE, || {
            let said = process.stderr();
            if said.contains("line 2 refused") { Ok(()) } else { Err(said) }
        });
        if output == "lines" {
            process.read_until("line", |line| line.contains("answered=1 ").then_some(()));
        }
        assert!(process.stop_by(signal).success());
        assert_eq!(process.read_rest().len(), left);
        let summary = wait_for("summary", PATIENCE, || {
            let said = process.stderr();
            said.lines().nth(1).map(str::to_owned).ok_or(said)
        });
        assert!(summary.starts_with("filter: lines: 2 in, 1 applied, 1 refused (not_json 1), "), "{summary}");
    }
}

#[test]
fn a_stdout_that_nobody_reads_keeps_no_signal_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = piped(folder.path());
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || while stdin.write_all(live("a", 1).as_bytes()).is_ok() {});
    // Asleep in its write to a pipe that is full: what is in it stays, and no time is used.
    let (stat, stdout) = (format!("/proc/{}/stat", child.id()), child.stdout.take().unwrap());
    let mut looks = Vec::new();
    wait_for("rest", PATIENCE, || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = std::fs::read_to_string(&stat).unwrap();
        let used: Vec<String> = now.split(' ').skip(13).take(2).map(str::to_owned).collect();
        looks.push((rustix::io::ioctl_fionread(&stdout).unwrap(), used));
        let last = looks.last_chunk::<4>();
        let rests = last.is_some_and(|last| last[0].0 > 32 << 10 && last.iter().all(|look| *look == last[0]));
        if rests { Ok(()) } else { Err(format!("{:?}", looks.last())) }
    });
    let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status();
    assert!(kill.unwrap().success());
    let status = wait_for("end", PATIENCE, || child.try_wait().unwrap().ok_or_else(String::new));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(70), "{stderr}");
    assert!(stderr.contains("stopped while nobody reads stdout"), "{stderr}");
    writer.join().unwrap();
}

#[test]
fn a_configuration_that_is_named_must_be_there_and_right() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let output = pipe(exporter(["filter", "-c", missing.to_str().unwrap()]), "");
    assert_eq!(output.status.code(), Some(78));
    let (code, _, stderr) = run("[limits]\nseries = 0\n", &[], "");
    assert_eq!(code, 78);
    assert!(stderr.contains("limits.series"), "{stderr}");
    let (code, stdout, stderr) = run("[axp]\nclient_secret_file = \"/root/none\"\n", &[], "");
    assert_eq!((code, stdout.as_str()), (0, ""), "no secret is needed: {stderr}");
}
