//! The fork: each event goes to the pipeline of its producer, which is made when the first one comes.
//!
//! Fed with ever new producers it makes no more than [`PRODUCERS_MAX`], and refuses the events of
//! those beyond; where the configuration has `[[producer]]` blocks, there are these and no others.

use std::borrow::Cow;

use super::refusal::Refusal;
use crate::command::kit::Kit;
use crate::config::Producer;
use crate::ingest::discovery;
use crate::ingest::event::{Event, EventBuffer};
use crate::pipeline::{LineOutput, Moment, Pipeline, SharedTable};
use crate::reject::{EventReject, ReadingReject};

/// Most producers whose events are taken where the configuration names none. AXP has about ten.
pub(super) const PRODUCERS_MAX: usize = 64;

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
    pipelines: Vec<Pipeline>,
    tables: Vec<SharedTable>,
    /// Where the last event went: most often the next one goes there too.
    last: usize,
    buffer: EventBuffer,
}

impl Fork {
    /// A fork whose lines all go to one output.
    pub(super) fn new(kit: Kit, output: LineOutput) -> Self {
        let blocks = kit.config.producer.clone();
        let mut fork = Self {
            kit,
            output,
            pipelines: Vec::new(),
            tables: Vec::new(),
            last: 0,
            buffer: EventBuffer::default(),
        };
        // In the order of the configuration, as it decides whose a name is.
        for producer in blocks {
            fork.add(producer);
        }
        fork
    }

    /// The tables of all producers.
    pub(super) fn tables(&self) -> &[SharedTable] {
        &self.tables
    }

    /// Applies the event that a line holds.
    ///
    /// # Errors
    /// Why it was refused.
    pub(super) fn apply(&mut self, line: &[u8], now: Moment) -> Result<Refused<'_>, Refusal> {
        let frame = std::str::from_utf8(line).map_err(|_| Refusal::NotUtf8)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let applied = match Event::parse(frame, &mut buffer) {
            Ok(mut event) => {
                let applied = self.lead(&mut event, frame, now);
                event.recycle(&mut buffer);
                applied
            }
            Err(reject) => Err(Refusal::Event(reject)),
        };
        self.buffer = buffer;
        let (place, before) = applied?;
        let Some(pipeline) = self.pipelines.get(place) else { return Ok(Refused::default()) };
        let (after, last) = pipeline.refused_readings();
        Ok(Refused { count: after - before, last: last.filter(|_| after > before) })
    }

    /// Applies an event by its producer's pipeline; gives which one, and how many readings that had
    /// refused before.
    fn lead(&mut self, event: &mut Event<'_>, frame: &str, now: Moment) -> Result<(usize, u64), Refusal> {
        let place = self.place_of(event.producer_id.as_ref())?;
        self.last = place;
        let Some(pipeline) = self.pipelines.get_mut(place) else { return Ok((place, 0)) };
        let (before, _) = pipeline.refused_readings();
        match pipeline.apply_streamed(event, frame, now) {
            // A stream may begin anywhere: that a row goes which did not come is nothing wrong.
            Ok(()) | Err(EventReject::UnknownRow) => Ok((place, before)),
            Err(reject) => Err(Refusal::Event(reject)),
        }
    }

    /// Where the pipeline of this producer is; it is made if there is none yet.
    fn place_of(&mut self, id: Option<&Cow<'_, str>>) -> Result<usize, Refusal> {
        let Some(id) = id.map(|id| &**id) else {
            return if self.kit.only_producer().is_some() { Ok(0) } else { Err(Refusal::NoProducer) };
        };
        let is_it = |pipeline: &Pipeline| pipeline.measures().producer_id() == id;
        if self.pipelines.get(self.last).is_some_and(is_it) {
            return Ok(self.last);
        }
        if let Some(place) = self.pipelines.iter().position(is_it) {
            return Ok(place);
        }
        if !self.kit.config.producer.is_empty() {
            return Err(Refusal::NotConfigured);
        }
        if !discovery::is_usable(id) {
            return Err(Refusal::BadProducer);
        }
        if self.pipelines.len() == PRODUCERS_MAX {
            return Err(Refusal::TooManyProducers);
        }
        self.add(Producer { id: id.to_owned(), ..Producer::default() });
        Ok(self.pipelines.len() - 1)
    }

    fn add(&mut self, producer: Producer) {
        let (pipeline, table) = self.kit.pipeline(producer, vec![self.output.clone()]);
        self.pipelines.push(pipeline);
        self.tables.push(table);
    }
}
