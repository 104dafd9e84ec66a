//! What costs no memory: events on known rows, and scrapes whatever the number of rows.
//!
//! A binary of its own, since counting allocations takes an allocator of its own.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something else than it expects is to stop right there"
)]

#[expect(dead_code, reason = "the benches use more of them")]
#[path = "../benches/speed/frames.rs"]
mod frames;
#[path = "../benches/speed/rig.rs"]
mod rig;

use allocation_counter::measure;
use axp_exporter::pipeline::Moment;
use axp_exporter::sink::exposition::{self, Format};
use prometheus_client::registry::Registry;
use rig::Rig;

/// Allocations of a scrape for each family: its names and help, its values, its head.
const ALLOCATIONS_A_FAMILY: u64 = 20;

#[test]
fn an_event_on_a_known_row_allocates_nothing() {
    let mut rig = Rig::new(frames::AGENTS);
    let events = frames::agents(100);
    rig.apply(&events);
    // Each agent's values are another's now, numbers and states alike.
    let moved: Vec<String> = (0..events.len())
        .map(|row| {
            let measures = events[(row + 1) % events.len()].split_once("\"measures\"").unwrap().1;
            format!("{}\"measures\"{measures}", events[row].split_once("\"measures\"").unwrap().0)
        })
        .collect();
    let allocated = measure(|| rig.apply(&moved));
    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0));
}

#[test]
fn a_refused_value_allocates_nothing_once_enough_were_looked_at() {
    let mut rig = Rig::new(frames::AGENTS);
    let good = frames::agents(10);
    rig.apply(&good);
    let bad: Vec<String> =
        good.iter().map(|frame| frame.replace("idleTimeDuration\":\"", "idleTimeDuration\":\"+")).collect();
    assert_ne!(good, bad);
    let now = Moment::now();
    // At one moment: of each second a few are looked at.
    let mut apply = || {
        for frame in &bad {
            rig.pipeline.apply(frame, now).unwrap();
        }
    };
    apply();
    assert_eq!(measure(apply).count_total, 0);
}

#[test]
fn a_scrape_allocates_for_families_and_not_for_series() {
    let allocations = |rows| {
        let mut rig = Rig::new(frames::QUEUES);
        rig.apply(&frames::queues(rows, "LIVE"));
        let (tables, registry) = ([rig.table], Registry::default());
        // The body itself, for which there is always room here.
        let mut body = Vec::with_capacity(64 << 20);
        let mut scrape = || {
            body.clear();
            exposition::render(&mut body, &tables, &registry, Format::Text);
            let series = body.split(|byte| *byte == b'}').count() - 1;
            assert_eq!(series, rows * frames::WIDE.len());
        };
        // The first one prepares the labels for the others.
        (measure(&mut scrape).count_total, measure(scrape).count_total)
    };
    let (first, next) = allocations(4_000);
    let most = ALLOCATIONS_A_FAMILY * u64::try_from(frames::WIDE.len()).unwrap();
    assert!(first <= most, "{first} allocations");
    assert_eq!(next, allocations(40).1, "a hundred times the rows take as many");
}
