//! The task of one feed: carries what its [`Session`] asks for, and hands frames to its
//! [`Pipeline`].
//!
//! Each link of the session has a `Way`: at most one call to AXP under way, beside its
//! socket. Frames are applied as they come, in this task, so that a slow core is felt by
//! TCP and nothing piles up here. The task ends when it is told to stop; it then closes
//! its sockets and, for a bounded time, tries to end its subscriptions.

mod way;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Bytes, Error as WireError, Message};
use tracing::{debug, info, trace, warn};

use crate::failure::describe;
use crate::ingest::api::{self, Api, Subscription, unix_seconds};
use crate::ingest::dial::{Dialer, Socket};
use crate::ingest::endpoint::Allowed;
use crate::ingest::feeds::FeedState;
use crate::ingest::ledger::Ledger;
use crate::ingest::link::{Action, Input, Settings, Standing, Status, Trouble, Verdict};
use crate::ingest::session::{Reason, Session, Slot, read_verdict};
use crate::parse::measure::Dictionary;
use crate::pipeline::{Moment, Pipeline};
use crate::reject::EventReject;
use crate::telemetry;
use way::{Caller, Happened, Outcome, Way};

/// How long closing a socket and ending a subscription may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a frame of ours may take to go out before the link counts as broken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A gap between the clock that stops while the machine sleeps and the one that does not,
/// which is more than their reading takes.
const SLEEP_MIN: f64 = 10.0;

/// What a feed is built from.
#[derive(Debug)]
pub struct FeedParts {
    /// AXP's REST interfaces.
    pub api: Arc<Api>,
    /// The subscriptions that are held.
    pub ledger: Arc<Ledger>,
    /// The way out.
    pub dialer: Dialer,
    /// Where a token may go.
    pub allowed: Allowed,
    /// How the feed stands, for the others.
    pub state: Arc<FeedState>,
    /// What is made of its frames.
    pub pipeline: Pipeline,
    /// What it shows.
    pub metrics: telemetry::Feed,
    /// The session's settings.
    pub settings: Settings,
    /// The locale of descriptions; none to ask for no dictionary.
    pub locale: Option<String>,
}

/// The task of one feed.
pub struct Feed {
    parts: FeedParts,
    session: Session,
    a: Way,
    b: Way,
    /// The link whose session the pipeline follows.
    follows: Slot,
    /// What happened and was not told to the session yet.
    inputs: VecDeque<(Slot, Input)>,
    snapshot_noted: bool,
    dictionary_asked: bool,
    pending_noted: bool,
    /// The last trouble in words: said once, not at each attempt.
    last_trouble: String,
    clocks: Clocks,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Feed").field("producer_id", &self.producer_id()).finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed that has not begun.
    pub fn new(parts: FeedParts, seed: u64) -> Self {
        let held = parts.ledger.subscription(parts.state.producer_id());
        let session = Session::new(parts.settings, Instant::now(), seed, held.is_some());
        Self {
            parts,
            session,
            a: Way::holding(held),
            b: Way::default(),
            follows: Slot::A,
            inputs: VecDeque::new(),
            snapshot_noted: false,
            dictionary_asked: false,
            pending_noted: false,
            last_trouble: String::new(),
            clocks: Clocks::now(),
        }
    }

    fn producer_id(&self) -> &str {
        self.parts.state.producer_id()
    }

    const fn way(&mut self, slot: Slot) -> &mut Way {
        match slot {
            Slot::A => &mut self.a,
            Slot::B => &mut self.b,
        }
    }

    /// Runs until `stop` says so.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            while let Some((slot, input)) = self.inputs.pop_front() {
                let (slot, action) = self.session.handle(slot, input, Instant::now());
                self.perform(slot, action).await;
            }
            let due = self.session.deadline().map(|(deadline, _)| deadline);
            let deadline = [due, self.parts.pipeline.deadline()].into_iter().flatten().min();
            let sleep = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now).into());
            let (slot, happened) = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                // Time goes first, so that a flood of frames delays neither ping nor stale rows.
                () = sleep, if deadline.is_some() => {
                    self.tick();
                    continue;
                }
                happened = either(&mut self.a, &mut self.b) => happened,
            };
            match happened {
                Happened::Call(outcome, dictionary) => {
                    self.take_dictionary(dictionary);
                    self.conclude(slot, outcome);
                }
                Happened::Frame(frame) => self.receive(slot, frame),
            }
        }
        self.farewell().await;
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.parts.pipeline.tick(now);
        self.note_snapshot();
        if self.clocks.slept() {
            info!(producer = self.producer_id(), "the machine slept");
            self.inputs.extend(Slot::ALL.map(|slot| (slot, Input::Woke)));
        }
        if let Some((deadline, slot)) = self.session.deadline()
            && now >= deadline
        {
            self.inputs.push_back((slot, Input::Tick));
        }
    }

    /// Tells the others, and the session, when a snapshot has closed.
    fn note_snapshot(&mut self) {
        if !self.snapshot_noted && self.parts.pipeline.is_snapshot_complete() {
            self.snapshot_noted = true;
            self.parts.state.note_snapshot();
            self.inputs.push_back((self.follows, Input::SnapshotClosed));
        }
    }

    fn receive(&mut self, slot: Slot, frame: Option<Result<Message, WireError>>) {
        let input = match frame {
            Some(Ok(Message::Text(text))) => self.read(slot, text.as_str()),
            Some(Ok(Message::Binary(_))) => {
                self.parts.pipeline.refuse(EventReject::Binary);
                Input::Frame
            }
            Some(Ok(Message::Pong(_))) => {
                if let Some(pinged_at) = self.way(slot).pinged_at.take() {
                    self.parts.metrics.ping.set(pinged_at.elapsed().as_secs_f64());
                }
                Input::Pong
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                debug!(producer = self.producer_id(), code, "the server closes");
                Input::Broken(Reason::Closed)
            }
            // A ping of the server's is as good a sign of life as a pong.
            Some(Ok(_)) => Input::Pong,
            Some(Err(err)) => {
                debug!(producer = self.producer_id(), err = %err, "the connection broke");
                Input::Broken(match err {
                    WireError::Capacity(_) | WireError::Protocol(_) | WireError::Utf8(_) => Reason::Protocol,
                    _ => Reason::Closed,
                })
            }
            None => Input::Broken(Reason::Closed),
        };
        self.inputs.push_back((slot, input));
    }

    /// Reads a text frame: the answer to authentication, or an event.
    fn read(&mut self, slot: Slot, text: &str) -> Input {
        let link = self.session.link(slot);
        if link.is_authenticating() {
            let Some(verdict) = read_verdict(text) else {
                self.parts.pipeline.refuse(EventReject::Early);
                return Input::Frame;
            };
            if verdict != Verdict::Confirmed {
                self.say(format!("authentication is refused: {verdict:?}"));
            }
            return Input::Authentication(verdict);
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
        read_verdict(text).map_or(frame, Input::Authentication)
    }

    /// Carries out what the session asks a link for.
    async fn perform(&mut self, slot: Slot, action: Action) {
        match action {
            Action::None | Action::Replace => {}
            Action::Call(call) | Action::CallAnew(call) => {
                let caller = Caller {
                    api: Arc::clone(&self.parts.api),
                    ledger: Arc::clone(&self.parts.ledger),
                    producer_id: self.producer_id().to_owned(),
                    others: self.way(slot.other()).subscription.clone(),
                };
                let locale = self.parts.locale.clone().filter(|_| !self.dictionary_asked);
                // Asked once a token is there, which the first call has shown.
                let locale = locale.filter(|_| call == crate::ingest::link::Call::Token);
                self.way(slot).call(caller, call, matches!(action, Action::CallAnew(_)), locale);
            }
            Action::Connect => {
                let dialer = self.parts.dialer.clone();
                self.way(slot).connect(dialer);
            }
            Action::Authenticate => self.authenticate(slot).await,
            Action::Begin => {
                info!(producer = self.producer_id(), "feed up");
                self.last_trouble.clear();
                self.follows = slot;
                self.snapshot_noted = false;
                self.parts.pipeline.session_opened(Instant::now());
                self.parts.metrics.up.set(1);
            }
            Action::Ping => {
                self.way(slot).pinged_at = Some(Instant::now());
                self.send(slot, Message::Ping(Bytes::new())).await;
            }
            // The silence of an outgoing session says nothing about the one that is followed.
            Action::AcceptEmpty if slot != self.follows => {}
            Action::AcceptEmpty => {
                self.parts.pipeline.accept_empty();
                self.note_snapshot();
            }
            Action::Close(reason) => self.close(slot, reason, false),
            Action::Abandon(reason) => self.close(slot, reason, true),
        }
    }

    async fn authenticate(&mut self, slot: Slot) {
        let way = self.way(slot);
        let (Some(id), Some(token)) = (&way.subscription, way.token.take()) else { return };
        let message = serde_json::json!({
            "event": "authentication",
            "subscriptionId": id,
            "token": token.expose_secret(),
        });
        self.send(slot, Message::text(message.to_string())).await;
    }

    /// Sends a frame of ours; what cannot go out is a broken link.
    async fn send(&mut self, slot: Slot, message: Message) {
        let Some(socket) = &mut self.way(slot).socket else { return };
        let sent = tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.inputs.push_back((slot, Input::Broken(Reason::Closed)));
        }
    }

    /// Takes what a call brought to the session.
    fn conclude(&mut self, slot: Slot, outcome: Outcome) {
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
                }
                // What keeps the token from all feeds is said where it is asked for.
                if matches!(err, api::Error::NoToken { .. }) {
                    debug!(producer = self.producer_id(), err = describe(&err), "no token for the feed");
                } else {
                    self.say(describe(&err));
                }
                Input::Trouble(trouble)
            }
            Outcome::Connected(Ok(socket)) => {
                self.way(slot).socket = Some(*socket);
                Input::Opened
            }
            Outcome::Connected(Err(err)) => {
                self.say(describe(&err));
                Input::Broken(Reason::Connect)
            }
        };
        self.inputs.push_back((slot, input));
    }

    /// Says what went wrong: once, until it changes.
    fn say(&mut self, words: String) {
        if words == self.last_trouble {
            debug!(producer = self.producer_id(), err = words, "no feed, still");
        } else {
            warn!(producer = self.producer_id(), err = words, "no feed");
            self.last_trouble = words;
        }
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
            status: match status.to_ascii_uppercase().as_str() {
                "ACTIVE" => Status::Active,
                "INACTIVE" => Status::Inactive,
                _ => Status::Pending,
            },
            life: seconds(expires_in),
            ping_interval: seconds(transport.ping_interval),
            endpoint_allowed: endpoint.is_ok(),
        };
        if standing.status == Status::Pending && !self.pending_noted {
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
    fn take_dictionary(&mut self, dictionary: Option<Result<Dictionary, api::Error>>) {
        match dictionary {
            Some(Ok(dictionary)) => {
                self.dictionary_asked = true;
                self.parts.pipeline.set_dictionary(dictionary);
            }
            Some(Err(err)) => {
                // Where AXP has said no, it is not asked again.
                self.dictionary_asked = err.status().is_some_and(|status| status.is_client_error());
                warn!(producer = self.producer_id(), err = describe(&err), "no dictionary");
            }
            None => {}
        }
    }

    /// Ends a link's session, and its subscription where that is of no use.
    fn close(&mut self, slot: Slot, reason: Reason, abandon: bool) {
        let was_up = self.parts.metrics.up.get() == 1;
        let is_up = self.session.is_up();
        self.parts.metrics.up.set(i64::from(is_up));
        self.parts.metrics.reconnect(reason as usize);
        if was_up && !is_up {
            warn!(producer = self.producer_id(), reason = reason.label(), "feed lost");
        }
        if slot == self.follows {
            if is_up {
                self.follows = slot.other();
                self.parts.pipeline.session_handed_back();
            } else {
                self.parts.pipeline.session_lost(Instant::now());
            }
        } else {
            self.parts.pipeline.outgoing_ended();
        }
        // What else ends a way has been said where it happened.
        if !was_up && matches!(reason, Reason::Closed | Reason::Protocol) {
            self.say(format!("the websocket ends before the feed is up: {}", reason.label()));
        }
        // What the other link has taken up is not ours to end.
        let others = self.way(slot.other()).subscription.clone();
        let way = self.way(slot);
        let socket = way.shut();
        let held =
            if abandon { way.subscription.take().filter(|id| Some(id) != others.as_ref()) } else { None };
        if abandon && !is_up {
            self.parts.metrics.subscription_expiry.set(0.0);
        }
        tokio::spawn(self.leave(socket, held));
    }

    /// Closes a socket and ends a subscription, as far as time allows.
    fn leave(&self, socket: Option<Socket>, held: Option<String>) -> impl Future<Output = ()> + Send + use<> {
        let (api, ledger) = (Arc::clone(&self.parts.api), Arc::clone(&self.parts.ledger));
        let producer_id = self.producer_id().to_owned();
        async move {
            let leaving = async {
                if let Some(mut socket) = socket {
                    let _ = socket.close(None).await;
                }
                if let Some(id) = held {
                    match api.delete(&id).await {
                        Ok(()) => ledger.forget(&producer_id, &id),
                        Err(err) => {
                            debug!(
                                producer = producer_id,
                                err = describe(&err),
                                "a subscription is left to expire"
                            );
                        }
                    }
                }
            };
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, leaving).await;
        }
    }

    /// Leaves nothing behind, as far as time allows.
    async fn farewell(&mut self) {
        for slot in Slot::ALL {
            // A subscription that is being made has to be known to be ended.
            if self.way(slot).is_calling() && self.way(slot).subscription.is_none() {
                let outcome = self.way(slot).finish_call(FAREWELL_TIMEOUT).await;
                if let Some(Outcome::Subscription(Some(subscription))) = outcome {
                    self.way(slot).subscription = Some(subscription.subscription_id);
                }
            }
        }
        let (socket, held) = (self.a.shut(), self.a.subscription.take());
        let a = self.leave(socket, held);
        let (socket, held) = (self.b.shut(), self.b.subscription.take());
        let b = self.leave(socket, held);
        tokio::join!(a, b);
    }
}

/// Waits for either way, neither of which can keep the other from being heard.
async fn either(a: &mut Way, b: &mut Way) -> (Slot, Happened) {
    tokio::select! {
        happened = a.next() => (Slot::A, happened),
        happened = b.next() => (Slot::B, happened),
    }
}

/// Two clocks: one stops while the machine sleeps, the other does not.
struct Clocks {
    awake: Instant,
    always: Option<f64>,
}

impl Clocks {
    fn now() -> Self {
        let always = procfs::Current::current().ok().map(|uptime: procfs::Uptime| uptime.uptime);
        Self { awake: Instant::now(), always }
    }

    /// True if the machine slept since the last look.
    fn slept(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        let awake = self.awake.duration_since(before.awake).as_secs_f64();
        match (before.always, self.always) {
            (Some(before), Some(after)) => after - before - awake > SLEEP_MIN,
            _ => false,
        }
    }
}
