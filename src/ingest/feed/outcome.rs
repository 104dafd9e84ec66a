//! What a call to AXP or an attempt to connect brought: noted here, and told to the session.

use std::time::Duration;

use tracing::{debug, warn};

use super::Feed;
use super::way::{Described, Outcome};
use crate::failure::describe;
use crate::ingest::api::{self, Subscription, unix_seconds};
use crate::ingest::link::{Input, Standing, Status, Trouble};
use crate::ingest::session::{Reason, Slot};
use crate::pipeline::Moment;

impl Feed {
    /// Takes what a call brought to the session.
    pub(super) fn conclude(&mut self, slot: Slot, outcome: Outcome) {
        let input = match outcome {
            Outcome::Subscription(Some(subscription)) => {
                Input::Subscription(self.note_subscription(slot, *subscription))
            }
            Outcome::Subscription(None) => Input::NotFound,
            Outcome::Token(token) => {
                self.way(slot).token = Some(token);
                Input::Token
            }
            Outcome::Trouble(err) => {
                let trouble = err.trouble();
                if trouble == Trouble::Gone
                    && let Some(id) = self.way(slot).subscription.take()
                {
                    self.parts.ledger.forget(self.parts.state.producer_id(), &id);
                    self.parts.metrics.unsubscribed();
                }
                let words = format!("{}{}", describe(&err), err.hint());
                // What keeps the token from all feeds is said where it is asked for.
                if matches!(err, api::Error::NoToken { .. }) {
                    self.note_setback(&words);
                    debug!(producer = self.producer_id(), err = words, "no token for the feed");
                } else {
                    self.say(words);
                }
                Input::Trouble(trouble)
            }
            Outcome::Connected(Ok(socket)) => {
                self.way(slot).socket = Some(*socket);
                self.parts.pipeline.note_opened(Moment::now());
                Input::Opened
            }
            Outcome::Connected(Err(err)) => {
                self.say(describe(&err));
                err.trouble().map_or(Input::Broken(Reason::Connect), Input::TurnedAway)
            }
        };
        self.inputs.push_back((slot, input));
    }

    fn note_subscription(&mut self, slot: Slot, subscription: Subscription) -> Standing {
        let Subscription { subscription_id, status, transport, expires_in, .. } = subscription;
        let seconds =
            |seconds: Option<f64>| seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let endpoint = self.parts.allowed.check(&transport.endpoint);
        if let Err(err) = &endpoint {
            self.say(format!("the subscription's endpoint is refused: {err}"));
        }
        let standing = Standing {
            status: Status::read(&status),
            life: seconds(expires_in),
            ping_interval: seconds(transport.ping_interval),
            endpoint_allowed: endpoint.is_ok(),
        };
        self.parts.metrics.subscription_stands(Some(standing.status));
        if matches!(standing.status, Status::Pending | Status::Other) && !self.pending_noted {
            self.pending_noted = true;
            warn!(
                producer = self.producer_id(),
                "the subscription is pending; if it stays so, Analytics streaming may not be enabled for the account: ask Avaya"
            );
        }
        if let Some(life) = standing.life {
            self.parts.metrics.subscription_expiry.set(unix_seconds() + life.as_secs_f64());
        }
        self.parts.ledger.note(self.parts.state.producer_id(), &subscription_id);
        let way = self.way(slot);
        way.subscription = Some(subscription_id);
        way.endpoint = endpoint.ok();
        standing
    }

    /// Takes what AXP says of the measures; without it the built-in table has to do.
    pub(super) fn take_dictionary(&mut self, described: Option<Described>) {
        let Some(described) = described else { return };
        let missing = match described {
            Ok((dictionary, missing)) => {
                self.parts.pipeline.set_dictionary(dictionary, Moment::now());
                missing
            }
            Err(err) => Some(err),
        };
        if let Some(err) = &missing {
            warn!(producer = self.producer_id(), err = describe(err), "no dictionary, or not all of it");
        }
        // Where AXP has said no, it is not asked again.
        let is_final = |err: api::Error| matches!(err.trouble(), Trouble::Refused | Trouble::Gone);
        self.dictionary_asked = missing.is_none_or(is_final);
    }
}
