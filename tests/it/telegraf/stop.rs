//! The end: Telegraf closes stdin, sends SIGTERM five seconds later, and SIGKILL after five more.

use std::time::{Duration, Instant};

use crate::support::pipe;
use crate::telegraf::{Centre, Line, Plugin};

/// When Telegraf sends SIGTERM.
const TERM_AFTER: Duration = Duration::from_secs(5);

#[test]
fn the_end_of_stdin_or_a_signal_ends_it_and_its_subscriptions() {
    let centre = Centre::start(50);
    centre.resume();
    for (arguments, how) in [
        (&[][..], Plugin::close_stdin as fn(&mut Plugin)),
        (&["--signal", "STDIN"], Plugin::close_stdin),
        (&[], |plugin| plugin.process.signal("TERM")),
        (&["--signal", "SIGHUP"], |plugin| plugin.process.signal("INT")),
    ] {
        let mut plugin = Plugin::start(&centre, "", arguments);
        assert_eq!(centre.subscriptions(), 4);
        let started = Instant::now();
        how(&mut plugin);
        assert_eq!(plugin.ended(), Some(0), "{arguments:?}");
        assert!(started.elapsed() < TERM_AFTER, "{:?}", started.elapsed());
        assert_eq!(centre.subscriptions(), 0, "{arguments:?}");
        for line in plugin.process.read_rest() {
            Line::read(&line);
        }
    }
}

#[test]
fn an_axp_that_hangs_and_a_pipe_that_is_full_do_not_keep_it_until_sigterm() {
    let centre = Centre::start(2000);
    let mut plugin = Plugin::start_unread(&centre, "", &["--web"]);
    centre.resume();
    plugin.wait_for_count("influx_queue_bytes", |bytes| bytes > 100_000);
    centre.admin("faults", r#"{"fault":"delay","operation":"delete","seconds":60,"times":null}"#);
    let started = Instant::now();
    plugin.close_stdin();
    assert_eq!(plugin.ended(), Some(0));
    assert!(started.elapsed() < TERM_AFTER, "{:?}", started.elapsed());
    plugin.wait_for_log("W! stdout takes nothing, and lines are lost\n", 1);
    // What the pipe held ends where a line ends.
    plugin.process.read_stdout();
    for line in plugin.process.read_rest() {
        Line::read(&line);
    }
}

#[test]
fn a_reader_that_comes_back_has_the_lines_that_were_left() {
    let centre = Centre::start(2000);
    let mut plugin = Plugin::start_unread(&centre, "", &["--web", "--heartbeat", "0s"]);
    centre.resume();
    plugin.wait_for_count("influx_queue_bytes", |bytes| bytes > 1_000_000);
    plugin.close_stdin();
    plugin.process.read_stdout();
    assert_eq!(plugin.ended(), Some(0));
    let lines = plugin.process.read_rest();
    assert!(lines.iter().map(String::len).sum::<usize>() > 1_000_000);
    for line in &lines {
        Line::read(line);
    }
    assert!(!plugin.process.stderr().contains("lost"), "{}", plugin.process.stderr());
}

#[test]
fn a_signal_after_the_end_of_stdin_ends_it_at_once() {
    let centre = Centre::start(0);
    let mut plugin = Plugin::start(&centre, "", &[]);
    centre.admin("faults", r#"{"fault":"delay","operation":"delete","seconds":60,"times":null}"#);
    plugin.close_stdin();
    plugin.wait_for_log("I! stopping", 1);
    plugin.process.signal("TERM");
    assert_eq!(plugin.ended(), Some(70), "it would wait four seconds");
}

#[test]
fn who_reads_stdout_no_more_ends_it() {
    let centre = Centre::start(0);
    let mut plugin = Plugin::start_unread(&centre, "", &["--heartbeat", "100ms"]);
    plugin.process.close_stdout();
    assert_eq!(plugin.ended(), Some(0));
    assert_eq!(centre.subscriptions(), 0);
    let log = plugin.process.stderr();
    assert!(!log.contains("E! "), "{log}");
}

#[test]
fn a_stdin_that_has_ended_from_the_start_ends_it_before_anything_is_subscribed_to() {
    let centre = Centre::start(0);
    let folder = tempfile::TempDir::new().unwrap();
    let output = pipe(centre.plugin(&folder, "", &[]), "");
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("I! stdin has ended\n"), "{log}");
    assert_eq!(centre.subscriptions(), 0);
}
