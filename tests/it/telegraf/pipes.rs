//! Pipes that are full: stdout, which Telegraf may leave unread, and stdin, which it may not find so.

use std::collections::BTreeMap;
use std::io::Write;

use crate::telegraf::{Centre, Line, Plugin};

/// The most memory that the process has ever had, in KiB.
fn most_memory(plugin: &Plugin) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", plugin.process.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_full_stdout_holds_no_feed_up_and_the_newest_values_arrive() {
    let centre = Centre::start(20_000);
    let mut plugin = Plugin::start_unread(&centre, "", &["--web", "--heartbeat", "1s"]);
    centre.resume();
    let dropped = "influx_lines_total{sink=\"telegraf\",outcome=\"dropped\"";
    plugin.wait_for_count(dropped, |lines| lines > 10_000);
    assert_eq!(plugin.count("influx_up"), 0);
    assert_eq!(plugin.count("feed_up"), 4);
    centre.admin("pause", "");
    assert!(plugin.wait_for_rest() > 10_000);
    assert!(most_memory(&plugin) < 150 << 10, "{} KiB", most_memory(&plugin));

    plugin.process.read_stdout();
    plugin.wait_for_log("W! stdout took too little", 1);
    // What was in the pipe, and whole rows after that; nothing of the sixteen megabytes between.
    let held = usize::try_from(plugin.count("rows{")).unwrap();
    plugin.wait_for_count("influx_queue_bytes", |bytes| bytes == 0);
    let (mut lines, mut newest) = (0, BTreeMap::<_, Line>::new());
    plugin.close_stdin();
    assert_eq!(plugin.ended(), Some(0));
    for line in plugin.process.read_rest() {
        let line = Line::read(&line);
        if let Some(before) = newest.get(&line.series) {
            assert!(before.time < line.time);
        }
        newest.insert(line.series.clone(), line);
        lines += 1;
    }
    assert!(lines < 20_000, "{lines}");
    assert_eq!(newest.len(), held);
    assert!(newest.values().all(|line| line.fields.len() > 3), "the last of each row is whole");
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
