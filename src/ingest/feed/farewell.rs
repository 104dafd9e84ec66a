//! The end: of a link's session, and of the whole feed.

use std::sync::Arc;
use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tracing::{debug, warn};

use super::Feed;
use super::way::{Caller, Ending};
use crate::failure::describe;
use crate::ingest::dial::Socket;
use crate::ingest::session::{Reason, Slot};
use crate::pipeline::Moment;

/// How long closing a socket may take, and how long the feed waits at its end for that, for the end
/// of its subscriptions, and for the ledger.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

impl Feed {
    /// Ends a link's session, and its subscription where that is of no use.
    pub(super) fn close(&mut self, slot: Slot, reason: Reason, abandon: bool) {
        let was_up = self.parts.metrics.up.get() == 1;
        let is_up = self.session.is_up();
        self.parts.metrics.up.set(i64::from(is_up));
        self.parts.metrics.reconnect(reason);
        let ending = self.way(slot).ending.take();
        let code = ending.as_ref().map(|ending| u16::from(ending.code));
        let words = ending.as_ref().map(|ending| ending.words.as_str());
        if was_up && !is_up {
            warn!(producer = self.producer_id(), reason = reason.label(), code, words, "feed lost");
            let said = ending.as_ref().map(|Ending { code, words }| format!(" {} {words}", u16::from(*code)));
            self.note_setback(&format!("feed lost: {}{}", reason.label(), said.unwrap_or_default()));
        }
        // What else ends a way has been said where it happened.
        if !was_up && let Some(Ending { code, words }) = &ending {
            self.say(format!("the websocket ends before the feed is up: {} {words}", u16::from(*code)));
        } else if !was_up && reason == Reason::Closed {
            self.say("the websocket breaks before the feed is up".to_owned());
        }
        let now = Moment::now();
        if self.way(slot).socket.is_some() {
            self.parts.pipeline.note_closed(reason.label(), now);
        }
        if slot == self.follows {
            if is_up {
                self.follows = slot.other();
                self.parts.pipeline.session_handed_back(now);
            } else {
                self.parts.pipeline.session_lost(now);
            }
        } else {
            self.parts.pipeline.outgoing_ended(now);
        }
        let way = self.way(slot);
        let socket = way.shut();
        let held = if abandon { way.subscription.take() } else { None };
        if abandon && !is_up {
            self.parts.metrics.unsubscribed();
        }
        let code = ending.map_or(close_code(reason), |ending| ending.code);
        // Those that have left are forgotten.
        while self.leaving.try_join_next().is_some() {}
        self.leaving.spawn(leave(self.caller(), socket.map(|socket| (socket, code)), held));
    }

    /// Leaves nothing behind, as far as time allows.
    pub(super) async fn farewell(&mut self) {
        let Self { a, b, .. } = self;
        tokio::join!(a.finish_creation(FAREWELL_TIMEOUT), b.finish_creation(FAREWELL_TIMEOUT));
        for slot in Slot::ALL {
            let held = self.way(slot).subscription.take();
            let socket = self.way(slot).shut().map(|socket| (socket, CloseCode::Normal));
            self.leaving.spawn(leave(self.caller(), socket, held));
        }
        let ledger = Arc::clone(&self.parts.ledger);
        let all = async {
            while self.leaving.join_next().await.is_some() {}
            ledger.kept().await;
        };
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, all).await;
    }
}

/// The code to close with for a reason of our own.
const fn close_code(reason: Reason) -> CloseCode {
    match reason {
        Reason::Authentication => CloseCode::Policy,
        _ => CloseCode::Normal,
    }
}

/// Closes a socket and ends a subscription, however long the call for that takes: where the feed
/// goes on, the place is needed for another.
async fn leave(caller: Caller, socket: Option<(Socket, CloseCode)>, held: Option<String>) {
    let Caller { api, ledger, producer_id, .. } = caller;
    let closing = async {
        if let Some((socket, code)) = socket {
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, hang_up(socket, code)).await;
        }
    };
    let ending = async {
        let Some(id) = held else { return };
        match api.delete(&id).await {
            Ok(()) => ledger.forget(&producer_id, &id),
            Err(err) => {
                debug!(producer = producer_id, err = describe(&err), "a subscription is left to expire");
            }
        }
    };
    tokio::join!(closing, ending);
}

/// Says goodbye, and reads to the end of the connection, which is the server's to close
/// ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1)): with something unread the
/// system would reset it, and the server might never see why.
async fn hang_up(mut socket: Socket, code: CloseCode) {
    // Where the server has closed already, this is its answer, with the server's own code.
    let frame = CloseFrame { code, reason: "".into() };
    if code != CloseCode::Abnormal && socket.close(Some(frame)).await.is_ok() {
        let _ = tokio::io::copy(socket.get_mut(), &mut tokio::io::sink()).await;
    }
}
