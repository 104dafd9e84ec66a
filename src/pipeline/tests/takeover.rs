//! Two sessions beside each other: each speaks of the same rows, at its own pace.

use super::harness::*;
use crate::reject::EventReject;

/// A pipeline whose session has named rows with value 1, and another that begins to take over.
fn taking_over(queues: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for queue in queues {
        bench.initializing(queue, r#"{"a":"1"}"#);
    }
    bench.pass(QUIET);
    bench.pipeline.session_opened(bench.moment());
    bench
}

impl Bench {
    fn outgoing(&mut self, action: &str, queue: &str, value: u32) -> Result<(), EventReject> {
        let measures = format!(r#"{{"a":"{value}"}}"#);
        self.apply_outgoing(&event("LIVE", action, queue, &measures))
    }
}

#[test]
fn what_the_new_session_has_said_of_a_row_the_outgoing_one_does_not_overrule() {
    let mut bench = taking_over(&["q", "r"]);
    bench.initializing("q", r#"{"a":"7"}"#);
    assert_eq!(bench.outgoing("UPSERT", "q", 5), Err(EventReject::Superseded));
    assert_eq!(bench.outgoing("DELETE", "q", 0), Err(EventReject::Superseded));
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 7"#, r#"queue_id="r"} 1"#]);
    assert_eq!(bench.count(r#"events_rejected_total{reason="superseded"}"#), 2);
}

#[test]
fn a_row_that_the_new_session_has_deleted_does_not_come_back_by_the_outgoing_one() {
    // Its LIVE events may come before its snapshot.
    let mut bench = taking_over(&["q"]);
    bench.delete("q");
    assert_eq!(bench.outgoing("UPSERT", "q", 5), Err(EventReject::Superseded));
    // Also where it comes to be known here only then.
    assert_eq!(bench.apply(&event("LIVE", "DELETE", "r", "{}")), Err(EventReject::UnknownRow));
    assert_eq!(bench.outgoing("UPSERT", "r", 5), Err(EventReject::Superseded));
    assert!(bench.samples().is_empty());
    bench.live("q", r#"{"a":"8"}"#);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 8"#], "the new session may bring it back");
    assert_eq!(bench.outgoing("UPSERT", "q", 6), Err(EventReject::Superseded));
}

#[test]
fn of_rows_that_the_new_session_has_not_touched_the_outgoing_one_goes_on_to_tell() {
    let mut bench = taking_over(&["q", "r"]);
    assert_eq!(bench.outgoing("UPSERT", "q", 5), Ok(()));
    assert_eq!(bench.outgoing("UPSERT", "new", 6), Ok(()));
    assert_eq!(bench.outgoing("DELETE", "r", 0), Ok(()));
    assert_eq!(bench.samples_of("a"), [r#"queue_id="new"} 6"#, r#"queue_id="q"} 5"#]);
    // Its LIVE events are not the new session's: the snapshot sets what they have set.
    bench.initializing("q", r#"{"a":"7"}"#);
    assert_eq!(bench.rejected("superseded"), 0);
    assert!(!bench.pipeline.is_snapshot_complete());
    bench.pass(QUIET);
    assert!(bench.pipeline.is_snapshot_complete());
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 7"#], "what only the outgoing one knows is gone");
}

#[test]
fn once_the_snapshot_is_complete_the_outgoing_session_has_no_say() {
    let mut bench = taking_over(&["q"]);
    bench.initializing("q", r#"{"a":"7"}"#);
    bench.pass(QUIET);
    assert_eq!(bench.outgoing("UPSERT", "ghost", 5), Err(EventReject::Superseded));
    bench.pipeline.outgoing_ended(bench.moment());
    assert_eq!(bench.outgoing("UPSERT", "ghost", 5), Err(EventReject::Superseded));
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 7"#]);
}

#[test]
fn a_new_session_that_breaks_before_it_said_anything_leaves_all_as_it_was() {
    let mut bench = taking_over(&["q", "r"]);
    assert!(!bench.pipeline.is_snapshot_complete());
    bench.pipeline.session_handed_back(bench.moment());
    assert!(bench.pipeline.is_snapshot_complete());
    bench.live("q", r#"{"a":"5"}"#);
    bench.pass(STALE * 2);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 5"#, r#"queue_id="r"} 1"#]);
}

#[test]
fn a_new_session_that_breaks_half_way_leaves_rows_that_either_has_named() {
    let mut bench = taking_over(&["q", "r", "s"]);
    bench.delete("s");
    bench.initializing("q", r#"{"a":"7"}"#);
    bench.initializing("new", r#"{"a":"7"}"#);
    bench.pipeline.session_handed_back(bench.moment());
    assert!(!bench.pipeline.is_snapshot_complete(), "nobody knows which of the two was ahead");
    let shown = [r#"queue_id="new"} 7"#, r#"queue_id="q"} 7"#, r#"queue_id="r"} 1"#];
    assert_eq!(bench.samples_of("a"), shown);
    // The older session has its say again, about each row.
    bench.live("q", r#"{"a":"8"}"#);
    bench.live("s", r#"{"a":"8"}"#);
    bench.delete("new");
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 8"#, r#"queue_id="r"} 1"#, r#"queue_id="s"} 8"#]);
    assert!(!bench.pipeline.is_snapshot_complete());
    // The next one that takes over settles it.
    bench.pipeline.session_opened(bench.moment());
    bench.initializing("q", r#"{"a":"9"}"#);
    bench.pass(QUIET);
    assert!(bench.pipeline.is_snapshot_complete());
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 9"#]);
}

#[test]
fn a_session_whose_snapshot_was_open_goes_on_with_it_when_it_is_handed_back() {
    let mut bench = Bench::new();
    for queue in ["q", "r", "s", "t", "gone"] {
        bench.initializing(queue, r#"{"a":"1"}"#);
    }
    bench.pass(QUIET);
    bench.reconnect();
    bench.initializing("q", r#"{"a":"2"}"#);
    bench.initializing("r", r#"{"a":"2"}"#);
    // The snapshot goes on while another session takes over, and breaks.
    bench.pipeline.session_opened(bench.moment());
    bench.initializing("q", r#"{"a":"3"}"#);
    bench.pass(QUIET / 2);
    assert_eq!(bench.apply_outgoing(&event("INITIALIZING", "UPSERT", "s", r#"{"a":"2"}"#)), Ok(()));
    bench.pipeline.session_handed_back(bench.moment());
    bench.pass(QUIET / 2);
    assert_eq!(bench.samples_of("a").len(), 5, "the snapshot is not over yet");
    bench.initializing("t", r#"{"a":"2"}"#);
    bench.pass(QUIET);
    let named = [r#"queue_id="q"} 3"#, r#"queue_id="r"} 2"#, r#"queue_id="s"} 2"#, r#"queue_id="t"} 2"#];
    assert_eq!(bench.samples_of("a"), named);
    assert_eq!(bench.retired("resync"), 1);
}

#[test]
fn a_snapshot_that_closed_meanwhile_retires_what_neither_has_named_when_it_is_handed_back() {
    let mut bench = taking_over(&["q", "gone"]);
    bench.pipeline.session_lost(bench.moment());
    bench.pipeline.session_opened(bench.moment());
    bench.initializing("q", r#"{"a":"2"}"#);
    bench.pipeline.session_opened(bench.moment());
    assert_eq!(bench.outgoing("UPSERT", "r", 2), Ok(()));
    assert_eq!(bench.samples_of("a").len(), 3, "the new session may still name it");
    bench.pipeline.session_handed_back(bench.moment());
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 2"#, r#"queue_id="r"} 2"#]);
    assert!(bench.pipeline.is_snapshot_complete());
}

#[test]
fn rows_of_an_outgoing_session_do_not_go_stale() {
    let mut bench = Bench::new();
    bench.initializing("q", r#"{"a":"1"}"#);
    bench.initializing("old", r#"{"a":"1"}"#);
    bench.pass(QUIET);
    bench.pipeline.session_lost(bench.moment());
    bench.pass(STALE.checked_sub(QUIET).unwrap());
    bench.pipeline.session_opened(bench.moment());
    bench.live("q", r#"{"a":"2"}"#);
    bench.pipeline.session_opened(bench.moment());
    bench.pass(QUIET * 2);
    assert_eq!(bench.samples_of("a").len(), 2, "they wait for the end of its snapshot");
    assert_eq!(bench.apply_outgoing(&event("LIVE", "UPSERT", "q", r#"{"a":"3"}"#)), Ok(()));
    bench.pass(QUIET);
    assert_eq!(bench.samples_of("a"), [r#"queue_id="q"} 3"#]);
    assert_eq!(bench.retired("stale"), 1);
}
