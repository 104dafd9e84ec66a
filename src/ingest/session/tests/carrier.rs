//! What carries a session through the world, as the feed's task does: calls, sockets, and
//! frames for a real pipeline. What is looked at meanwhile and at the end is in `carrier/looks.rs`.

mod looks;

use super::connection::Arrival;
use super::fault::{Chances, one_of, up_to};
use super::subscription::Answer;
use super::world::World;
use super::*;
use crate::config::Producer;
use crate::ingest::link::Call;
use crate::pipeline::{Blueprint, Moment, Pipeline, SharedTable, read_table};
use crate::table::rows::Limits;
use crate::telemetry::{self, Telemetry};
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;

const PING: Duration = Duration::from_secs(30);
/// The longest time between two events of a burst: less than the latency of some sockets.
const BURST_GAP_MAX: Duration = Duration::from_secs(1);
/// The longest time between two disturbances.
const DISTURBANCE_MAX: Duration = Duration::from_secs(150);
/// Steps at one moment after which something runs in a circle.
const STEPS_MAX: u32 = 200;

/// What one link has open.
#[derive(Debug, Default)]
struct Way {
    call: Option<(Instant, Pending)>,
    subscription: Option<usize>,
    socket: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Pending {
    Answer(Answer),
    Socket(Result<usize, Input>),
}

pub(super) struct Carrier {
    pub(super) world: World,
    session: Session,
    ways: [Way; 2],
    pipeline: Pipeline,
    table: SharedTable,
    metrics: telemetry::Pipeline,
    /// One disturbance in so many reloads the configuration; none does without it.
    pub(super) reload_odds: Option<u32>,
    follows: Slot,
    /// Whether the session before the one followed was complete, and is still there.
    other_complete: bool,
    /// Something may have changed rows since the last look at them.
    changed: bool,
    snapshot_noted: bool,
    inputs: Vec<(Slot, Input)>,
    /// When the contact centre works, and when the world is disturbed; none for never more.
    pub(super) work_at: Option<Instant>,
    pub(super) disturb_at: Option<Instant>,
    work_every: Duration,
    pub(super) seen: Seen,
}

/// What a schedule came by.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    pub(super) sessions: u32,
    pub(super) takeovers: u32,
    pub(super) handed_back: u32,
    pub(super) empty: u32,
    pub(super) reloads: u32,
    /// Looks at the rows in between, and how many of them while one session took over.
    pub(super) looks: u32,
    pub(super) looks_taking_over: u32,
}

pub(super) fn pipeline(metrics: telemetry::Pipeline) -> (Pipeline, SharedTable) {
    let producer = Producer { id: "Queue_itd_1.0.0".to_owned(), ..Producer::default() };
    let (account_id, limits) = ("EZCLTR".to_owned(), Limits::new(1000));
    Blueprint { account_id, limits, ..Blueprint::default() }.pipeline(producer, Vec::new(), metrics)
}

impl Carrier {
    pub(super) fn new(seed: u64, telemetry: &Telemetry, chances_from: fn(&mut StdRng) -> Chances) -> Self {
        let start = Instant::now();
        let mut world = World::new(seed, start, chances_from);
        let metrics = telemetry.pipeline("Queue_itd_1.0.0");
        let (pipeline, table) = pipeline(metrics.clone());
        let work_every = one_of(&[2, 10, 40, 150], &mut world.random);
        let before = one_of(&[Before::None, Before::None, Before::Lost, Before::Held], &mut world.random);
        // What was is gone, or was never made, or is still there.
        let left = (before != Before::None && world.random.random()).then(|| world.leave_behind());
        let held = Way { subscription: left.filter(|_| before == Before::Held), ..Way::default() };
        Self {
            session: Session::new(Settings::new(PING), start, seed, before),
            world,
            ways: [held, Way::default()],
            pipeline,
            table,
            metrics,
            reload_odds: None,
            follows: Slot::A,
            other_complete: false,
            changed: false,
            snapshot_noted: false,
            inputs: Vec::new(),
            work_at: Some(start),
            disturb_at: Some(start),
            work_every: Duration::from_secs(work_every),
            seen: Seen::default(),
        }
    }

    const fn moment(&self) -> Moment {
        Moment { instant: self.world.now, unix_ns: 0 }
    }

    const fn way(&mut self, slot: Slot) -> &mut Way {
        match slot {
            Slot::A => &mut self.ways[0],
            Slot::B => &mut self.ways[1],
        }
    }

    /// Lets time pass, from one thing that is due to the next.
    pub(super) fn run(&mut self, until: Instant) {
        let mut steps = 0;
        loop {
            let calls = self.ways.iter().filter_map(|way| Some(way.call.as_ref()?.0)).min();
            let ticks = self.session.deadline().map(|(deadline, _)| deadline);
            assert!(calls.or(ticks).is_some(), "nothing is to happen ever again");
            let others = [self.work_at, self.disturb_at, self.world.deadline(), self.pipeline.deadline()];
            let next = others.into_iter().chain([calls, ticks]).flatten().min().unwrap_or(until);
            if next > until {
                self.world.now = until;
                return;
            }
            steps = if next > self.world.now { 0 } else { steps + 1 };
            assert!(steps < STEPS_MAX, "it runs in a circle: {:?}", self.session);
            self.world.now = self.world.now.max(next);
            self.step();
            self.check_rows();
            let now = self.world.now;
            for way in &self.ways {
                let dead_since = way.socket.and_then(|id| self.world.dead_since(id)).unwrap_or(now);
                let dead_for = now.saturating_duration_since(dead_since);
                assert!(dead_for <= 2 * PING + Duration::from_secs(5), "a dead link is trusted");
            }
        }
    }

    fn step(&mut self) {
        let now = self.world.now;
        self.world.pass();
        if self.disturb_at.is_some_and(|at| now >= at) {
            self.disturb_at = Some(now + up_to(DISTURBANCE_MAX, &mut self.world.random));
            if self.world.disturb() {
                self.tell(Slot::A, Input::Woke);
                self.tell(Slot::B, Input::Woke);
            }
            if self.reload_odds.is_some_and(|odds| self.world.random.random_ratio(1, odds)) {
                self.reload();
            }
        }
        if self.work_at.is_some_and(|at| now >= at) {
            // Much happens at about the same time, and then nothing for a while.
            let burst = self.world.random.random_ratio(1, 2);
            let pause = if burst { BURST_GAP_MAX } else { self.work_every };
            self.work_at = Some(now + up_to(pause, &mut self.world.random));
            self.world.work();
        }
        self.pipeline.tick(now);
        self.note_snapshot();
        self.drain();
        for slot in Slot::ALL {
            if let Some((_, pending)) = self.way(slot).call.take_if(|(at, _)| now >= *at) {
                self.conclude(slot, pending);
            }
        }
        self.arrive();
        if let Some((deadline, slot)) = self.session.deadline()
            && now >= deadline
        {
            self.tell(slot, Input::Tick);
        }
    }

    /// Goes on with a pipeline that has adopted the rows, and with another session if need be.
    fn reload(&mut self) {
        let (mut heir, table) = pipeline(self.metrics.clone());
        let now = self.moment();
        heir.adopt(self.pipeline.measures(), &read_table(&self.table), now);
        self.table = table;
        let before = std::mem::replace(&mut self.pipeline, heir);
        self.pipeline.succeed(before);
        let anew = self.world.random.random();
        self.session.renew(Settings::new(PING), anew, self.world.now);
        self.seen.reloads += 1;
    }

    fn tell(&mut self, slot: Slot, input: Input) {
        self.inputs.push((slot, input));
        self.drain();
    }

    fn drain(&mut self) {
        while !self.inputs.is_empty() {
            let (slot, input) = self.inputs.remove(0);
            let (slot, action) = self.session.handle(slot, input, self.world.now);
            self.perform(slot, action);
        }
    }

    fn conclude(&mut self, slot: Slot, pending: Pending) {
        let input = match pending {
            Pending::Answer(Answer::Subscription(id, standing)) => {
                self.way(slot).subscription = Some(id);
                Input::Subscription(standing)
            }
            Pending::Answer(Answer::NotFound) => Input::NotFound,
            Pending::Answer(Answer::Token) => Input::Token,
            Pending::Answer(Answer::Trouble(trouble)) => Input::Trouble(trouble),
            Pending::Socket(Ok(id)) => {
                self.way(slot).socket = Some(id);
                Input::Opened
            }
            Pending::Socket(Err(instead)) => instead,
        };
        self.tell(slot, input);
    }

    /// Takes what has arrived.
    fn arrive(&mut self) {
        while let Some((id, arrival)) = self.world.arrival() {
            let is_open = |slot: &Slot| self.ways[*slot as usize].socket == Some(id);
            let Some(slot) = Slot::ALL.into_iter().find(is_open) else { continue };
            let input = match arrival {
                Arrival::Verdict(verdict) => Input::Authentication(verdict),
                Arrival::Pong => Input::Pong,
                Arrival::Closed(ending) => ending,
                Arrival::Frame(text) => {
                    self.apply(slot, &text);
                    Input::Event
                }
            };
            self.tell(slot, input);
        }
    }

    fn apply(&mut self, slot: Slot, text: &str) {
        let moment = self.moment();
        // A DELETE of a row that is not there is refused; all else is taken.
        let _ = if slot == self.follows {
            self.pipeline.apply(text, moment)
        } else {
            self.pipeline.apply_outgoing(text, moment)
        };
        self.changed = true;
        self.note_snapshot();
    }

    fn note_snapshot(&mut self) {
        if !self.snapshot_noted && self.pipeline.is_snapshot_complete() {
            self.snapshot_noted = true;
            self.changed = true;
            self.inputs.push((self.follows, Input::SnapshotClosed));
        }
    }

    fn perform(&mut self, slot: Slot, action: Action) {
        match action {
            Action::None | Action::Replace => {}
            Action::Call(call) | Action::CallAnew(call) => {
                self.call(slot, call, action == Action::CallAnew(call));
            }
            Action::Connect => {
                let (opened_at, id) = self.world.connect();
                self.way(slot).call = Some((opened_at, Pending::Socket(id)));
            }
            Action::Authenticate => {
                let way = self.way(slot);
                let (id, subscription) = (way.socket.unwrap(), way.subscription.unwrap());
                self.world.authenticate(id, subscription);
            }
            Action::Begin => {
                self.seen.sessions += 1;
                let other_up = self.session.link(slot.other()).is_up();
                self.other_complete = other_up && self.pipeline.is_snapshot_complete();
                self.follows = slot;
                self.snapshot_noted = false;
                self.pipeline.session_opened(self.moment());
            }
            Action::Ping => {
                let id = self.way(slot).socket.unwrap();
                self.world.ping(id);
            }
            Action::AcceptEmpty if slot != self.follows => {}
            Action::AcceptEmpty => {
                self.seen.empty += 1;
                self.pipeline.accept_empty(self.moment());
                self.note_snapshot();
            }
            Action::Close(_) => self.close(slot, false),
            Action::Abandon(reason) => {
                self.seen.takeovers += u32::from(reason == Reason::Replaced);
                self.close(slot, true);
            }
        }
    }

    fn call(&mut self, slot: Slot, call: Call, anew: bool) {
        assert!(self.way(slot).call.is_none(), "two calls at once");
        if anew {
            self.world.forget_token();
        }
        let others = self.way(slot.other()).subscription;
        let held = self.way(slot).subscription;
        let (answered_at, answer) = self.world.call(call, held, others);
        self.way(slot).call = Some((answered_at, Pending::Answer(answer)));
    }

    fn close(&mut self, slot: Slot, abandon: bool) {
        self.changed = true;
        if slot == self.follows {
            if self.session.is_up() {
                self.seen.handed_back += 1;
                self.follows = slot.other();
                self.pipeline.session_handed_back(self.moment());
            } else {
                self.pipeline.session_lost(self.moment());
            }
        } else {
            self.pipeline.outgoing_ended(self.moment());
        }
        let way = self.way(slot);
        way.call = None;
        let socket = way.socket.take();
        let given_up = if abandon { way.subscription.take() } else { None };
        if let Some(id) = socket {
            self.world.connections[id] = None;
        }
        if let Some(id) = given_up {
            self.world.delete(id);
        }
    }
}
