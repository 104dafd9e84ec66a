//! Ticks, in each mode: what is written when, and what is not.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::{exporter, pipe};
use crate::telegraf::{Centre, Line, Plugin};

/// A gather at rest: the lines that come until none has come for a while.
#[track_caller]
fn gather(plugin: &Plugin, count: usize) -> BTreeMap<String, Line> {
    let rows = plugin.read_rows(count);
    assert_eq!(plugin.process.read_come(), [""; 0], "each row once");
    rows
}

/// Asks as Telegraf does with this `signal`.
fn tick(plugin: &mut Plugin, signal: &str) {
    match signal.strip_prefix("SIG") {
        Some(signal) => plugin.process.signal(signal),
        None => plugin.stdin.as_mut().unwrap().write_all(b"\n").unwrap(),
    }
}

#[test]
fn with_a_signal_whole_rows_come_when_it_comes_and_nothing_before() {
    let centre = Centre::start(200);
    for signal in ["STDIN", "SIGHUP", "SIGUSR1", "SIGUSR2"] {
        let mut plugin = Plugin::start(&centre, "", &["--signal", signal, "--web"]);
        // Events come, and are no lines.
        centre.resume();
        let live = "events_total{measure_producer_id=\"QueueByChannel_itd_1.0.0\",payload_type=\"live\"";
        plugin.wait_for_count(live, |count| count > 20);
        centre.admin("pause", "");
        plugin.wait_for_rest();
        assert_eq!(plugin.process.read_come(), [""; 0]);
        let held = usize::try_from(plugin.count("rows{")).unwrap();
        tick(&mut plugin, signal);
        let first = gather(&plugin, held);
        // Whatever else may be a tick is one in any mode.
        for other in ["STDIN", "SIGHUP", "SIGUSR1", "SIGUSR2"] {
            tick(&mut plugin, other);
            let again = gather(&plugin, held);
            for (series, line) in &again {
                assert_eq!(line.fields, first[series].fields);
                assert!(line.time > first[series].time);
            }
        }
        plugin.close_stdin();
        assert_eq!(plugin.ended(), Some(0));
    }
}

#[test]
fn a_heartbeat_that_would_not_beat_is_a_wrong_argument() {
    let output = pipe(exporter(["telegraf", "--signal", "STDIN", "--heartbeat", "1s"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("--heartbeat is for --signal none"), "{stderr}");
}

#[test]
fn without_a_signal_events_are_lines_and_whole_rows_come_at_each_heartbeat() {
    let centre = Centre::start(200);
    let plugin = Plugin::start(&centre, "", &["--heartbeat", "250ms"]);
    let (started, mut gathered) = (Instant::now(), BTreeMap::<_, Vec<Line>>::new());
    // The snapshot, then each row four times at least, with all that the snapshot has said of it.
    while gathered.values().map(Vec::len).min().is_none_or(|least| least < 5) {
        let line = plugin.process.read_until("line", |line| Some(Line::read(line)));
        gathered.entry(line.series.clone()).or_default().push(line);
    }
    assert!(started.elapsed() > Duration::from_millis(500));
    for lines in gathered.values() {
        assert!(lines.windows(2).all(|pair| pair[0].time < pair[1].time && pair[0].fields == pair[1].fields));
    }
    // An event is a line of what it says alone, at once.
    plugin.process.read_come();
    centre.resume();
    plugin.process.read_until("line of an event", |line| {
        let line = Line::read(line);
        (line.fields.len() < gathered.get(&line.series)?[0].fields.len()).then_some(())
    });
}
