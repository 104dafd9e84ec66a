//! One websocket session: authentication, snapshot, live events.
//!
//! Whatever the client does ends its own session only. The first frame has to be an authentication, in time; pings
//! have to keep coming; the subscription has to stay alive. A client that reads too slowly is noticed by the hub, whose
//! queue for it runs full: the session then closes, even in the middle of a write. Frames after authentication are read
//! and dropped; one larger than [`FRAME_BYTES_MAX`] ends the session.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::{
    fault::{At, Fault},
    hub::{Control, Ending, Joined, Silence},
    measures::Producer,
    options::Spelling,
    site::Site,
    snapshot::{BATCH_EVENTS, Snapshot},
    subscriptions::Status,
    valve::Valve,
};

/// Largest frame a client may send: an authentication with a very long token.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// How long the other side may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A websocket with a valve on its way out.
type Ws = WebSocketStream<Valve<TcpStream>>;

/// What the path of an upgraded connection said.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The subscription's id.
    pub(super) subscription: String,
}

/// Serves an upgraded connection to its end.
pub(super) async fn serve(site: Arc<Site>, stream: TcpStream, read: Vec<u8>, target: Target) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let mut ws =
        WebSocketStream::from_partially_read(Valve::new(stream), read, Role::Server, Some(config)).await;
    let fault = site.faults().take(|fault| matches!(fault, Fault::AcceptThenClose { at: At::Upgrade, .. }));
    if let Some(Fault::AcceptThenClose { reset, .. }) = fault {
        let ending = if reset { Ending::Reset } else { close_with(1011, "closed on request") };
        return end(ws, ending).await;
    }
    let ending = match authenticate(&site, &mut ws, &target).await {
        Ok(producer) => {
            tracing::debug!(
                producer = producer.id(),
                subscription = target.subscription,
                "socket authenticated"
            );
            let joined = site.hub().join(producer, &target.subscription);
            let _seat = Seat { site: &site, number: joined.number };
            Session::new(&site, &mut ws, joined, &target, producer).run().await
        }
        Err(ending) => Some(ending),
    };
    tracing::debug!(subscription = target.subscription, ?ending, "socket ends");
    if let Some(ending) = ending {
        end(ws, ending).await;
    }
}

/// Waits for the authentication frame and answers it.
async fn authenticate(site: &Site, ws: &mut Ws, target: &Target) -> Result<Producer, Ending> {
    let frame = timeout(site.options.authentication_timeout, first_frame(ws)).await;
    let Ok(Some(text)) = frame else {
        return Err(close_with(1008, "authentication expected"));
    };
    let frame: Value = serde_json::from_str(&text).unwrap_or_default();
    if frame.get("event").and_then(Value::as_str) != Some("authentication") {
        return Err(close_with(1008, "authentication expected"));
    }
    let refused = site.faults().take(|fault| matches!(fault, Fault::RefuseAuthentication { .. }));
    let verdict = match refused {
        Some(Fault::RefuseAuthentication { status, .. }) => Err(status),
        _ => check(site, &frame, target).map_err(|status| format!("CONNECTION_FAILED_{status}")),
    };
    let documented = match site.options.spelling {
        Spelling::Documented => true,
        Spelling::Real => false,
        Spelling::Mixed => site.rng().random_bool(0.5),
    };
    let event = if documented { "authenticationResponse" } else { "AUTHENTICATION_RESPONSE" };
    let status = verdict.as_ref().map_or_else(String::as_str, |_| "CONNECTION_CONFIRMED");
    let answer = json!({ "event": event, "status": status }).to_string();
    let sent = timeout(CLOSE_TIMEOUT, ws.send(Message::text(answer))).await;
    match (verdict, sent) {
        (Ok(producer), Ok(Ok(()))) => Ok(producer),
        _ => Err(close_with(1008, "authentication failed")),
    }
}

/// The first text frame; `None` if it is of another kind or the client is gone.
async fn first_frame(ws: &mut Ws) -> Option<Utf8Bytes> {
    loop {
        match ws.next().await? {
            Ok(Message::Text(text)) => return Some(text),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return None,
        }
    }
}

/// Checks an authentication frame; gives what the subscription is for, or AXP's word for what is wrong.
fn check(site: &Site, frame: &Value, target: &Target) -> Result<Producer, &'static str> {
    let field = |name| frame.get(name).and_then(Value::as_str).ok_or("CONSTRAINT_VIOLATION");
    let (subscription, token) = (field("subscriptionId")?, field("token")?);
    let now = Instant::now();
    site.tokens().expiry(token, now).ok_or("INVALID_TOKEN")?;
    let found = site.subscriptions().get(subscription, now).filter(|found| found.id == target.subscription);
    match found {
        Some(found) if found.status == Status::Active => Ok(found.wanted.producer),
        _ => Err("UNKNOWN_SUBSCRIPTION"),
    }
}

/// A session's place in the hub, given back however the session ends.
struct Seat<'a> {
    site: &'a Site,
    number: u64,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.site.hub().leave(self.number);
    }
}

/// What a session does next.
enum Step {
    Controlled,
    Read(Option<Result<Message, WsError>>),
    Write,
    SnapshotEnded,
    Wake,
}

/// A session that has authenticated.
struct Session<'a> {
    site: &'a Site,
    ws: &'a mut Ws,
    target: &'a Target,
    snapshot: Snapshot,
    events: mpsc::Receiver<Message>,
    control: watch::Receiver<Control>,
    pinged: Instant,
}

impl<'a> Session<'a> {
    fn new(site: &'a Site, ws: &'a mut Ws, joined: Joined, target: &'a Target, producer: Producer) -> Self {
        let Joined { snapshot, events, control, .. } = joined;
        let snapshot = Snapshot::new(site, producer, snapshot);
        Self { site, ws, target, snapshot, events, control, pinged: Instant::now() }
    }

    /// Runs to the end; `None` if the client has gone.
    async fn run(mut self) -> Option<Ending> {
        let mut batch: Vec<Message> = Vec::with_capacity(BATCH_EVENTS);
        loop {
            let control = self.control.borrow_and_update().clone();
            let silent = control.silence.holds(Instant::now());
            self.ws.get_mut().turn(silent);
            if let Some(ending) = control.ending {
                self.ws.get_mut().turn(false);
                return Some(ending);
            }
            let wake = match (self.deadline(), control.silence) {
                (Ok(deadline), Silence::Until(until)) if silent => until.min(deadline),
                (Ok(deadline), _) => deadline,
                (Err(ending), _) => return Some(ending),
            };
            let step = tokio::select! {
                biased;
                changed = self.control.changed() => match changed {
                    Ok(()) => Step::Controlled,
                    Err(_) => return None,
                },
                frame = self.ws.next() => Step::Read(frame),
                more = self.snapshot.next_events(&mut self.events, &mut batch) => {
                    if more { Step::Write } else { Step::SnapshotEnded }
                }
                () = sleep_until(wake) => Step::Wake,
            };
            match step {
                Step::Read(Some(Ok(Message::Ping(_)))) => {
                    self.pinged = Instant::now();
                    self.write(&mut batch).await?;
                }
                Step::Read(Some(Ok(Message::Close(_)) | Err(_)) | None) => return None,
                Step::Controlled | Step::Wake | Step::Read(Some(Ok(_))) => {}
                Step::Write => self.write(&mut batch).await?,
                Step::SnapshotEnded => return Some(close_with(1011, "snapshot ended on request")),
            }
        }
    }

    /// Writes what there is, pongs included; `None` if the client is gone. An ending interrupts it.
    async fn write(&mut self, batch: &mut Vec<Message>) -> Option<()> {
        let ws = &mut *self.ws;
        let write = async {
            for message in batch.drain(..) {
                ws.feed(message).await?;
            }
            ws.flush().await
        };
        let mut control = self.control.clone();
        tokio::select! {
            biased;
            _ = control.wait_for(|control| control.ending.is_some()) => Some(()),
            written = write => written.ok(),
        }
    }

    /// When to look again at the clock, or how the session ends because time has run out.
    fn deadline(&self) -> Result<Instant, Ending> {
        let now = Instant::now();
        let ping = self.pinged + self.site.options.ping_interval;
        if ping <= now {
            self.site.subscriptions().deactivate(|one| one.id == self.target.subscription);
            return Err(close_with(1001, "no ping"));
        }
        let expires = self.site.subscriptions().get(&self.target.subscription, now).map(|one| one.expires);
        match expires {
            Some(expires) if expires <= now => Err(close_with(1000, "subscription has expired")),
            Some(expires) => Ok(expires.min(ping)),
            None => Ok(ping),
        }
    }
}

fn close_with(code: u16, reason: &str) -> Ending {
    Ending::Close { code, reason: reason.to_owned() }
}

/// Ends a socket and its connection.
async fn end(mut ws: Ws, ending: Ending) {
    match ending {
        Ending::Close { code, reason } => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            // A client that does not answer is not waited for.
            let _ = timeout(CLOSE_TIMEOUT, async {
                if ws.close(Some(frame)).await.is_ok() {
                    while let Some(Ok(_)) = ws.next().await {}
                }
            })
            .await;
        }
        Ending::Reset => {
            // Without lingering, dropping the socket is a reset.
            let _ = ws.get_ref().stream().set_zero_linger();
        }
    }
}
