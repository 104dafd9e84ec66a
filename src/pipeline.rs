//! One producer's pipeline: a frame becomes readings, a row, series and a line.
//!
//! It is a function of what it is told and when: no I/O, and the time is an argument. What time
//! alone does happens as of when it was due (`pipeline/course.rs`), however late somebody looks. So
//! whoever tells it the same again gets the same ([`crate::recording`]). All of one event
//! is applied under one lock, so that a scrape sees all of it or nothing. An event on a
//! known row allocates nothing unless a text of it changed.
//!
//! What arrives that cannot be used is counted ([`crate::reject`]) and costs nothing else.

mod adoption;
mod blueprint;
mod course;
mod derivation;
mod labels;
mod markers;
mod moment;
pub mod refusals;
pub mod report;
mod sessions;
mod stream;
mod tapped;
pub mod trace;
mod values;
pub mod whole;

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::config::OnDelete;
use crate::ingest::event::{Action, Event, EventBuffer, PayloadType, recycled};
use crate::parse::measure::{Dictionary, Reading, Value};
use crate::parse::measures::Measures;
use crate::recording::{Tap, Told};
use crate::reject::{EventReject, ReadingReject, RetireCause};
use crate::sink::line;
use crate::sink::queue::LineSender;
use crate::table::row::{Row, Standing};
use crate::table::rows::{RowId, Table};
use crate::telemetry;

pub use blueprint::Blueprint;
use derivation::Derivation;
use labels::write_identity;
pub use markers::retire_all;
use markers::write_marker;
pub use moment::Moment;
use refusals::Refusals;
use sessions::{Origin, Sessions, Voice};
use values::field_of;

/// A table that one pipeline writes and scrapes read.
pub type SharedTable = Arc<RwLock<Table>>;

/// A table to read, even after a writer died.
pub fn read_table(table: &SharedTable) -> RwLockReadGuard<'_, Table> {
    table.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_table(table: &SharedTable) -> RwLockWriteGuard<'_, Table> {
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    table.touch();
    table
}

/// Where a pipeline's lines go.
#[derive(Debug, Clone)]
pub struct LineOutput {
    /// The sink's queue.
    pub sender: LineSender,
    /// What a DELETE writes.
    pub on_delete: OnDelete,
}

/// What a pipeline is built from.
#[derive(Debug)]
struct PipelineParts {
    /// What its series and labels are made by.
    derivation: Derivation,
    /// The account of events that name none.
    account_id: String,
    /// The table it writes.
    table: SharedTable,
    /// Where its lines go.
    outputs: Vec<LineOutput>,
    /// What it counts.
    metrics: telemetry::Pipeline,
    /// How long a snapshot's events may pause before it counts as finished.
    snapshot_quiet: Duration,
    /// How long rows outlive their feed.
    stale_after: Duration,
}

impl PipelineParts {
    /// Sends the line of an event on a row that is shown; `line` is where it is written.
    fn send_line(&self, stem: &str, row: &Row, readings: &[Reading<'_>], line: &mut Vec<u8>) {
        let fields = readings.iter().filter_map(|reading| {
            let measure =
                self.derivation.measures.get(reading.measure).filter(|measure| !measure.promoted)?;
            Some((&*measure.field, field_of(measure.kind, &reading.value)?))
        });
        line.clear();
        if line::write(line, stem, &row.face.labels, fields, row.line_ns) {
            self.outputs.iter().for_each(|output| output.sender.send(line));
        }
    }
}

/// One producer's pipeline.
#[derive(Debug)]
pub struct Pipeline {
    parts: PipelineParts,
    sessions: Sessions,
    /// Where it tells on what it is told, if that is recorded.
    tap: Option<Tap>,
    /// When it was told something last.
    told_at: Option<Moment>,
    /// When rows that the feed no longer vouches for are retired.
    stale_at: Option<Instant>,
    event_buffer: EventBuffer,
    readings: Vec<Reading<'static>>,
    identity: String,
    line: Vec<u8>,
    refusals: Refusals,
    /// The row of the last event that was shown.
    last_row: Option<RowId>,
    /// Notes what becomes of readings, while somebody traces an event.
    witness: Option<Vec<Value<'static>>>,
}

impl Pipeline {
    /// A pipeline that has seen nothing yet.
    fn new(parts: PipelineParts) -> Self {
        Self {
            sessions: Sessions::new(parts.snapshot_quiet),
            parts,
            tap: None,
            told_at: None,
            stale_at: None,
            event_buffer: EventBuffer::default(),
            readings: Vec::new(),
            identity: String::new(),
            line: Vec::new(),
            refusals: Refusals::default(),
            last_row: None,
            witness: None,
        }
    }

    /// What it has seen of the measures.
    pub const fn measures(&self) -> &Measures {
        &self.parts.derivation.measures
    }

    /// Takes one frame of text; says whether the event took effect, or why not.
    ///
    /// # Errors
    /// Why the event was refused; it is counted already.
    pub fn apply(&mut self, frame: &str, now: Moment) -> Result<(), EventReject> {
        self.take(frame, Origin::Followed, now)
    }

    /// Takes a frame of a session that another one is replacing: it says nothing about the
    /// snapshot that is on its way, nor about a row that the other one has touched.
    ///
    /// # Errors
    /// Why the event was refused; it is counted already.
    pub fn apply_outgoing(&mut self, frame: &str, now: Moment) -> Result<(), EventReject> {
        self.take(frame, Origin::Outgoing, now)
    }

    fn take(&mut self, frame: &str, origin: Origin, now: Moment) -> Result<(), EventReject> {
        self.reach(now);
        let mut buffer = std::mem::take(&mut self.event_buffer);
        let applied = match Event::parse(frame, &mut buffer) {
            Ok(mut event) => {
                if let Some(tap) = &mut self.tap {
                    tap.event(&event, origin == Origin::Outgoing, &self.parts.derivation.measures, now);
                }
                let applied = self.apply_event(&mut event, origin, now);
                event.recycle(&mut buffer);
                applied
            }
            Err(reject) => {
                self.tell_on(now, || Told::Refused(reject));
                self.parts.metrics.event_unreadable();
                Err(reject)
            }
        };
        self.event_buffer = buffer;
        self.conclude(frame, applied, now);
        applied
    }

    /// Counts what became of a frame.
    fn conclude(&mut self, frame: &str, applied: Result<(), EventReject>, now: Moment) {
        self.refusals.sample_readings(frame, &self.parts.derivation.measures, now);
        match applied {
            Ok(()) => self.parts.metrics.event_applied(),
            Err(reject) => {
                self.parts.metrics.event_rejected(reject);
                self.refusals.sample_event(reject, now);
            }
        }
    }

    /// Counts a frame that is not even looked into.
    pub fn refuse(&mut self, reject: EventReject, now: Moment) {
        self.told(now, || Told::Refused(reject));
        self.parts.metrics.event_unreadable();
        self.parts.metrics.event_rejected(reject);
        self.refusals.sample_event(reject, now);
    }

    fn apply_event(&mut self, event: &mut Event<'_>, origin: Origin, now: Moment) -> Result<(), EventReject> {
        let (Some(action), Some(payload_type)) = (event.action, event.payload_type) else {
            return Err(EventReject::Malformed);
        };
        self.parts.metrics.event(payload_type, action);
        let payload_type = if origin == Origin::Stream { PayloadType::Live } else { payload_type };
        if event.producer_id.as_deref().is_some_and(|id| id != self.parts.derivation.measures.producer_id()) {
            return Err(EventReject::WrongProducer);
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge of seconds needs no nanoseconds")]
        self.parts.metrics.last_event.set(now.unix_ns as f64 / 1e9);
        write_identity(&mut self.identity, event, &self.parts.account_id);
        let voice = self.sessions.hear(origin, payload_type, now.instant).ok_or(EventReject::Superseded)?;
        match (origin, action) {
            (Origin::Outgoing, _) if self.is_superseded() => return Err(EventReject::Superseded),
            (Origin::Followed, Action::Delete) => self.sessions.note_deleted(&self.identity),
            _ => {}
        }
        let applied = match action {
            Action::Upsert => self.upsert(event, payload_type, voice, now),
            Action::Delete => self.delete(now),
        };
        if voice.closes {
            self.close_snapshot(now);
        }
        applied
    }

    /// True if the session that is followed has touched the event's row, or deleted it.
    fn is_superseded(&self) -> bool {
        let mut table = write_table(&self.parts.table);
        match table.find(&self.identity).and_then(|id| table.row(id)) {
            Some(row) => row.generation == self.sessions.followed().generation(),
            None => self.sessions.has_deleted(&self.identity),
        }
    }

    fn upsert(
        &mut self,
        event: &mut Event<'_>,
        payload_type: PayloadType,
        voice: Voice,
        now: Moment,
    ) -> Result<(), EventReject> {
        let mut readings = recycled(std::mem::take(&mut self.readings));
        let measures = event.measures.drain(..);
        let denied = self.parts.derivation.measures.read(event.names, measures, &mut readings);
        let applied = self.write_row(payload_type, voice, &mut readings, now);
        if let Ok((id, standing)) = applied {
            self.count_readings(&readings, standing, denied);
            if standing == Standing::Shown {
                self.last_row = Some(id);
            }
        }
        if let Some(witness) = &mut self.witness {
            witness.extend(readings.iter().map(|reading| reading.value.to_owned_value()));
        }
        let verdict = match applied {
            Ok((_, Standing::Shown | Standing::Dropped)) => Ok(()),
            Ok((_, Standing::Waiting | Standing::Refused)) => Err(EventReject::RowRefused),
            Err(EventReject::RowRefused) => {
                self.count_readings(&readings, Standing::Refused, denied);
                Err(EventReject::RowRefused)
            }
            Err(reject) => Err(reject),
        };
        self.readings = recycled(readings);
        verdict
    }

    /// Applies the readings to the event's row and sends its line, all under one lock: so a row's lines
    /// are sent in the order of their times, whoever else sends them (`pipeline/whole.rs`).
    fn write_row(
        &mut self,
        payload_type: PayloadType,
        voice: Voice,
        readings: &mut [Reading<'_>],
        now: Moment,
    ) -> Result<(RowId, Standing), EventReject> {
        let Self { parts, identity, line, .. } = self;
        let mut table = write_table(&parts.table);
        let known = table.find(identity);
        let id = match known {
            Some(id) => id,
            None => table.insert(identity).map_err(|reject| {
                parts.metrics.row_refused(reject);
                EventReject::RowRefused
            })?,
        };
        if let Some(row) = table.row_mut(id) {
            row.generation = voice.generation;
            settle_precedence(row, voice.session, payload_type, readings);
            row.line_ns = now.unix_ns.max(row.line_ns.saturating_add(1));
        }
        if let Err(reject) = parts.derivation.set_row(&mut table, id, known.is_none(), readings) {
            parts.metrics.row_refused(reject);
        }
        let row = table.row(id);
        if let Some(row) = row.filter(|row| row.standing == Standing::Shown && !parts.outputs.is_empty()) {
            parts.send_line(table.stem(), row, readings, line);
        }
        Ok((id, row.map_or(Standing::Refused, |row| row.standing)))
    }

    fn count_readings(&mut self, readings: &[Reading<'_>], standing: Standing, mut denied: u64) {
        let Self { parts: PipelineParts { metrics, .. }, refusals, .. } = self;
        let (mut applied, mut absent) = (0, 0);
        for reading in readings {
            match (&reading.value, standing) {
                (Value::Refused(reject), _) => {
                    metrics.readings_rejected(*reject, 1);
                    refusals.count(reading.measure, *reject);
                }
                (Value::Absent, _) => absent += 1,
                (_, Standing::Shown) => applied += 1,
                (_, Standing::Dropped) => denied += 1,
                (_, Standing::Waiting | Standing::Refused) => {
                    metrics.readings_rejected(ReadingReject::RowRefused, 1);
                    refusals.count(reading.measure, ReadingReject::RowRefused);
                }
            }
        }
        metrics.readings_applied.inc_by(applied);
        metrics.readings_absent.inc_by(absent);
        metrics.readings_denied.inc_by(denied);
    }

    fn delete(&mut self, now: Moment) -> Result<(), EventReject> {
        let Self { parts, identity, line, .. } = self;
        let mut table = write_table(&parts.table);
        let id = table.find(identity).ok_or(EventReject::UnknownRow)?;
        line.clear();
        if let Some(row) = table.row(id) {
            write_marker(line, table.stem(), row, now);
        }
        table.retire(id);
        drop(table);
        parts.send_markers(line);
        parts.metrics.rows_retired(RetireCause::Delete, 1);
        Ok(())
    }

    /// Takes what AXP says of the measures.
    pub fn set_dictionary(&mut self, dictionary: Dictionary, now: Moment) {
        self.told(now, || Told::Dictionary(Cow::Borrowed(&dictionary)));
        self.parts.derivation.measures.set_dictionary(dictionary);
    }
}

/// What LIVE events of a session have set, its snapshot does not set back: readings of the
/// snapshot that come too late are refused, and what the row holds stays.
fn settle_precedence(row: &mut Row, session: u32, payload_type: PayloadType, readings: &mut [Reading<'_>]) {
    for reading in readings {
        match payload_type {
            PayloadType::Live => row.note_live(session, reading.measure),
            PayloadType::Initializing if row.is_live(session, reading.measure) => {
                reading.value = Value::Refused(ReadingReject::Superseded);
            }
            PayloadType::Initializing => {}
        }
    }
}

#[cfg(test)]
mod tests;
