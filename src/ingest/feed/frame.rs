//! What a frame says: an event for the pipeline, an answer to authentication, a sign of life, or
//! the end of its socket.
//!
//! tungstenite answers pings by itself: each at once while the way out is free; while it is
//! not, up to the limit of its buffer and then the last one only, with the next frame either way,
//! as [RFC 6455](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3) allows. Frames come out of one
//! buffer, which is filled when it is empty: a flood of them waits in the server's.

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::trace;

use super::Feed;
use super::way::{Ending, Frame};
use crate::ingest::link::{Input, Verdict};
use crate::ingest::session::{Reason, Slot, read_verdict};
use crate::ingest::words;
use crate::pipeline::Moment;
use crate::reject::EventReject;

/// Most bytes of a refusal's words: what it says of violations fits in.
const VERDICT_BYTES_MAX: usize = 400;

impl Feed {
    /// Takes a frame, or the end of its socket, to the session.
    pub(super) fn receive(&mut self, slot: Slot, frame: Frame) {
        let input = match frame {
            Some(Ok(Message::Text(text))) => self.read(slot, text.as_str()),
            Some(Ok(Message::Binary(_))) => {
                self.parts.pipeline.refuse(EventReject::Binary, Moment::now());
                Input::Frame
            }
            Some(Ok(Message::Pong(payload))) => {
                // Our pings carry nothing, so that a pong with something answers none of them.
                if payload.is_empty()
                    && let Some(pinged_at) = self.way(slot).pinged_at.take()
                {
                    self.parts.metrics.ping.set(pinged_at.elapsed().as_secs_f64());
                }
                Input::Pong
            }
            // A ping of the server's is as good a sign of life as a pong.
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => Input::Pong,
            Some(Ok(Message::Close(frame))) => {
                let ending = Ending::by_server(frame.as_ref(), self.way(slot).token.as_ref());
                let input = match ending.code {
                    CloseCode::Policy => Input::Expelled,
                    _ => Input::Broken(Reason::Closed),
                };
                self.way(slot).ending = Some(ending);
                input
            }
            Some(Err(err)) => {
                let ending = Ending::of(&err);
                let reason = match ending.code {
                    CloseCode::Size => Reason::Oversized,
                    CloseCode::Protocol | CloseCode::Invalid => Reason::Protocol,
                    _ => Reason::Closed,
                };
                self.way(slot).ending = Some(ending);
                Input::Broken(reason)
            }
            None => Input::Broken(Reason::Closed),
        };
        self.inputs.push_back((slot, input));
    }

    /// Reads a text frame: the answer to authentication, or an event.
    fn read(&mut self, slot: Slot, text: &str) -> Input {
        let link = self.session.link(slot);
        if link.is_authenticating() {
            return self.read_verdict(slot, text).unwrap_or_else(|| {
                self.parts.pipeline.refuse(EventReject::Early, Moment::now());
                Input::Frame
            });
        }
        if !link.is_up() {
            return Input::Frame;
        }
        let now = Moment::now();
        let applied = if slot == self.follows {
            self.parts.pipeline.apply(text, now)
        } else {
            self.parts.pipeline.apply_outgoing(text, now)
        };
        self.note_snapshot();
        let Err(reject) = applied else { return Input::Event };
        trace!(producer = self.producer_id(), reason = reject.label(), "event refused");
        // What is no event may be the server's word about our token.
        let frame = if reject.is_of_a_row() { Input::Event } else { Input::Frame };
        self.read_verdict(slot, text).unwrap_or(frame)
    }

    /// Reads a text frame as the answer to authentication, if it is one.
    fn read_verdict(&mut self, slot: Slot, text: &str) -> Option<Input> {
        let (verdict, words) = read_verdict(text)?;
        self.parts.metrics.authentication(verdict);
        if verdict != Verdict::Confirmed {
            let token = self.way(slot).token.as_ref();
            let words = words::fit(&words, token.as_slice(), VERDICT_BYTES_MAX);
            self.say(format!("authentication is refused: {words}"));
        }
        Some(Input::Authentication(verdict))
    }
}
