//! Frames into the table, beside typed `serde_json` that does nothing else.

use std::fmt::Formatter;
use std::hint::black_box;

use axp_exporter::ingest::event::{Event, EventBuffer};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::frames;
use crate::report::{Report, Target, per_second, versus};
use crate::rig::Rig;

/// Rows known before the clock starts.
pub(crate) const ROWS: usize = 100_000;
const ROUNDS: usize = 15;

/// The yardstick: an event as typed `serde_json` reads it fastest, everything borrowed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    #[serde(borrow)]
    account_id: &'a str,
    #[serde(borrow)]
    keys: Pairs<'a>,
    event_action: &'a str,
    event_source_id: &'a str,
    measure_producer_id: &'a str,
    payload_type: &'a str,
    #[serde(borrow)]
    measures: Pairs<'a>,
}

/// An object of strings as a vector that never has to grow.
struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(32);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// Reads every frame and keeps nothing.
fn read_typed(frames: &[String]) {
    for frame in frames {
        let Typed {
            account_id,
            keys,
            event_action,
            event_source_id,
            measure_producer_id,
            payload_type,
            measures,
        } = serde_json::from_str(frame).unwrap();
        black_box((account_id, event_action, event_source_id, measure_producer_id, payload_type));
        black_box((&keys.0, &measures.0));
    }
}

/// Reads every frame as the pipeline does, and applies none.
fn read_events(frames: &[String]) {
    let mut buffer = EventBuffer::default();
    for frame in frames {
        let event = Event::parse(frame, &mut buffer).unwrap();
        black_box(&event);
        event.recycle(&mut buffer);
    }
}

pub(crate) fn measure(report: &mut Report) {
    let in_order = frames::agents(ROWS);
    let mut rig = known(frames::AGENTS, &in_order);
    compare(report, "14 measures, rows in order", &in_order, &mut rig, Target::AtLeast(0.75));
    let (typed, events) = versus(ROUNDS, || read_typed(&in_order), || read_events(&in_order));
    println!("frame to event alone: {}; typed {}", per_second(ROWS, events), per_second(ROWS, typed));
    let shuffled = frames::shuffled(&in_order);
    compare(report, "14 measures, rows at random", &shuffled, &mut rig, Target::AtLeast(0.5));
}

/// A pipeline that knows the rows of these frames.
pub(crate) fn known(producer: &str, frames: &[String]) -> Rig {
    let mut rig = Rig::new(producer);
    rig.apply(frames);
    rig
}

fn compare(report: &mut Report, what: &str, frames: &[String], rig: &mut Rig, target: Target) {
    let (typed, table) = versus(ROUNDS, || read_typed(frames), || rig.apply(frames));
    report.add(
        &format!("frame to table: {what}"),
        per_second(frames.len(), table),
        format!("typed serde_json {}", per_second(frames.len(), typed)),
        typed.as_secs_f64() / table.as_secs_f64(),
        target,
    );
}
