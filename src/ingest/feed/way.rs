//! A way: what one link of a session has open, and the calls it makes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use secrecy::SecretString;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

use crate::ingest::api::{self, Api, Subscription};
use crate::ingest::dial::{self, Dialer, Socket};
use crate::ingest::ledger::Ledger;
use crate::ingest::link::Call;
use crate::ingest::words;
use crate::parse::measure::Dictionary;

/// Most bytes of how a socket ended; a close frame has no more
/// ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
const ENDING_BYTES_MAX: usize = 123;

/// What a call brought.
pub(super) enum Outcome {
    /// A subscription, or none where one was looked for.
    Subscription(Option<Box<Subscription>>),
    /// A token.
    Token(SecretString),
    /// Nothing, and why.
    Trouble(api::Error),
    /// A websocket, or why there is none.
    Connected(Result<Box<Socket>, dial::Error>),
}

/// How a socket ends: the code that it is closed with, by the server or by us, and why.
pub(super) struct Ending {
    pub(super) code: CloseCode,
    /// The server's words or what broke, fit for a log.
    pub(super) words: String,
}

impl Ending {
    /// The server closes; its words are shown without the token that it was sent.
    pub(super) fn by_server(frame: Option<&CloseFrame>, token: Option<&SecretString>) -> Self {
        let words = frame.map_or("", |frame| frame.reason.as_str());
        Self {
            code: frame.map_or(CloseCode::Status, |frame| frame.code),
            words: words::fit(words, token.as_slice(), ENDING_BYTES_MAX),
        }
    }

    /// Nothing more can be read. Who closes for that is left to us: tungstenite sends nothing.
    pub(super) fn of(err: &tungstenite::Error) -> Self {
        let code = match err {
            tungstenite::Error::Capacity(_) => CloseCode::Size,
            tungstenite::Error::Utf8(_) => CloseCode::Invalid,
            // The connection ended without a word, which it calls a breach of the protocol.
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => CloseCode::Abnormal,
            tungstenite::Error::Protocol(_) => CloseCode::Protocol,
            _ => CloseCode::Abnormal,
        };
        Self { code, words: words::fit(&err.to_string(), &[], ENDING_BYTES_MAX) }
    }
}

/// A frame, or none at the end of a socket.
pub(super) type Frame = Option<Result<Message, tungstenite::Error>>;

/// What came of a way.
pub(super) enum Happened {
    /// A call has ended; with what AXP says of the measures, if that was asked for.
    Call(Outcome, Option<Described>),
    /// A frame came, or the socket is gone.
    Frame(Frame),
}

/// What calls need.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) api: Arc<Api>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) producer_id: String,
    /// What the other link holds, which is not to be found.
    pub(super) others: Option<String>,
}

/// What AXP says of the measures, and what kept their descriptions away.
pub(super) type Described = Result<(Dictionary, Option<api::Error>), api::Error>;

type Running = Pin<Box<dyn Future<Output = (Outcome, Option<Described>)> + Send>>;

/// What one link has open.
#[derive(Default)]
pub(super) struct Way {
    pub(super) socket: Option<Socket>,
    call: Option<Running>,
    /// When the last call ended.
    ended_at: Option<Instant>,
    /// The subscription in use, by its id.
    pub(super) subscription: Option<String>,
    /// Where its events come, if a token may go there.
    pub(super) endpoint: Option<Url>,
    /// The token to authenticate with, or that the socket was opened with.
    pub(super) token: Option<SecretString>,
    pub(super) pinged_at: Option<Instant>,
    /// How the socket ended, once that is known.
    pub(super) ending: Option<Ending>,
}

impl Way {
    /// A way with nothing open, for a subscription that is known from before.
    pub(super) fn holding(subscription: Option<String>) -> Self {
        Self { subscription, ..Self::default() }
    }

    /// Waits for whatever comes first; for ever where nothing is open.
    pub(super) async fn next(&mut self) -> Happened {
        if let Some(running) = &mut self.call {
            // While a call runs beside an open socket both may have something to say.
            let ended = match &mut self.socket {
                Some(socket) => tokio::select! {
                    biased;
                    ended = running => ended,
                    frame = socket.next() => return Happened::Frame(frame),
                },
                None => running.await,
            };
            self.call = None;
            self.ended_at = Some(Instant::now());
            return Happened::Call(ended.0, ended.1);
        }
        match &mut self.socket {
            Some(socket) => Happened::Frame(socket.next().await),
            None => std::future::pending().await,
        }
    }

    /// What came of the socket, if one need not wait for it.
    pub(super) fn frame_at_hand(&mut self) -> Option<Frame> {
        self.socket.as_mut()?.next().now_or_never()
    }

    /// Waits for a subscription that is being made, for so long: it has to be known to be ended.
    pub(super) async fn finish_creation(&mut self, timeout: Duration) {
        if self.subscription.is_none()
            && let Some(running) = self.call.take()
            && let Ok((Outcome::Subscription(Some(made)), _)) = tokio::time::timeout(timeout, running).await
        {
            self.subscription = Some(made.subscription_id);
        }
    }

    /// Begins a call; `anew` with a token asked for now. With a `locale` AXP is asked about
    /// the measures before.
    pub(super) fn call(&mut self, caller: Caller, call: Call, anew: bool, locale: Option<String>) {
        let subscription = self.subscription.clone();
        let refused_at = self.ended_at.filter(|_| anew);
        self.call = Some(Box::pin(async move {
            let Caller { api, ledger, producer_id, others } = caller;
            if let Some(ended_at) = refused_at {
                api.forget_token(ended_at).await;
            }
            // Kinds are pinned by the first event, so the dictionary comes before it.
            let dictionary = match locale {
                Some(locale) => Some(api.dictionary(&producer_id, &locale).await),
                None => None,
            };
            let id = subscription.unwrap_or_default();
            let found = |subscription| Outcome::Subscription(Some(Box::new(subscription)));
            let outcome = match call {
                Call::Create => api.create(&producer_id, &ledger.instance()).await.map(found),
                Call::Find => api
                    .find(&producer_id, &ledger.instance(), others.as_deref())
                    .await
                    .map(|subscription| Outcome::Subscription(subscription.map(Box::new))),
                Call::Get => api.get(&id).await.map(found),
                Call::Renew => api.renew(&id).await.map(found),
                Call::Token => api.token().await.map(Outcome::Token),
            };
            (outcome.unwrap_or_else(Outcome::Trouble), dictionary)
        }));
    }

    /// Begins to open the websocket.
    pub(super) fn connect(&mut self, dialer: Dialer) {
        let Some(url) = self.endpoint.clone() else { return };
        self.call =
            Some(Box::pin(
                async move { (Outcome::Connected(dialer.websocket(&url).await.map(Box::new)), None) },
            ));
    }

    /// Drops what is under way and takes the socket out.
    pub(super) fn shut(&mut self) -> Option<Socket> {
        self.call = None;
        self.pinged_at = None;
        self.token = None;
        self.ending = None;
        self.socket.take()
    }
}
