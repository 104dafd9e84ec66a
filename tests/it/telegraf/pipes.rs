//! Pipes that are full: stdout, which Telegraf may leave unread, and stdin, which it may not find so.

use std::collections::BTreeMap;
use std::io::Write;

use axp_exporter::pipeline::Moment;

use crate::rig::between;
use crate::telegraf::{Centre, Line, Plugin};

/// The most memory that the process has ever had, in KiB.
fn most_memory(plugin: &Plugin) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", plugin.process.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_full_stdout_holds_no_feed_up_and_the_newest_values_arrive() {
    let centre = Centre::start(4000);
    // Long lines, so that few events fill the queue.
    let padding =
        format!("[[relabel]]\ntarget_label = \"padding\"\nreplacement = \"{}\"\n", "x".repeat(1000));
    let mut plugin = Plugin::start_unread(&centre, &padding, &["--web", "--heartbeat", "0s"]);
    centre.resume();
    let dropped = "influx_lines_total{sink=\"telegraf\",outcome=\"dropped\"";
    plugin.wait_for_count(dropped, |lines| lines > 1000);
    assert_eq!(plugin.count("influx_up"), 0);
    assert_eq!(plugin.count("feed_up"), 4);
    centre.admin("pause", "");
    assert!(plugin.wait_for_rest() > 10_000);
    assert!(most_memory(&plugin) < 150 << 10, "{} KiB", most_memory(&plugin));

    let resumed = Moment::now().unix_ns;
    plugin.process.read_stdout();
    plugin.wait_for_log("W! stdout took too little", 1);
    // What was in the pipe, and whole rows after that; nothing of the sixteen megabytes between.
    let held = usize::try_from(plugin.count("rows{")).unwrap();
    let (mut lines, mut newest) = (0, BTreeMap::<_, Line>::new());
    while newest.len() < held || newest.values().any(|line| line.time < resumed) {
        let line = plugin.process.read_until("whole row", |line| Some(Line::read(line)));
        if let Some(before) = newest.get(&line.series) {
            assert!(before.time < line.time);
        }
        newest.insert(line.series.clone(), line);
        lines += 1;
    }
    assert!(lines < 1000, "{lines}");
    // They are as the page shows them.
    let shown = plugin.metrics();
    for Line { series, fields, .. } in newest.values().filter(|line| line.series.starts_with("queue_itd,")) {
        let queue = format!("queue_id=\"{}\"}} ", between(&(series.clone() + ","), "queue_id=", ","));
        let sample =
            shown.lines().find(|line| line.starts_with("axp_queue_itd_offered{") && line.contains(&queue));
        let value = sample.unwrap().rsplit(' ').next().unwrap();
        assert_eq!(fields["offered"].parse::<f64>().unwrap(), value.parse::<f64>().unwrap(), "{series}");
    }
}

#[test]
fn stdin_is_read_whatever_comes() {
    let centre = Centre::start(0);
    let mut plugin = Plugin::start_unread(&centre, "", &["--signal", "STDIN"]);
    // More than a pipe holds, while stdout is as full as it gets.
    let stdin = plugin.stdin.as_mut().unwrap();
    stdin.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    stdin.write_all(&vec![b'x'; 1 << 20]).unwrap();
    plugin.process.read_stdout();
    plugin.close_stdin();
    assert_eq!(plugin.ended(), Some(0));
    let lines = plugin.process.read_rest();
    assert!(lines.len() < 10_000, "ticks that wait are one: {}", lines.len());
}
