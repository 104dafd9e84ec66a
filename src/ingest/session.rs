//! The session of one feed: one link, or two while one takes over from the other. No I/O,
//! no clock.
//!
//! Usually one [`Link`] does it all. When its subscription is lost though its websocket works, or
//! when a reload wants all rows once more, a second link is brought up beside it; the first is closed only when the
//! second's snapshot is complete, so that no value is missing in between. Where the first
//! breaks before that, the second goes on alone.

use std::time::Instant;

use serde::Deserialize;

use crate::ingest::link::{Action, Before, Input, Link, Phase, Settings, Verdict};

/// Why a session ended: `axp_exporter_reconnects_total{reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No token.
    Token,
    /// No subscription.
    Subscription,
    /// The subscription's endpoint is not one to send a token to.
    Endpoint,
    /// The subscription stayed PENDING.
    Pending,
    /// No websocket.
    Connect,
    /// Authentication was refused or not answered.
    Authentication,
    /// The server closed the socket, or it broke.
    Closed,
    /// Pings were not answered.
    Ping,
    /// A frame that is not of the protocol.
    Protocol,
    /// A frame or a message over the limit.
    Oversized,
    /// No event came at all.
    Silent,
    /// The machine slept.
    Suspended,
    /// Another session took over.
    Replaced,
}

impl Reason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::Token,
        Self::Subscription,
        Self::Endpoint,
        Self::Pending,
        Self::Connect,
        Self::Authentication,
        Self::Closed,
        Self::Ping,
        Self::Protocol,
        Self::Oversized,
        Self::Silent,
        Self::Suspended,
        Self::Replaced,
    ];

    /// The value of the `reason` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subscription => "subscription",
            Self::Endpoint => "endpoint",
            Self::Pending => "pending",
            Self::Connect => "connect",
            Self::Authentication => "authentication",
            Self::Closed => "closed",
            Self::Ping => "ping",
            Self::Protocol => "protocol",
            Self::Oversized => "oversized",
            Self::Silent => "silent",
            Self::Suspended => "suspended",
            Self::Replaced => "replaced",
        }
    }
}

/// Which of the two links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The one.
    A,
    /// The other.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// The session of one feed.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    a: Link,
    b: Link,
    /// The link that the feed stands on.
    current: Slot,
    /// True while the other link is to take over.
    taking_over: bool,
    /// True if another is to take over once all rows are there: settings have changed meanwhile.
    again: bool,
    seed: u64,
}

impl Session {
    /// A session that begins at once, with what is known of an earlier run's subscription; `seed`
    /// makes the jitter of its pauses.
    pub fn new(settings: Settings, now: Instant, seed: u64, before: Before) -> Self {
        Self {
            settings,
            a: Link::new(settings, now, seed, before),
            b: Link::off(settings, now),
            current: Slot::A,
            taking_over: false,
            again: false,
            seed,
        }
    }

    /// Takes what happened to one link; says which link is to do what.
    pub fn handle(&mut self, slot: Slot, input: Input, now: Instant) -> (Slot, Action) {
        let action = self.link_mut(slot).handle(input, now);
        let asked = self.follow(slot, input, action, now);
        if matches!(input, Input::SnapshotClosed) {
            self.begin_again(now);
        }
        asked
    }

    /// What an action of one link means for both.
    fn follow(&mut self, slot: Slot, input: Input, action: Action, now: Instant) -> (Slot, Action) {
        match action {
            // Another is on its way already, for another reason.
            Action::Replace if slot == self.current && self.taking_over => (slot, Action::None),
            Action::Replace if slot == self.current => {
                self.taking_over = true;
                *self.link_mut(slot.other()) = self.successor(slot, now);
                (slot, Action::None)
            }
            // The one that was to take over lost its own: it begins anew.
            Action::Replace => {
                *self.link_mut(slot) = self.successor(slot, now);
                (slot, Action::Abandon(Reason::Subscription))
            }
            // The old one broke before the new one was complete: the new one goes on alone, and
            // the old one's subscription ends.
            Action::Close(reason) | Action::Abandon(reason) if self.taking_over && slot == self.current => {
                self.promote(now);
                self.link_mut(self.current).place_freed(now);
                (slot, Action::Abandon(reason))
            }
            Action::None
                if self.taking_over
                    && slot != self.current
                    && matches!(input, Input::SnapshotClosed)
                    && self.link(slot).is_up() =>
            {
                self.promote(now);
                (slot.other(), Action::Abandon(Reason::Replaced))
            }
            action => (slot, action),
        }
    }

    /// From now on goes by these settings: what has yet to come up comes up at once, and what is up
    /// goes on, replaced by a link that goes by them if `anew`.
    pub fn renew(&mut self, settings: Settings, anew: bool, now: Instant) {
        let newest = self.link(if self.taking_over { self.current.other() } else { self.current });
        // One that has not begun will go by them anyway.
        self.again |= anew && !matches!(newest.phase(), Phase::Waiting(_));
        self.settings = settings;
        self.a.renew(settings, now);
        self.b.renew(settings, now);
        self.begin_again(now);
    }

    /// Has another link take over, if one is to and none does.
    fn begin_again(&mut self, now: Instant) {
        if self.again && !self.taking_over && self.current().is_up() {
            (self.again, self.taking_over) = (false, true);
            *self.link_mut(self.current.other()) = self.successor(self.current, now);
        }
    }

    /// When a tick will have something to do, and for which link.
    pub fn deadline(&self) -> Option<(Instant, Slot)> {
        let of = |slot| Some((self.link(slot).deadline()?, slot));
        [of(Slot::A), of(Slot::B)].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    /// One of the links.
    pub const fn link(&self, slot: Slot) -> &Link {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    /// The link that the feed stands on.
    pub const fn current(&self) -> &Link {
        self.link(self.current)
    }

    /// True while another link is to take over from the current one.
    pub const fn is_taking_over(&self) -> bool {
        self.taking_over
    }

    /// True while events may come from either link.
    pub const fn is_up(&self) -> bool {
        self.a.is_up() || self.b.is_up()
    }

    const fn link_mut(&mut self, slot: Slot) -> &mut Link {
        match slot {
            Slot::A => &mut self.a,
            Slot::B => &mut self.b,
        }
    }

    fn successor(&mut self, slot: Slot, now: Instant) -> Link {
        self.seed = self.seed.wrapping_add(1);
        self.link(slot).successor(now, self.seed)
    }

    /// The other link is now the one that the feed stands on.
    fn promote(&mut self, now: Instant) {
        *self.link_mut(self.current) = Link::off(self.settings, now);
        self.current = self.current.other();
        self.taking_over = false;
    }
}

/// Reads a frame as the answer to authentication, with all that it says; none if it is something
/// else.
///
/// AXP's document writes `authenticationResponse`, real servers have been seen to write
/// `AUTHENTICATION_RESPONSE`: capitals and underscores do not count, here and in the status.
pub fn read_verdict(text: &str) -> Option<(Verdict, String)> {
    #[derive(Deserialize)]
    struct Frame {
        event: String,
        #[serde(flatten)]
        said: serde_json::Map<String, serde_json::Value>,
    }
    let Frame { event, said } = serde_json::from_str(text).ok()?;
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    if plain(&event) != "authenticationresponse" {
        return None;
    }
    let status = plain(said.get("status").and_then(serde_json::Value::as_str).unwrap_or_default());
    let verdict = match status.strip_prefix("connection").unwrap_or(&status) {
        "confirmed" => Verdict::Confirmed,
        "failedinvalidtoken" | "invalidtoken" => Verdict::InvalidToken,
        "failedunknownsubscription" | "unknownsubscription" => Verdict::UnknownSubscription,
        "failedinternalservererror" | "internalservererror" => Verdict::ServerError,
        "failedconstraintviolation" | "constraintviolation" => Verdict::ConstraintViolation,
        _ => Verdict::Other,
    };
    Some((verdict, serde_json::Value::Object(said).to_string()))
}

#[cfg(test)]
mod tests;
