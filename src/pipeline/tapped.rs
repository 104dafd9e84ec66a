//! What the pipeline is told, told on to who records it.

use super::{Moment, Pipeline};
use crate::recording::{Tap, Told};

impl Pipeline {
    /// Has everything recorded that it is told from now on.
    pub fn record(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Notes that a websocket was opened, for who reads a recording.
    pub fn note_opened(&mut self, now: Moment) {
        self.tell_on(now, || Told::Opened);
    }

    /// Notes that a link was closed for this reason, for who reads a recording.
    pub fn note_closed(&mut self, reason: &'static str, now: Moment) {
        self.tell_on(now, || Told::Closed(reason.into()));
    }

    /// It is told something now: what was due before is done first.
    pub(super) fn told<'t>(&mut self, now: Moment, told: impl FnOnce() -> Told<'t>) {
        self.reach(now);
        self.tell_on(now, told);
    }

    pub(super) fn tell_on<'t>(&mut self, now: Moment, told: impl FnOnce() -> Told<'t>) {
        if let Some(tap) = &mut self.tap {
            tap.tell(told(), now);
        }
    }
}
