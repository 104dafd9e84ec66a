//! The tap: where a pipeline tells what it is told.
//!
//! A record goes into a bounded queue, as a line does; ingest never waits. What finds the queue full
//! is dropped and counted, and the writer notes in the file that something is missing. A quarter of it
//! is kept from events, for what is told once. As a header says how personal data was treated in what
//! follows, nothing is recorded while one of them waits for room.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

use super::clean::{write_event, write_text};
use super::record::{Entry, FORMAT, Header, Record, Told};
use crate::config::Personal;
use crate::ingest::event::Event;
use crate::parse::measures::Measures;
use crate::parse::privacy::Privacy;
use crate::pipeline::Moment;
use crate::sink::queue::LineSender;
use crate::telemetry::VERSION;

/// What the taps of one recording share.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: LineSender,
    /// A header that has found no room yet; else empty.
    header: Arc<Mutex<Vec<u8>>>,
    began: Moment,
    account_id: String,
    /// Hashes by a key of this recording's own, which is kept nowhere.
    pseudonyms: Privacy,
}

/// Where one pipeline tells.
#[derive(Debug)]
pub struct Tap {
    recorder: Recorder,
    producer: String,
    line: Vec<u8>,
}

impl Recorder {
    /// A recording that began at `began`, of events whose account is this where they name none.
    pub fn new(sender: LineSender, began: Moment, account_id: &str) -> Self {
        let key = rand::random::<[u64; 4]>().map(|word| format!("{word:016x}")).concat();
        let pseudonyms = Privacy::new(Personal::Hash, &[], Some(&SecretString::from(key)));
        let header = Arc::default();
        Self { sender, header, began, account_id: account_id.to_owned(), pseudonyms }
    }

    /// From now on personal data is treated so: where that is new, another file begins.
    pub fn begin(&self, privacy: &Privacy, now: Moment) {
        let header = Header {
            format: FORMAT,
            recording: String::new(),
            part: 0,
            exporter: VERSION.to_owned(),
            account_id: self.account_id.clone(),
            privacy: privacy.treated(),
        };
        let mut line = Vec::new();
        Record::new(now, self.began, Entry::Header(header)).write(&mut line);
        let mut waiting = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = if self.sender.try_send(&line) { Vec::new() } else { line };
    }

    /// Sends a record behind the header that it stands under.
    fn send(&self, line: &[u8], is_event: bool) {
        let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        if !header.is_empty() {
            if !self.sender.try_send(&header) {
                return self.sender.drop_one();
            }
            header.clear();
        }
        if is_event {
            self.sender.send_leaving_room(line);
        } else {
            self.sender.send(line);
        }
    }

    /// The tap of a producer's pipeline.
    pub fn tap(&self, producer_id: &str, now: Moment) -> Tap {
        let mut tap = Tap { recorder: self.clone(), producer: producer_id.to_owned(), line: Vec::new() };
        tap.tell(Told::Producer, now);
        tap
    }
}

impl Tap {
    /// Records what the pipeline is told.
    pub fn tell(&mut self, told: Told<'_>, now: Moment) {
        let Self { recorder, producer, line } = self;
        line.clear();
        let entry = Entry::Feed { producer: Cow::Borrowed(producer), told, again: false };
        Record::new(now, recorder.began, entry).write(line);
        recorder.send(line, false);
    }

    /// Records an event, without what privacy keeps back.
    pub fn event(&mut self, event: &Event<'_>, is_outgoing: bool, measures: &Measures, now: Moment) {
        let Self { recorder, producer, line } = self;
        let mut digits = itoa::Buffer::new();
        let at = now.instant.saturating_duration_since(recorder.began.instant);
        line.clear();
        line.extend_from_slice(if is_outgoing { b"{\"kind\":\"outgoing\"" } else { b"{\"kind\":\"event\"" });
        line.extend_from_slice(b",\"at\":");
        line.extend_from_slice(digits.format(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)).as_bytes());
        line.extend_from_slice(b",\"unix_ns\":");
        line.extend_from_slice(digits.format(now.unix_ns).as_bytes());
        line.extend_from_slice(b",\"producer\":");
        write_text(line, producer);
        line.extend_from_slice(b",\"event\":");
        write_event(line, event, measures, &recorder.pseudonyms);
        line.extend_from_slice(b"}\n");
        recorder.send(line, true);
    }
}
