//! Whole rows: a gather says what all events together have said, and nothing of what is gone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;

use super::harness::*;
use crate::config::{Kind, MeasureRule, Producer};

/// A line without its time, and the time.
fn timed(line: &str) -> (&str, i64) {
    let (rest, time) = line.rsplit_once(' ').unwrap();
    (rest, time.parse().unwrap())
}

/// Fields in the order of their names.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    let fields = timed(line).0.split_once(' ').unwrap().1;
    fields.split(',').map(|field| field.split_once('=').unwrap()).collect()
}

#[test]
fn a_whole_row_has_the_fields_of_its_event_of_the_same_types() {
    let state = MeasureRule { name: "mood".to_owned(), kind: Some(Kind::State), ..MeasureRule::default() };
    let producer = Producer { measure: vec![state], ..Setup::default().producer };
    let mut bench = Setup { producer, ..Setup::default() }.build();
    bench.live(
        "a",
        r#"{"answered":"4","isDefaultQueue":"false","activeDuration":"9","queueName":"x, \"y\"","mood":"FINE","timeInState":"1000"}"#,
    );
    let event = bench.lines();
    let whole = bench.whole();
    assert_eq!(timed(whole.trim_end()).0, timed(event.trim_end()).0);
    assert!(whole.contains("is_default_queue=false,") && whole.contains(r#"mood="FINE""#), "{whole}");
}

#[test]
fn a_whole_row_has_what_earlier_events_said_and_not_what_is_absent_now() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"answered":"4","offered":"5"}"#);
    bench.live("a", r#"{"offered":"","completed":"6"}"#);
    bench.live("b", r#"{"offered":"7"}"#);
    bench.live("empty", r#"{"offered":"N/A"}"#);
    bench.lines();
    let whole = bench.whole();
    let lines: Vec<_> = whole.lines().map(|line| timed(line).0).collect();
    assert_eq!(
        lines,
        [
            "queue_itd,account_id=EZCLTR,queue_id=a answered=4,completed=6",
            "queue_itd,account_id=EZCLTR,queue_id=b offered=7",
        ]
    );
}

#[test]
fn a_promoted_text_is_a_tag_of_whole_rows_and_no_field() {
    let producer = Producer { labels: vec!["queueName".to_owned()], ..Setup::default().producer };
    let mut bench = Setup { producer, ..Setup::default() }.build();
    bench.live("a", r#"{"queueName":"sales","offered":"1"}"#);
    bench.lines();
    assert_eq!(
        timed(bench.whole().trim_end()).0,
        "queue_itd,account_id=EZCLTR,queue_id=a,queue_name=sales offered=1"
    );
}

#[test]
fn what_is_deleted_dropped_or_waits_for_its_labels_is_not_sent() {
    let rules = vec![
        serde_json::from_str(r#"{"source_labels":["queue_id"],"regex":"secret","action":"drop"}"#).unwrap(),
        serde_json::from_str(
            r#"{"source_labels":["queue_id"],"regex":"twin","target_label":"queue_id","replacement":"a"}"#,
        )
        .unwrap(),
    ];
    let mut bench = Setup { rules, ..Setup::default() }.build();
    bench.live("a", r#"{"offered":"1"}"#);
    bench.live("secret", r#"{"offered":"2"}"#);
    assert!(bench.apply(&event("LIVE", "UPSERT", "twin", r#"{"offered":"3"}"#)).is_err());
    bench.lines();
    let row = "queue_itd,account_id=EZCLTR,queue_id=a";
    assert_eq!(timed(bench.whole().trim_end()).0, format!("{row} offered=1"));
    bench.delete("a");
    assert_eq!(timed(bench.whole().trim_end()).0, format!("{row} offered=3"), "the twin's turn has come");
    bench.delete("twin");
    assert_eq!(bench.whole(), "");
}

#[test]
fn a_scrape_goes_on_with_what_it_has_rendered_until_an_event_comes() {
    let mut bench = Bench::new();
    bench.live("a", r#"{"offered":"1"}"#);
    bench.lines();
    let version = bench.version();
    bench.whole();
    assert_eq!(bench.version(), version);
    bench.live("a", r#"{"offered":"2"}"#);
    assert_ne!(bench.version(), version);
}

#[test]
fn the_times_of_a_row_grow_while_events_come_and_rows_are_gathered() {
    let mut bench = Bench::new();
    let (gather, now) = (bench.gatherer(), bench.moment());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                gather(now);
            }
        });
        for value in 0..20_000 {
            bench.live(&format!("q{}", value % 3), &format!(r#"{{"offered":"{value}"}}"#));
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut times = BTreeMap::new();
    let lines = bench.lines();
    assert!(lines.lines().count() > 1000);
    for line in lines.lines() {
        let (series, time) = (line.split(' ').next().unwrap(), timed(line).1);
        let value: u32 = fields(line)["offered"].parse().unwrap();
        let last = times.insert(series, (time, value));
        assert!(last.is_none_or(|last| last.0 < time && last.1 <= value), "{line} after {last:?}");
    }
}

proptest! {
    #[test]
    fn the_times_of_a_row_grow_and_whole_rows_are_the_sum_of_its_events(
        steps in prop::collection::vec((0..4_u8, 0..150_u8, 0..3_u8, 0..9_u8), 1..200),
    ) {
        let mut bench = Bench::new();
        let mut held: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut times: BTreeMap<String, i64> = BTreeMap::new();
        for (action, queue, measure, value) in steps {
            let row = format!("queue_itd,account_id=EZCLTR,queue_id=q{queue}");
            let lines = match action {
                0 if held.remove(&row).is_some() => {
                    bench.delete(&format!("q{queue}"));
                    times.remove(&row);
                    bench.lines()
                }
                0..3 => {
                    bench.live(&format!("q{queue}"), &format!(r#"{{"m{measure}":"{value}"}}"#));
                    held.entry(row).or_default().insert(format!("m{measure}"), value.to_string());
                    bench.lines()
                }
                _ => {
                    let whole = bench.whole();
                    let said: BTreeMap<_, _> = whole
                        .lines()
                        .map(|line| (line.split(' ').next().unwrap(), fields(line)))
                        .collect();
                    prop_assert_eq!(said.len(), whole.lines().count());
                    let expected: BTreeMap<_, BTreeMap<_, _>> = held
                        .iter()
                        .map(|(row, held)| (&**row, held.iter().map(|(name, value)| (&**name, &**value)).collect()))
                        .collect();
                    prop_assert_eq!(said, expected);
                    whole
                }
            };
            for line in lines.lines() {
                let (row, time) = (line.split(' ').next().unwrap(), timed(line).1);
                let last = times.insert(row.to_owned(), time);
                prop_assert!(last.is_none_or(|last| last < time), "{}", line);
            }
        }
    }
}
