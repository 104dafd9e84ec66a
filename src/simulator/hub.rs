//! The hub: where the centre's changes become events and go to the sockets.
//!
//! It sits behind one lock, so that a socket gets a snapshot and then every event after it, none twice, none missing.
//! Each socket has a bounded queue of events. A socket whose queue is full is too slow: it is cut off from the hub and
//! its session closes it; nobody else waits. A snapshot is rendered under the lock, some 100 ms for a million
//! measures.

use std::collections::BTreeMap;

use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{
    centre::{Centre, Change},
    event::{self, EventAction, PayloadType},
    measures::Producer,
};

/// How a session is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a close frame.
    Close { code: u16, reason: String },
    /// With a TCP reset.
    Reset,
}

/// What a session is told from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Control {
    pub(super) silence: Silence,
    pub(super) ending: Option<Ending>,
}

/// Whether a session is to say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Silence {
    #[default]
    No,
    Until(Instant),
    ForEver,
}

impl Silence {
    /// Whether it holds at `now`.
    pub(super) fn holds(self, now: Instant) -> bool {
        match self {
            Self::No => false,
            Self::Until(until) => now < until,
            Self::ForEver => true,
        }
    }
}

/// One authenticated socket, seen from the hub.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) producer: Producer,
    pub(super) subscription: String,
    events: mpsc::Sender<Message>,
    control: watch::Sender<Control>,
}

/// What a session gets when it joins.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) number: u64,
    pub(super) snapshot: Vec<Utf8Bytes>,
    pub(super) events: mpsc::Receiver<Message>,
    pub(super) control: watch::Receiver<Control>,
}

/// Sends rows again, as many a second as the model does not make itself.
#[derive(Debug, Default)]
struct Resend {
    owed: f64,
    next_row: usize,
    last_ms: u64,
    /// The text of each row, until it changes.
    texts: Vec<Option<Utf8Bytes>>,
}

/// The centre and the sockets.
#[derive(Debug)]
pub(super) struct Hub {
    account: String,
    centre: Centre,
    sockets: BTreeMap<u64, Socket>,
    joined: u64,
    queue_events: usize,
    /// Since when the model stands still.
    paused_ms: Option<u64>,
    /// How long it has stood still in all: its time lags that much.
    lag_ms: u64,
    resend: Resend,
    deletes: u64,
    overruns: u64,
}

impl Hub {
    /// A hub without sockets.
    pub(super) fn new(account: &str, centre: Centre, queue_events: usize, now_ms: u64) -> Self {
        let resend = Resend { last_ms: now_ms, texts: vec![None; centre.rows().len()], ..Resend::default() };
        Self {
            account: account.to_owned(),
            centre,
            sockets: BTreeMap::new(),
            joined: 0,
            queue_events,
            paused_ms: None,
            lag_ms: 0,
            resend,
            deletes: 0,
            overruns: 0,
        }
    }

    /// Lets time pass and sends what changed. A paused hub does nothing.
    pub(super) fn tick(&mut self, now_ms: u64) {
        if self.paused_ms.is_some() {
            return;
        }
        let model_ms = now_ms.saturating_sub(self.lag_ms);
        let changes = self.centre.tick(model_ms);
        self.send_changes(&changes);
        self.send_again(model_ms);
    }

    /// Stops the model, or lets it go on as if no time had passed.
    pub(super) fn pause(&mut self, paused: bool, now_ms: u64) {
        match (paused, self.paused_ms) {
            (true, None) => self.paused_ms = Some(now_ms),
            (false, Some(since_ms)) => {
                self.lag_ms += now_ms.saturating_sub(since_ms);
                self.paused_ms = None;
            }
            _ => {}
        }
    }

    /// Whether the model stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.paused_ms.is_some()
    }

    /// Begins a new interval, and tells the sockets.
    pub(super) fn reset_interval(&mut self) {
        let changes = self.centre.reset_interval();
        self.send_changes(&changes);
    }

    /// Logs an agent out, and tells the sockets.
    pub(super) fn log_out(&mut self, agent_id: Option<&str>) -> Option<String> {
        let (id, changes) = self.centre.log_out(agent_id)?;
        self.send_changes(&changes);
        Some(id)
    }

    /// Logs an agent in, and tells the sockets.
    pub(super) fn log_in(&mut self, agent_id: Option<&str>) -> Option<String> {
        let (id, changes) = self.centre.log_in(agent_id)?;
        self.send_changes(&changes);
        Some(id)
    }

    /// The centre.
    pub(super) fn centre(&self) -> &Centre {
        &self.centre
    }

    /// The sockets that have authenticated.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.values()
    }

    /// Sockets that were cut off for being too slow.
    pub(super) fn overruns(&self) -> u64 {
        self.overruns
    }

    /// Takes in a socket: it gets the rows as they are now, and every event from now on.
    pub(super) fn join(&mut self, producer: Producer, subscription: &str) -> Joined {
        let snapshot = self
            .centre
            .shown(producer)
            .map(|row| event::whole(&self.account, row, PayloadType::Initializing))
            .collect();
        let (events_tx, events) = mpsc::channel(self.queue_events);
        let (control_tx, control) = watch::channel(Control::default());
        self.joined += 1;
        let socket = Socket {
            producer,
            subscription: subscription.to_owned(),
            events: events_tx,
            control: control_tx,
        };
        self.sockets.insert(self.joined, socket);
        Joined { number: self.joined, snapshot, events, control }
    }

    /// Forgets a socket.
    pub(super) fn leave(&mut self, number: u64) {
        self.sockets.remove(&number);
    }

    /// Ends the sessions of these sockets; gives how many.
    pub(super) fn end(&mut self, which: impl Fn(&Socket) -> bool, ending: &Ending) -> usize {
        self.control(which, |control| control.ending = Some(ending.clone()))
    }

    /// Silences these sockets; gives how many.
    pub(super) fn silence(&mut self, which: impl Fn(&Socket) -> bool, silence: Silence) -> usize {
        self.control(which, |control| control.silence = silence)
    }

    /// Sends a frame to these sockets, in line with the events; gives how many.
    pub(super) fn send(&mut self, which: impl Fn(&Socket) -> bool, message: &Message) -> usize {
        let mut sent = 0;
        let mut slow = Vec::new();
        for (number, socket) in self.sockets.iter().filter(|(_, socket)| which(socket)) {
            match socket.events.try_send(message.clone()) {
                Ok(()) => sent += 1,
                Err(_) => slow.push(*number),
            }
        }
        for number in slow {
            if let Some(socket) = self.sockets.remove(&number) {
                // Its session may also be ending by itself; then nobody hears this.
                let ending = Ending::Close { code: 1008, reason: "too slow".to_owned() };
                socket.control.send_modify(|control| control.ending = Some(ending));
                self.overruns += u64::from(!socket.events.is_closed());
            }
        }
        sent
    }

    fn control(&mut self, which: impl Fn(&Socket) -> bool, change: impl Fn(&mut Control)) -> usize {
        let chosen = self.sockets.values().filter(|socket| which(socket));
        chosen.map(|socket| socket.control.send_modify(&change)).count()
    }

    fn is_heard(&self, producer: Producer) -> bool {
        self.sockets.values().any(|socket| socket.producer == producer)
    }

    fn send_changes(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(text) = self.resend.texts.get_mut(change.row) {
                *text = None;
            }
            let Some(row) = self.centre.rows().get(change.row) else {
                continue;
            };
            let producer = row.producer;
            if !self.is_heard(producer) {
                continue;
            }
            let text = if let Some(measures) = &change.measures {
                event::text(&self.account, row, PayloadType::Live, EventAction::Upsert, Some(measures))
            } else {
                // What AXP sends along with a DELETE is not known: nothing and an empty object by turns.
                self.deletes += 1;
                let measures: Option<&[_]> = if self.deletes.is_multiple_of(2) { Some(&[]) } else { None };
                event::text(&self.account, row, PayloadType::Live, EventAction::Delete, measures)
            };
            self.send(|socket| socket.producer == producer, &Message::Text(text));
        }
    }

    /// Sends rows again as they are, in turn.
    #[expect(clippy::cast_precision_loss, reason = "a span between two ticks")]
    fn send_again(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.resend.last_ms);
        self.resend.last_ms = now_ms;
        // At most a second's worth, so that a stall is not followed by a flood.
        let seconds = (passed_ms as f64 / 1_000.0).min(1.0);
        self.resend.owed += self.centre.resends_per_second() * seconds;
        let rows = self.centre.rows().len();
        let mut hidden = 0;
        while self.resend.owed >= 1.0 && hidden < rows {
            let index = self.resend.next_row;
            self.resend.next_row = (index + 1) % rows;
            let Some(row) = self.centre.rows().get(index).filter(|row| row.published.is_some()) else {
                hidden += 1;
                continue;
            };
            hidden = 0;
            self.resend.owed -= 1.0;
            let producer = row.producer;
            if !self.is_heard(producer) {
                continue;
            }
            let Some(text) = self.resend.texts.get_mut(index) else {
                continue;
            };
            let text =
                text.get_or_insert_with(|| event::whole(&self.account, row, PayloadType::Live)).clone();
            self.send(|socket| socket.producer == producer, &Message::Text(text));
        }
    }
}
