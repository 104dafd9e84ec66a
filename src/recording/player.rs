//! The player: tells pipelines again what a recording says they were told.
//!
//! Time is the recording's. What is due in a pipeline between two records is done before the later
//! one, for all pipelines in the order in which it is due, so that rows, series and lines depend on
//! nothing but the recording and the configuration. Tasks recorded side by side, so one record may
//! stand before another that is a little older: so long is waited with what is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reader::Reader;
use super::record::{Entry, Header, Record};
use super::track::Track;
use crate::config::Producer;
use crate::ingest::feeds::Feeds;
use crate::ingest::roster::Roster;
use crate::pipeline::{Blueprint, LineOutput, Moment};
use crate::telemetry::Telemetry;

/// How much older than the one before it a record may be.
const DISORDER_MAX: Duration = Duration::from_millis(100);

/// What pipelines are made of, and shown in.
#[derive(Debug)]
pub struct Stage {
    /// What pipelines are made by.
    pub blueprint: Blueprint,
    /// The producers of the configuration.
    pub producers: Vec<Producer>,
    /// Where lines go.
    pub outputs: Vec<LineOutput>,
    /// What counts.
    pub telemetry: Arc<Telemetry>,
    /// Where the feeds are shown.
    pub feeds: Arc<Feeds>,
}

/// What a recording told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that were applied.
    pub applied: u64,
    /// Events that were refused.
    pub refused: u64,
    /// Records that are missing in the recording.
    pub missing: u64,
    /// Records of producers that the configuration does not have.
    pub passed_over: u64,
}

/// Tells pipelines what is recorded.
#[derive(Debug)]
pub struct Player {
    stage: Stage,
    tracks: Roster<Track>,
    origin: Instant,
    part: Option<Part>,
    /// The latest record so far, since the replay began, and by the wall.
    now: (Duration, i64),
    /// True while records that stand in a file before are passed over.
    goes_on: bool,
    tally: Tally,
}

/// Where a file's time stands in the replay's.
#[derive(Debug)]
struct Part {
    header: Header,
    /// When the first file that this one goes on from began, in the recording's own time.
    at: Duration,
    /// The same since the replay began.
    began: Duration,
}

impl Player {
    /// A player that has told nothing yet. There are the producers of the configuration.
    pub fn new(stage: Stage) -> Self {
        let tracks = Roster::new(&stage.producers, |producer| stage.track(producer));
        stage.feeds.note_complete();
        Self {
            stage,
            tracks,
            origin: Instant::now(),
            part: None,
            now: (Duration::ZERO, 0),
            goes_on: false,
            tally: Tally::default(),
        }
    }

    /// What was told so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// How far the recording is: since the replay began, and by the wall.
    pub const fn now(&self) -> (Duration, i64) {
        self.now
    }

    /// The outputs that lines go to.
    pub fn outputs(&self) -> &[LineOutput] {
        &self.stage.outputs
    }

    /// Another file is next, of those [in order](super::in_order); gives when it begins, since the
    /// replay began. What is due before that is to be done, and then [`Self::arrive`] called.
    pub fn begin(&mut self, reader: &Reader) -> Duration {
        let (at, unix_ns) = reader.begins_at();
        let header = reader.header().clone();
        let (time, unix_before) = self.now;
        let Some(before) = &mut self.part else {
            self.part = Some(Part { header, at, began: Duration::ZERO });
            return Duration::ZERO;
        };
        self.goes_on = before.header.recording == header.recording
            && before.header.part.checked_add(1) == Some(header.part);
        if self.goes_on {
            before.header = header;
            return time;
        }
        // What lies between is not known. The feeds were lost when the last record came, at the latest.
        let lost_at = self.moment(time, unix_before);
        for track in self.tracks.iter_mut() {
            track.lose(lost_at);
        }
        let between = u64::try_from(unix_ns.saturating_sub(unix_before)).unwrap_or_default();
        let time = time.saturating_add(Duration::from_nanos(between));
        self.part = Some(Part { header, at, began: time });
        time
    }

    /// The file that is next begins now.
    pub fn arrive(&mut self, reader: &Reader) {
        if !self.goes_on {
            let time = self.part.as_ref().map_or(Duration::ZERO, |part| part.began);
            self.tick_until(time);
            self.now = (time, reader.begins_at().1);
        }
    }

    /// When a record comes, since the replay began.
    pub fn time_of(&self, record: &Record<'_>) -> Duration {
        let (at, began) = self.part.as_ref().map_or_else(Default::default, |part| (part.at, part.began));
        began.saturating_add(record.at.saturating_sub(at))
    }

    /// Tells what a record says.
    pub fn play(&mut self, record: &Record<'_>) {
        let time = self.time_of(record);
        match &record.entry {
            Entry::Header(_) => {}
            Entry::Missing(records) => self.tally.missing = self.tally.missing.saturating_add(*records),
            Entry::End => self.tick_until(time),
            Entry::Feed { again: true, .. } if self.goes_on => return,
            Entry::Feed { producer, told, .. } => {
                self.pass(time);
                let now = self.moment(time, record.unix_ns);
                let Self { stage, tracks, tally, .. } = self;
                match tracks.find(producer, |producer| stage.track(producer)) {
                    Ok(track) => {
                        let applied = track.tell(told, now);
                        tally.applied += u64::from(applied == Some(true));
                        tally.refused += u64::from(applied == Some(false));
                    }
                    Err(_) => tally.passed_over += 1,
                }
            }
        }
        if time > self.now.0 {
            self.now = (time, record.unix_ns);
        }
    }

    /// Does what is due in any pipeline before a record of this time.
    pub fn pass(&mut self, time: Duration) {
        self.tick_until(time.saturating_sub(DISORDER_MAX));
    }

    fn tick_until(&mut self, time: Duration) {
        let until = self.origin + time;
        loop {
            let tracks = self.tracks.iter_mut();
            let due = tracks.filter_map(|track| Some((track.deadline().filter(|due| *due <= until)?, track)));
            let Some((due, track)) = due.min_by_key(|(due, _)| *due) else { break };
            track.tick(due);
        }
    }

    /// When something is due before any record, since the replay began.
    pub fn due(&self) -> Option<Duration> {
        let due = self.tracks.iter().filter_map(Track::deadline).min()?;
        Some(due.saturating_duration_since(self.origin) + DISORDER_MAX)
    }

    /// Answers who asked how the feeds stand.
    pub fn answer(&mut self) {
        for track in self.tracks.iter_mut() {
            track.answer();
        }
    }

    fn moment(&self, time: Duration, unix_ns: i64) -> Moment {
        Moment { instant: self.origin + time, unix_ns }
    }
}

impl Stage {
    /// The track of a producer, which is shown among the feeds from now on.
    fn track(&self, producer: Producer) -> Track {
        let (track, state) = Track::new(producer, &self.blueprint, self.outputs.clone(), &self.telemetry);
        self.feeds.add(state);
        track
    }
}
