//! The task of one feed: carries what its [`Session`] asks for, and hands frames to its
//! [`Pipeline`].
//!
//! Each link of the session has a `Way`: at most one call to AXP under way, beside its
//! socket. Frames are applied as they come, in this task, so that a slow core is felt by
//! TCP and nothing piles up here. The task ends when it is told to stop; it then closes
//! its sockets and, for a bounded time, tries to end its subscriptions.
//!
//! In reading order: what a link has open (`feed/way.rs`), what comes of it (`feed/outcome.rs` and
//! `feed/frame.rs`), how it ends (`feed/farewell.rs`), how a sleep of the machine is seen
//! (`feed/clocks.rs`), what is told to who asks (`feed/answer.rs`), and what a reload makes of it
//! (`feed/renewal.rs`).

mod answer;
mod clocks;
mod farewell;
mod frame;
mod outcome;
mod renewal;
mod way;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tracing::{debug, info, warn};

use crate::ingest::api::Api;
use crate::ingest::dial::Dialer;
use crate::ingest::endpoint::Allowed;
use crate::ingest::feeds::{FeedState, Request, Requests};
use crate::ingest::ledger::Ledger;
use crate::ingest::link::{Action, Call, Input, Settings};
use crate::ingest::report::Setback;
use crate::ingest::session::{Reason, Session, Slot};
use crate::pipeline::{Moment, Pipeline};
use crate::pulse::Pulse;
use crate::telemetry;
use clocks::Clocks;
use way::{Caller, Frame, Happened, Way};

/// How long a frame of ours may take to go out before the link counts as broken.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Most frames that are taken one after the other before anything else is looked at.
const FRAMES_AT_ONCE: usize = 64;

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
    /// What it is asked for.
    pub requests: Requests,
    /// Beaten as its loop goes round.
    pub pulse: Pulse,
    /// What is made of its frames.
    pub pipeline: Pipeline,
    /// What it shows.
    pub metrics: telemetry::Feed,
    /// The session's settings.
    pub settings: Settings,
    /// The locale of descriptions; none to ask for no dictionary.
    pub locale: Option<String>,
}

/// What a feed turns to next.
enum Next {
    /// What time brings.
    Tick,
    /// What others ask for.
    Asked(Request),
    /// What came of one of its ways.
    Happened(Slot, Happened),
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
    /// What the session asks for and was not done yet.
    actions: VecDeque<(Slot, Action)>,
    snapshot_noted: bool,
    dictionary_asked: bool,
    pending_noted: bool,
    /// The last trouble in words: said once, not at each attempt.
    last_trouble: String,
    /// The last trouble for who asks, also once the feed is up again.
    setback: Option<Setback>,
    /// Sockets that are being closed and subscriptions that are being ended.
    leaving: JoinSet<()>,
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
        let before = parts.ledger.before(parts.state.producer_id());
        let session = Session::new(parts.settings, Instant::now(), seed, before);
        Self {
            parts,
            session,
            a: Way::holding(held),
            b: Way::default(),
            follows: Slot::A,
            inputs: VecDeque::new(),
            actions: VecDeque::new(),
            snapshot_noted: false,
            dictionary_asked: false,
            pending_noted: false,
            last_trouble: String::new(),
            setback: None,
            leaving: JoinSet::new(),
            clocks: Clocks::now(),
        }
    }

    fn producer_id(&self) -> &str {
        self.parts.state.producer_id()
    }

    /// Who makes calls to AXP for this feed.
    fn caller(&self) -> Caller {
        Caller {
            api: Arc::clone(&self.parts.api),
            ledger: Arc::clone(&self.parts.ledger),
            producer_id: self.producer_id().to_owned(),
            others: None,
        }
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
            tokio::select! {
                biased;
                () = self.follow() => {}
                // A frame of ours may be stuck.
                _ = stop.wait_for(|stop| *stop) => break,
            }
            let due = self.session.deadline().map(|(deadline, _)| deadline);
            let deadlines = [due, self.parts.pipeline.deadline()].into_iter().flatten();
            let sleep = tokio::time::sleep_until(deadlines.fold(self.clocks.look_at(), Instant::min).into());
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                // Time goes first, so that a flood of frames delays neither ping nor stale rows.
                () = sleep => Next::Tick,
                // Bounded by who asks, so that neither can keep the other from being heard.
                Some(request) = self.parts.requests.recv() => Next::Asked(request),
                (slot, happened) = either(&mut self.a, &mut self.b) => Next::Happened(slot, happened),
            };
            match next {
                Next::Tick => self.tick(),
                Next::Asked(Request::Report(answer)) => drop(answer.send(self.report())),
                Next::Asked(Request::Pause(pause)) => tokio::select! {
                    () = self.pause(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                },
                #[cfg(test)]
                Next::Asked(Request::Panic) => std::panic::panic_any("asked for"),
                Next::Happened(slot, Happened::Call(outcome, dictionary)) => {
                    self.take_dictionary(dictionary);
                    self.conclude(slot, outcome);
                }
                Next::Happened(slot, Happened::Frame(frame)) => self.receive_all(slot, frame),
            }
        }
        self.farewell().await;
    }

    /// Tells the session what happened, and does what it asks for.
    async fn follow(&mut self) {
        while !self.is_settled() {
            if let Some((slot, action)) = self.actions.pop_front() {
                self.perform(slot, action).await;
            }
        }
    }

    /// Tells the session what happened until it asks for something; true if it does not.
    fn is_settled(&mut self) -> bool {
        while self.actions.is_empty() {
            let Some((slot, input)) = self.inputs.pop_front() else { return true };
            let asked = self.session.handle(slot, input, Instant::now());
            if asked.1 != Action::None {
                self.actions.push_back(asked);
            }
        }
        false
    }

    /// Takes a frame, and those that have been read from the socket together with it: to wait
    /// for each would cost more than to apply it.
    fn receive_all(&mut self, slot: Slot, frame: Frame) {
        self.receive(slot, frame);
        for _ in 1..FRAMES_AT_ONCE {
            if !self.is_settled() {
                break;
            }
            let Some(frame) = self.way(slot).frame_at_hand() else { break };
            self.receive(slot, frame);
        }
    }

    fn tick(&mut self) {
        self.parts.pulse.beat();
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
            if self.session.link(slot).is_authenticating() {
                self.say("authentication is not answered".to_owned());
            }
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

    /// Carries out what the session asks a link for.
    async fn perform(&mut self, slot: Slot, action: Action) {
        match action {
            Action::None | Action::Replace => {}
            Action::Call(call) | Action::CallAnew(call) => {
                let others = self.way(slot.other()).subscription.clone();
                let caller = Caller { others, ..self.caller() };
                let locale = self.parts.locale.clone().filter(|_| !self.dictionary_asked);
                // Asked once a token is there, which the first call has shown.
                let locale = locale.filter(|_| call == Call::Token);
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
                self.parts.pipeline.session_opened(Moment::now());
                self.parts.metrics.up.set(1);
            }
            Action::Ping => {
                self.way(slot).pinged_at = Some(Instant::now());
                self.send(slot, Message::Ping(Bytes::new())).await;
            }
            // The silence of an outgoing session says nothing about the one that is followed.
            Action::AcceptEmpty if slot != self.follows => {}
            Action::AcceptEmpty => {
                self.parts.pipeline.accept_empty(Moment::now());
                self.note_snapshot();
            }
            Action::Close(reason) => self.close(slot, reason, false),
            Action::Abandon(reason) => self.close(slot, reason, true),
        }
    }

    async fn authenticate(&mut self, slot: Slot) {
        let way = self.way(slot);
        let (Some(id), Some(token)) = (&way.subscription, &way.token) else { return };
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

    /// Says what went wrong: once, until it changes.
    fn say(&mut self, words: String) {
        self.note_setback(&words);
        if words == self.last_trouble {
            debug!(producer = self.producer_id(), err = words, "no feed, still");
        } else {
            warn!(producer = self.producer_id(), err = words, "no feed");
            self.last_trouble = words;
        }
    }
}

/// Waits for either way, neither of which can keep the other from being heard.
async fn either(a: &mut Way, b: &mut Way) -> (Slot, Happened) {
    tokio::select! {
        happened = a.next() => (Slot::A, happened),
        happened = b.next() => (Slot::B, happened),
    }
}
