//! The life of a row: merge, DELETE, snapshots, lost feeds.

use super::super::*;
use super::harness::*;

#[test]
fn an_upsert_merges() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"a":"1","b":"2"}"#);
    bench.live("q", r#"{"b":"3"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 1"#]);
    assert_eq!(bench.samples_of("b"), [r#"queue_id="q"} 3"#]);
}

#[test]
fn an_absent_value_removes_its_series() {
    let mut bench = Bench::new();
    for absent in [r#""""#, r#""N/A""#, "null"] {
        bench.live("q", r#"{"a":"1","queueName":"x","b":"1"}"#);
        assert_eq!(bench.samples().len(), 3);
        bench.live("q", &format!(r#"{{"a":{absent},"queueName":{absent}}}"#));
        assert_eq!(bench.samples(), [r#"axp_queue_itd_b{account_id="EZCLTR",queue_id="q"} 1"#], "{absent}");
    }
}

#[test]
fn a_deleted_row_is_gone_whatever_the_event_carries() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"a":"1","queueName":"x"}"#);
    bench.apply(&event("LIVE", "DELETE", "q", r#"{"a":"5"}"#)).unwrap();
    assert!(bench.samples().is_empty());
    bench.live("q", r#"{"b":"2"}"#);
    assert_eq!(bench.samples().len(), 1, "a later event starts it afresh");
    assert_eq!(bench.retired("delete"), 1);
}

#[test]
fn a_delete_of_an_unknown_row_is_counted_and_nothing_else() {
    let mut bench = Bench::new();
    assert_eq!(bench.apply(&event("LIVE", "DELETE", "q", "{}")), Err(EventReject::UnknownRow));
    assert!(bench.samples().is_empty());
    let series =
        r#"events_total{measure_producer_id="Queue_itd_1.0.0",payload_type="live",event_action="delete"}"#;
    assert_eq!((bench.count(series), bench.retired("delete")), (1, 0));
}

#[test]
fn a_delete_writes_a_marker_where_that_is_wished() {
    let mut bench = Setup { on_delete: OnDelete::Marker, ..Setup::default() }.build();
    bench.live("q", r#"{"a":"1"}"#);
    bench.delete("q");
    let head = "queue_itd,account_id=EZCLTR,queue_id=q";
    assert_eq!(bench.lines(), format!("{head} a=1 {START_NS}\n{head} retired=true {}\n", START_NS + 1));
    let mut silent = Bench::new();
    silent.live("q", r#"{"a":"1"}"#);
    silent.delete("q");
    assert_eq!(silent.lines().lines().count(), 1);
}

#[test]
fn rows_that_a_snapshot_leaves_out_and_stale_ones_leave_a_marker_too() {
    let marker =
        |queue, unix_ns| format!("queue_itd,account_id=EZCLTR,queue_id={queue} retired=true {unix_ns}\n");
    let after = |time: Duration| START_NS + i64::try_from(time.as_nanos()).unwrap();
    let mut bench = Setup { on_delete: OnDelete::Marker, ..Setup::default() }.build();
    for queue in ["p", "q", "r"] {
        bench.initializing(queue, r#"{"a":"1"}"#);
    }
    bench.pass(QUIET);
    bench.reconnect();
    bench.initializing("p", r#"{"a":"1"}"#);
    bench.lines();
    bench.pass(QUIET * 2);
    let due = after(QUIET);
    assert_eq!(bench.lines(), marker("q", due) + &marker("r", due), "of when it was due, however late");
    bench.reconnect();
    bench.pipeline.accept_empty(bench.moment());
    assert_eq!(bench.lines(), marker("p", START_NS + 2));
    bench.live("s", r#"{"a":"1"}"#);
    bench.lines();
    bench.pipeline.session_lost(bench.moment());
    bench.pass(STALE);
    assert_eq!(bench.lines(), marker("s", after(STALE)));
}

#[test]
fn an_event_that_comes_before_a_late_timer_finds_done_what_was_due() {
    let mut bench = Bench::new();
    for queue in ["kept", "gone"] {
        bench.initializing(queue, r#"{"a":"1"}"#);
    }
    bench.reconnect();
    bench.initializing("kept", r#"{"a":"2"}"#);
    bench.now += QUIET;
    bench.initializing("late", r#"{"a":"3"}"#);
    assert_eq!(bench.retired("resync"), 1, "the snapshot had closed, and this is another");
    bench.pipeline.session_lost(bench.moment());
    bench.now += STALE;
    bench.pipeline.session_opened(bench.moment());
    assert_eq!((bench.retired("stale"), bench.samples().len()), (2, 0));
}

#[test]
fn lines_of_a_row_have_strictly_increasing_times() {
    let mut bench = Bench::new();
    bench.live("q", r#"{"a":"1"}"#);
    bench.live("q", r#"{"a":"2"}"#);
    bench.live("r", r#"{"a":"3"}"#);
    let lines = bench.lines();
    let times: Vec<&str> = lines.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(times, [START_NS.to_string(), (START_NS + 1).to_string(), START_NS.to_string()]);
}

#[test]
fn rows_missing_from_a_new_snapshot_go_when_it_closes_and_not_before() {
    for by_quiet in [false, true] {
        let mut bench = Bench::new();
        for queue in ["kept", "gone"] {
            bench.initializing(queue, r#"{"a":"1"}"#);
        }
        bench.live("kept", r#"{"a":"2"}"#);
        bench.reconnect();
        bench.initializing("kept", r#"{"a":"3"}"#);
        assert_eq!(bench.samples_of("a"), [r#"queue_id="gone"} 1"#, r#"queue_id="kept"} 3"#]);
        assert!(!bench.pipeline.is_snapshot_complete());
        if by_quiet {
            bench.pass(QUIET);
        } else {
            bench.live("kept", r#"{"a":"3"}"#);
        }
        assert!(bench.pipeline.is_snapshot_complete());
        assert_eq!(bench.samples_of("a"), [r#"queue_id="kept"} 3"#]);
        assert_eq!(bench.retired("resync"), 1);
    }
}

#[test]
fn a_row_that_only_the_closing_live_event_names_stays() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.live("r", r#"{"a":"1","b":"7"}"#);
    bench.reconnect();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.live("r", r#"{"a":"2"}"#);
    assert_eq!(bench.samples_of("b"), [r#"queue_id="r"} 7"#], "merged, not begun afresh");
}

#[test]
fn an_initializing_event_sets_only_what_no_live_one_of_its_session_has() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1","b":"1"}"#);
    bench.pass(QUIET);
    bench.reconnect();
    bench.live("q", r#"{"a":"2"}"#);
    bench.initializing("q", r#"{"a":"1","b":"3"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 2"#], "the LIVE event was newer");
    assert_eq!(bench.samples_of("b"), [r#"queue_id="q"} 3"#], "an old session's value is not kept");
    assert_eq!(bench.rejected("superseded"), 1);
    assert!(bench.lines().ends_with(&format!(" b=3 {}\n", START_NS + 2)), "what is superseded is in no line");
    bench.reconnect();
    bench.initializing("q", r#"{"a":"4"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 4"#], "the next session's snapshot counts again");
}

#[test]
fn a_session_that_begins_with_live_events_has_an_empty_snapshot() {
    let mut bench = Bench::new();
    bench.initializing("old", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.reconnect();
    bench.live("new", r#"{"a":"1"}"#);
    assert_eq!(bench.samples_of("a").len(), 2, "the snapshot may still be on its way");
    bench.pass(QUIET);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="new"} 1"#]);
    assert!(bench.pipeline.is_snapshot_complete());
    assert_eq!(bench.retired("resync"), 1);
}

#[test]
fn a_session_without_any_event_has_an_empty_snapshot_once_that_is_believed() {
    let mut bench = Bench::new();
    bench.initializing("old", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.reconnect();
    bench.pass(QUIET * 10);
    assert_eq!(bench.samples_of("a").len(), 1);
    bench.pipeline.accept_empty(bench.moment());
    assert!(bench.samples().is_empty() && bench.pipeline.is_snapshot_complete());
}

#[test]
fn a_session_that_breaks_inside_its_snapshot_retires_nothing() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.initializing("r", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.reconnect();
    bench.initializing("q", r#"{"a":"2"}"#);
    bench.pipeline.session_lost(bench.moment());
    bench.pass(QUIET * 2);
    assert_eq!(bench.samples_of("a").len(), 2);
    assert_eq!(bench.retired("resync"), 0);
}

#[test]
fn rows_outlive_a_lost_feed_for_stale_after_and_no_longer() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.pipeline.session_lost(bench.moment());
    bench.pass(STALE.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(bench.samples_of("a").len(), 1);
    assert_eq!(bench.pipeline.deadline(), Some(bench.now + Duration::from_millis(1)));
    bench.pass(Duration::from_millis(1));
    assert!(bench.samples().is_empty());
    assert_eq!(bench.retired("stale"), 1);
    assert_eq!(bench.pipeline.deadline(), None);
}

#[test]
fn reconnecting_without_a_snapshot_does_not_keep_old_rows_alive() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.pipeline.session_lost(bench.moment());
    for _ in 0..5 {
        assert_eq!(bench.samples_of("a").len(), 1);
        bench.reconnect();
        bench.pass(STALE / 5);
    }
    assert!(bench.samples().is_empty());
    assert_eq!(bench.retired("stale"), 1);
}

#[test]
fn rows_wait_for_the_end_of_a_snapshot_that_is_on_its_way() {
    let mut bench = Bench::new();
    for queue in ["q", "r", "gone"] {
        bench.initializing(queue, r#"{"a":"1"}"#);
    }
    bench.pass(QUIET);
    bench.pipeline.session_lost(bench.moment());
    bench.pass(STALE.checked_sub(QUIET / 2).unwrap());
    bench.reconnect();
    bench.initializing("q", r#"{"a":"2"}"#);
    bench.pass(QUIET / 2);
    assert_eq!(bench.samples_of("a").len(), 3, "no gap");
    bench.initializing("r", r#"{"a":"2"}"#);
    bench.pass(QUIET);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 2"#, r#"queue_id="r"} 2"#], "no ghosts");
    assert_eq!((bench.retired("resync"), bench.retired("stale")), (1, 0));
    bench.initializing("q", r#"{"a":"2"}"#);
    bench.pipeline.session_lost(bench.moment());
    bench.pass(STALE);
    assert_eq!(bench.retired("stale"), 2, "a session that breaks inside its snapshot waits for nothing");
}

#[test]
fn a_quiet_feed_that_is_not_lost_expires_nothing() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.pass(STALE * 1000);
    assert_eq!(bench.samples_of("a").len(), 1);
}
