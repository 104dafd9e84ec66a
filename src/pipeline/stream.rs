//! Events of a stream: lines of a pipe or a file, whose sessions nobody knows.

use super::sessions::Origin;
use super::{Moment, Pipeline};
use crate::ingest::event::Event;
use crate::reject::EventReject;

impl Pipeline {
    /// Takes an event that was read from `frame`. Whatever its `payloadType` says, what comes later
    /// holds, and only a DELETE retires a row.
    ///
    /// In a session an event of the snapshot may come too late to hold; here it may as well open
    /// another session, long after.
    ///
    /// # Errors
    /// Why the event was refused; it is counted already.
    pub fn apply_streamed(
        &mut self,
        event: &mut Event<'_>,
        frame: &str,
        now: Moment,
    ) -> Result<(), EventReject> {
        let applied = self.apply_event(event, Origin::Stream, now);
        self.conclude(frame, applied, now);
        applied
    }
}
