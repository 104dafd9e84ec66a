//! The fork: each event goes to the pipeline of its producer, which is made when the first one comes.

use super::refusal::Refusal;
use crate::command::kit::Kit;
use crate::ingest::event::{Event, EventBuffer};
use crate::ingest::roster::Roster;
use crate::pipeline::{LineOutput, Moment, Pipeline, SharedTable};
use crate::reject::{EventReject, ReadingReject};

/// The readings of one event that were refused: how many, and the last one's name and reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refused<'a> {
    pub(super) count: u64,
    pub(super) last: Option<(&'a str, ReadingReject)>,
}

/// The pipelines, by producer.
#[derive(Debug)]
pub(super) struct Fork {
    kit: Kit,
    output: LineOutput,
    pipelines: Roster<(Pipeline, SharedTable)>,
    buffer: EventBuffer,
}

impl Fork {
    /// A fork whose lines all go to one output.
    pub(super) fn new(kit: Kit, output: LineOutput) -> Self {
        let pipelines =
            Roster::new(&kit.config.producer, |producer| kit.pipeline(producer, vec![output.clone()]));
        Self { kit, output, pipelines, buffer: EventBuffer::default() }
    }

    /// The tables of all producers.
    pub(super) fn tables(&self) -> Vec<SharedTable> {
        self.pipelines.iter().map(|(_, table)| SharedTable::clone(table)).collect()
    }

    /// Applies the event that a line holds.
    ///
    /// # Errors
    /// Why it was refused.
    pub(super) fn apply(&mut self, line: &[u8], now: Moment) -> Result<Refused<'_>, Refusal> {
        let frame = std::str::from_utf8(line).map_err(|_| Refusal::NotUtf8)?;
        let Self { kit, output, pipelines, buffer } = self;
        let mut event = Event::parse(frame, buffer).map_err(Refusal::Event)?;
        let pipeline = event
            .producer_id
            .as_deref()
            .or_else(|| kit.only_producer().map(|only| only.id.as_str()))
            .ok_or(Refusal::NoProducer)
            .and_then(|id| {
                let make = |producer| kit.pipeline(producer, vec![output.clone()]);
                pipelines.find(id, make).map_err(Refusal::Stranger)
            });
        let applied = pipeline.and_then(|(pipeline, _)| apply(pipeline, &mut event, frame, now));
        event.recycle(buffer);
        applied
    }
}

/// Applies an event by its producer's pipeline.
fn apply<'p>(
    pipeline: &'p mut Pipeline,
    event: &mut Event<'_>,
    frame: &str,
    now: Moment,
) -> Result<Refused<'p>, Refusal> {
    let (before, _) = pipeline.refused_readings();
    match pipeline.apply_streamed(event, frame, now) {
        // A stream may begin anywhere: that a row goes which did not come is nothing wrong.
        Ok(()) | Err(EventReject::UnknownRow) => {
            let (after, last) = pipeline.refused_readings();
            Ok(Refused { count: after - before, last: last.filter(|_| after > before) })
        }
        Err(reject) => Err(Refusal::Event(reject)),
    }
}
