//! The task of one feed: carries what its [`Session`] asks for, and hands frames to its
//! [`Pipeline`].
//!
//! One call to AXP is under way at a time, beside the socket. Frames are applied as they
//! come, in this task, so that a slow core is felt by TCP and nothing piles up here. The
//! task ends when it is told to stop; it then closes the socket and, for a bounded time,
//! tries to end its subscription.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{self, Message};
use tracing::{debug, info, trace, warn};
use url::Url;

use crate::failure::describe;
use crate::ingest::api::{self, Api, Subscription, unix_seconds};
use crate::ingest::dial::{Dialer, Socket};
use crate::ingest::endpoint::Allowed;
use crate::ingest::feeds::FeedState;
use crate::ingest::session::{Action, Input, Reason, Session, Settings};
use crate::parse::measure::Dictionary;
use crate::pipeline::{Moment, Pipeline};
use crate::telemetry;

/// How long closing the socket and ending the subscription may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a frame of ours may take to go out before the link counts as broken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// What a feed is built from.
#[derive(Debug)]
pub struct FeedParts {
    /// AXP's REST interfaces.
    pub api: Arc<Api>,
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

/// What a call brought.
enum Outcome {
    Subscribed(Option<Result<Dictionary, api::Error>>, Result<(SecretString, Subscription), Failure>),
    Connected(Result<Box<Socket>, Failure>),
    Renewed(Result<Subscription, Failure>),
}

/// A step that failed, with why in words.
type Failure = (Reason, String);
type Call = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The subscription in use.
struct Held {
    id: String,
    /// None where no token may go there.
    endpoint: Option<Url>,
    token: SecretString,
}

/// The task of one feed.
pub struct Feed {
    parts: FeedParts,
    session: Session,
    socket: Option<Socket>,
    call: Option<Call>,
    subscription: Option<Held>,
    pinged_at: Option<Instant>,
    dictionary_asked: bool,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Feed").field("producer_id", &self.producer_id()).finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed that has not begun.
    pub fn new(parts: FeedParts, seed: u64) -> Self {
        let session = Session::new(parts.settings, Instant::now(), seed);
        Self {
            parts,
            session,
            socket: None,
            call: None,
            subscription: None,
            pinged_at: None,
            dictionary_asked: false,
        }
    }

    fn producer_id(&self) -> &str {
        self.parts.state.producer_id()
    }

    /// Runs until `stop` says so.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut action = self.session.handle(Input::Tick, Instant::now());
        loop {
            self.perform(action).await;
            let deadline =
                [self.session.deadline(), self.parts.pipeline.deadline()].into_iter().flatten().min();
            let sleep = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now).into());
            action = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                outcome = next_outcome(&mut self.call) => self.conclude(outcome),
                // Time goes before frames, so that a flood of them delays neither ping nor stale rows.
                () = sleep, if deadline.is_some() => self.tick(),
                message = next_message(&mut self.socket) => self.receive(message),
            };
        }
        // A subscription that is being made has to be known to be ended.
        if self.subscription.is_none() && self.call.is_some() {
            let outcome = tokio::time::timeout(FAREWELL_TIMEOUT, next_outcome(&mut self.call)).await;
            if let Ok(outcome @ Outcome::Subscribed(..)) = outcome {
                self.conclude(outcome);
            }
        }
        self.farewell().await;
    }

    fn tick(&mut self) -> Action {
        let now = Instant::now();
        self.parts.pipeline.tick(now);
        self.note_snapshot(now);
        self.session.handle(Input::Tick, now)
    }

    /// Tells the others, and the session, when a snapshot has closed.
    fn note_snapshot(&mut self, now: Instant) {
        if self.session.is_up() && self.parts.pipeline.is_snapshot_complete() {
            self.session.handle(Input::SnapshotClosed, now);
            self.parts.state.note_snapshot();
        }
    }

    fn receive(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Action {
        let now = Moment::now();
        match message {
            Some(Ok(Message::Text(text))) => {
                match self.session.handle(Input::Text(text.as_str()), now.instant) {
                    Action::Apply => {
                        if let Err(reject) = self.parts.pipeline.apply(text.as_str(), now) {
                            trace!(producer = self.producer_id(), reason = reject.label(), "event refused");
                        }
                        self.note_snapshot(now.instant);
                        Action::None
                    }
                    other => other,
                }
            }
            Some(Ok(Message::Binary(_))) => self.session.handle(Input::Binary, now.instant),
            Some(Ok(Message::Pong(_))) => {
                if let Some(pinged_at) = self.pinged_at.take() {
                    self.parts.metrics.ping.set(pinged_at.elapsed().as_secs_f64());
                }
                self.session.handle(Input::Pong, now.instant)
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                debug!(producer = self.producer_id(), code, "the server closes");
                self.session.handle(Input::Failed(Reason::Closed), now.instant)
            }
            Some(Ok(_)) => Action::None,
            Some(Err(err)) => {
                debug!(producer = self.producer_id(), err = %err, "the connection broke");
                let reason = match err {
                    tungstenite::Error::Capacity(_)
                    | tungstenite::Error::Protocol(_)
                    | tungstenite::Error::Utf8(_) => Reason::Protocol,
                    _ => Reason::Closed,
                };
                self.session.handle(Input::Failed(reason), now.instant)
            }
            None => self.session.handle(Input::Failed(Reason::Closed), now.instant),
        }
    }

    /// Carries out what the session asks for.
    async fn perform(&mut self, action: Action) {
        match action {
            Action::None | Action::Apply => {}
            Action::Subscribe => self.subscribe(),
            Action::Connect => self.connect(),
            Action::Authenticate => {
                if let Some(held) = &self.subscription {
                    let message = serde_json::json!({
                        "event": "authentication",
                        "subscriptionId": held.id,
                        "token": held.token.expose_secret(),
                    });
                    self.send(Message::text(message.to_string())).await;
                }
            }
            Action::Begin => {
                info!(producer = self.producer_id(), "feed up");
                self.parts.pipeline.session_opened(Instant::now());
                self.parts.metrics.up.set(1);
            }
            Action::AcceptEmpty => {
                self.parts.pipeline.accept_empty();
                self.note_snapshot(Instant::now());
            }
            Action::RefuseBinary => self.parts.pipeline.refuse_binary(),
            Action::Ping => {
                self.pinged_at = Some(Instant::now());
                self.send(Message::Ping(tungstenite::Bytes::new())).await;
            }
            Action::Renew => self.renew(),
            Action::Close(reason) => self.close(reason).await,
        }
    }

    /// Sends a frame of ours; what cannot go out shows as a broken link at the next read.
    async fn send(&mut self, message: Message) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        let sent = tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) {
            let action = self.session.handle(Input::Failed(Reason::Closed), Instant::now());
            if let Action::Close(reason) = action {
                self.close(reason).await;
            }
        }
    }

    fn subscribe(&mut self) {
        let api = Arc::clone(&self.parts.api);
        let producer_id = self.producer_id().to_owned();
        let locale = self.parts.locale.clone().filter(|_| !self.dictionary_asked);
        self.call = Some(Box::pin(async move {
            let token = match api.token().await {
                Ok(token) => token,
                Err(err) => return Outcome::Subscribed(None, Err((Reason::Token, describe(&err)))),
            };
            // Kinds are pinned by the first event, so the dictionary comes before it.
            let dictionary = match locale {
                Some(locale) => Some(api.dictionary(&producer_id, &locale).await),
                None => None,
            };
            let subscribed = async {
                let created = api.create(&producer_id, &token).await;
                if created.as_ref().is_err_and(|err| err.status() == Some(reqwest::StatusCode::UNAUTHORIZED))
                {
                    api.forget_token().await;
                }
                let subscription = created.map_err(|err| (Reason::Subscription, describe(&err)))?;
                Ok((token, subscription))
            };
            Outcome::Subscribed(dictionary, subscribed.await)
        }));
    }

    fn connect(&mut self) {
        let Some(url) = self.subscription.as_ref().and_then(|held| held.endpoint.clone()) else { return };
        let dialer = self.parts.dialer.clone();
        self.call = Some(Box::pin(async move {
            let socket = dialer.websocket(&url).await;
            Outcome::Connected(socket.map(Box::new).map_err(|err| (Reason::Connect, describe(&err))))
        }));
    }

    fn renew(&mut self) {
        let Some(held) = &self.subscription else {
            return;
        };
        let (api, id) = (Arc::clone(&self.parts.api), held.id.clone());
        self.call = Some(Box::pin(async move {
            Outcome::Renewed(api.renew(&id).await.map_err(|err| (Reason::Subscription, describe(&err))))
        }));
    }

    /// Takes what a call brought to the session.
    fn conclude(&mut self, outcome: Outcome) -> Action {
        let input = match outcome {
            Outcome::Subscribed(dictionary, Ok((token, subscription))) => {
                self.take_dictionary(dictionary);
                let life = self.note_life(&subscription);
                let endpoint = self.parts.allowed.check(&subscription.transport.endpoint);
                let refused = endpoint.as_ref().err().copied();
                // Held even if its endpoint is refused, so that it is ended.
                let id = subscription.subscription_id;
                self.subscription = Some(Held { id, endpoint: endpoint.ok(), token });
                match refused {
                    None => Input::Subscribed(life),
                    Some(err) => {
                        warn!(producer = self.producer_id(), err = %err, "the subscription's endpoint is refused");
                        Input::Failed(Reason::Endpoint)
                    }
                }
            }
            Outcome::Connected(Ok(socket)) => {
                self.socket = Some(*socket);
                Input::Opened
            }
            Outcome::Renewed(Ok(subscription)) => Input::Renewed(Some(self.note_life(&subscription))),
            Outcome::Renewed(Err((_, err))) => {
                warn!(producer = self.producer_id(), err, "the subscription was not renewed");
                Input::Renewed(None)
            }
            // A failure to get a token or a subscription says more than one to get a dictionary.
            Outcome::Subscribed(_, Err((reason, err))) | Outcome::Connected(Err((reason, err))) => {
                warn!(producer = self.producer_id(), err, "no feed");
                Input::Failed(reason)
            }
        };
        self.session.handle(input, Instant::now())
    }

    fn note_life(&self, subscription: &Subscription) -> Option<Duration> {
        let life = subscription.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())?;
        self.parts.metrics.subscription_expiry.set(unix_seconds() + life.as_secs_f64());
        Some(life)
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

    async fn close(&mut self, reason: Reason) {
        let was_up = self.parts.metrics.up.set(0) == 1;
        if was_up {
            warn!(producer = self.producer_id(), reason = reason.label(), "feed lost");
        }
        self.parts.metrics.reconnect(reason as usize);
        self.parts.pipeline.session_lost(Instant::now());
        self.call = None;
        self.pinged_at = None;
        self.farewell().await;
        if reason == Reason::Authentication {
            self.parts.api.forget_token().await;
        }
    }

    /// Closes the socket and ends the subscription, as far as time allows.
    async fn farewell(&mut self) {
        let (socket, held) = (self.socket.take(), self.subscription.take());
        self.parts.metrics.subscription_expiry.set(0.0);
        let (api, producer_id) = (Arc::clone(&self.parts.api), self.producer_id().to_owned());
        let farewell = async move {
            if let Some(mut socket) = socket {
                let _ = socket.close(None).await;
            }
            if let Some(held) = held
                && let Err(err) = api.delete(&held.id).await
            {
                debug!(producer = producer_id, err = describe(&err), "the subscription is left to expire");
            }
        };
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
    }
}

async fn next_outcome(call: &mut Option<Call>) -> Outcome {
    match call {
        Some(running) => {
            let outcome = running.await;
            *call = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

async fn next_message(socket: &mut Option<Socket>) -> Option<Result<Message, tungstenite::Error>> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}
