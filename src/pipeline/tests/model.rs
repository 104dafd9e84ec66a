//! The model test: a pipeline with both its outputs beside a naive map, under any actions in any order.
//! After each of them the exposition is what the map says, lines tell of every event that was applied,
//! and nothing grows beyond its bounds. Each sequence comes from its seed.
//!
//! What the map does with an event is written down a second time here, by what users were promised, and
//! shares no code with the pipeline but the types of the configuration.

mod action;
mod course;
mod measures;
mod naive;
mod outputs;
mod rows;
mod settings;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::Moment;
use super::harness::*;
use crate::reject::EventReject;
use crate::telemetry::Telemetry;
use action::{Action, Prospect, Told};
use course::Course;
use naive::Naive;
use outputs::Outputs;
use settings::Settings;

/// Sequences; `AXP_EXPORTER_SEQUENCES` says another number.
const SEQUENCES: u64 = 10_000;
/// Threads that run them: one for each core of a small machine.
const THREADS: usize = 2;
/// Most actions of a sequence.
const ACTIONS_MAX: usize = 25;
const SECOND_NS: i64 = 1_000_000_000;

/// The pipeline, and what it should be like.
struct World<'t> {
    outputs: Outputs<'t>,
    naive: Naive,
    course: Course,
    now: Instant,
    wall_ns: i64,
    /// When the pipeline was told something last: what time does is as of then, and so much later.
    told: Moment,
    applied: u64,
    rejected: u64,
    /// Rows retired by deletion, by a snapshot, by age and by a reload.
    retired: [u64; 4],
}

impl<'t> World<'t> {
    fn new(settings: Settings, telemetry: &'t Telemetry) -> Self {
        let now = Instant::now();
        Self {
            outputs: Outputs::new(settings, telemetry),
            naive: Naive::new(settings),
            course: Course::new(),
            now,
            wall_ns: START_NS,
            told: Moment { instant: now, unix_ns: START_NS },
            applied: 0,
            rejected: 0,
            retired: [0; 4],
        }
    }

    /// Does it to both; what the pipeline answers is what the model would.
    fn act(&mut self, action: &Action) {
        let (now, moment) = (self.now, self.moment());
        let is_told = !matches!(
            action,
            Action::Pass(_) | Action::SetWall(_) | Action::Reload(_) | Action::Drain | Action::Scrape
        );
        if is_told {
            self.do_what_is_due();
            self.told = moment;
        }
        match action {
            Action::Event(told) => self.tell(told),
            Action::Junk => {
                assert!(self.outputs.pipeline.apply("{\"keys\"", moment).is_err());
                self.rejected += 1;
            }
            Action::Open => {
                self.outputs.pipeline.session_opened(moment);
                self.course.open(now);
            }
            Action::Break if self.course.outgoing.is_some() => {
                self.outputs.pipeline.session_handed_back(moment);
                let rows = &mut self.naive.rows;
                let names_all = self.course.hand_back(|from, to| {
                    let moved = rows.values_mut().filter(|row| row.generation == from);
                    moved.map(|row| row.generation = to).count() > 0
                });
                self.close_if(names_all, self.wall_ns);
            }
            Action::Break => {
                self.outputs.pipeline.session_lost(moment);
                self.course.lose(now, STALE);
            }
            Action::OutgoingBreaks => {
                self.outputs.pipeline.outgoing_ended(moment);
                self.course.end_outgoing();
            }
            Action::AcceptEmpty => {
                self.outputs.pipeline.accept_empty(moment);
                let closes = self.course.accept_empty();
                self.close_if(closes, self.wall_ns);
            }
            Action::Postpone(time) => {
                self.outputs.pipeline.postpone(*time, moment);
                self.course.postpone(*time);
            }
            Action::Pass(time) => self.pass(*time),
            Action::SetWall(seconds) => self.wall_ns += seconds * SECOND_NS,
            Action::Reload(settings) => {
                let lacks = self.outputs.reload(*settings, moment);
                let (retired, should_lack) = self.naive.reload(*settings, moment.unix_ns);
                assert_eq!(lacks, should_lack, "whether values may be missing");
                self.retired[3] += retired;
            }
            Action::Drain => self.outputs.drain(),
            Action::Scrape => self.outputs.scrape_all(),
        }
    }

    const fn moment(&self) -> Moment {
        Moment { instant: self.now, unix_ns: self.wall_ns }
    }

    fn tell(&mut self, told: &Told) {
        let (frame, moment) = (told.frame(), self.moment());
        let pipeline = &mut self.outputs.pipeline;
        let answer = if told.is_outgoing {
            pipeline.apply_outgoing(&frame, moment)
        } else {
            pipeline.apply(&frame, moment)
        };
        let expected = self.expect(told);
        assert_eq!(answer, expected, "{frame}");
        *(if expected.is_ok() { &mut self.applied } else { &mut self.rejected }) += 1;
    }

    /// What the model makes of an event.
    fn expect(&mut self, told: &Told) -> Result<(), EventReject> {
        let Told { is_outgoing, is_live, is_delete, key, .. } = *told;
        let voice = self.course.hear(is_outgoing, is_live, self.now);
        let (session, generation, closes) = voice.ok_or(EventReject::Superseded)?;
        let row_generation = self.naive.rows.get(&key).map(|row| row.generation);
        if is_outgoing && self.course.is_settled(key, row_generation) {
            return Err(EventReject::Superseded);
        }
        let outcome = if is_delete {
            if !is_outgoing {
                self.course.note_deleted(key);
            }
            let is_known = self.naive.delete(key, self.wall_ns);
            self.retired[0] += u64::from(is_known);
            is_known.then_some(()).ok_or(EventReject::UnknownRow)
        } else {
            let voice = (session, generation);
            let is_taken = self.naive.upsert(key, &told.measures, is_live, voice, self.wall_ns);
            is_taken.then_some(()).ok_or(EventReject::RowRefused)
        };
        self.close_if(closes, self.wall_ns);
        outcome
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall_ns += i64::try_from(time.as_nanos()).unwrap();
        self.outputs.pipeline.tick(self.now);
        self.do_what_is_due();
    }

    /// Time does its work before anything else is told.
    fn do_what_is_due(&mut self) {
        while let Some(due) = self.course.deadline().filter(|due| *due <= self.now) {
            let since = i64::try_from(due.saturating_duration_since(self.told.instant).as_nanos()).unwrap();
            let wall_ns = self.told.unix_ns + since;
            let due = due.max(self.told.instant);
            let closes = self.course.tick(due);
            self.close_if(closes, wall_ns);
            if !closes && self.course.turns_stale(due) {
                let course = &self.course;
                self.retired[2] += self.naive.retire_where(|row| !course.vouches(row.generation), wall_ns);
            }
        }
    }

    /// A snapshot has closed: what it did not name is gone.
    fn close_if(&mut self, closes: bool, wall_ns: i64) {
        if closes {
            let generation = self.course.followed.generation;
            self.retired[1] += self.naive.retire_where(|row| row.generation != generation, wall_ns);
        }
    }

    fn check(&mut self) {
        self.outputs.check(&mut self.naive);
        assert_eq!(self.outputs.pipeline.is_snapshot_complete(), self.course.is_complete());
    }
}

/// What the exporter says of itself: events applied and rejected, and rows retired by their causes.
fn totals(telemetry: &Telemetry) -> [u64; 6] {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, telemetry.registry()).unwrap();
    let retired = |cause: &str| {
        let producer = r#"axp_exporter_rows_retired_total{measure_producer_id="Queue_itd_1.0.0""#;
        format!("{producer},cause=\"{cause}\"")
    };
    let events = |outcome: &str| format!("axp_exporter_events_{outcome}_total");
    let series = [events("applied"), events("rejected"), retired("delete"), retired("resync")];
    let series = series.into_iter().chain([retired("stale"), retired("reload")]);
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let sum = |prefix: String| text.lines().filter(|line| line.starts_with(&prefix)).map(value).sum();
    series.map(sum).collect::<Vec<u64>>().try_into().unwrap()
}

/// What the sequences came by.
#[derive(Debug, Default)]
struct Seen {
    actions: u64,
    applied: u64,
    rejected: u64,
    retired: [u64; 4],
    handed_back: u64,
    /// Looks at rows that waited for their labels, and at values that found no place.
    waiting: u64,
    full: u64,
    dropped: u64,
}

impl Seen {
    fn note(&mut self, action: &Action, world: &World<'_>) {
        let has_two = world.course.outgoing.is_some();
        self.actions += 1;
        self.handed_back += u64::from(matches!(action, Action::Break) && !has_two && world.course.is_there());
        self.waiting += u64::from(world.naive.has_waiting());
        self.full += u64::from(world.naive.taken() == world.naive.settings.limit);
    }

    fn add(&mut self, other: &Self) {
        self.actions += other.actions;
        self.applied += other.applied;
        self.rejected += other.rejected;
        self.retired.iter_mut().zip(other.retired).for_each(|(sum, count)| *sum += count);
        self.handed_back += other.handed_back;
        self.waiting += other.waiting;
        self.full += other.full;
        self.dropped += other.dropped;
    }

    /// Whether all that can happen did.
    fn is_all(&self) -> bool {
        let counts = [self.applied, self.rejected, self.handed_back, self.waiting, self.full, self.dropped];
        counts.into_iter().chain(self.retired).all(|count| count > 0)
    }
}

/// Runs one sequence; `counted` is what was counted before it, and then what is.
fn run(seed: u64, telemetry: &Telemetry, counted: &mut [u64; 6], all: &mut Seen) {
    let mut random = StdRng::seed_from_u64(seed);
    let settings = Settings::any(&mut random);
    let mut world = World::new(settings, telemetry);
    let mut done = vec![Action::Open];
    world.act(&Action::Open);
    let (count, is_restless) = (random.random_range(1..=ACTIONS_MAX), random.random_bool(0.3));
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..count {
            // What no session is there to say is not said, nor does it break.
            let is_snapshot = !world.course.is_complete();
            let prospect = Prospect { is_restless, is_snapshot, has_two: world.course.outgoing.is_some() };
            let mut action = Action::any(&mut random, prospect);
            if !world.course.is_there() && matches!(action, Action::Event(_) | Action::Break) {
                action = Action::Open;
            }
            done.push(action.clone());
            world.act(&action);
            world.check();
            all.note(&action, &world);
        }
        let before = std::mem::replace(counted, totals(telemetry));
        let moved: Vec<u64> = counted.iter().zip(before).map(|(after, before)| after - before).collect();
        let [delete, resync, stale, reload] = world.retired;
        assert_eq!(moved, [world.applied, world.rejected, delete, resync, stale, reload], "what is counted");
    }));
    if let Err(cause) = ran {
        eprintln!("the sequence of seed {seed} failed, under {settings:?}, at the last of");
        for action in &done {
            eprintln!("  {action:?}");
        }
        resume_unwind(cause);
    }
    all.applied += world.applied;
    all.rejected += world.rejected;
    all.retired.iter_mut().zip(world.retired).for_each(|(sum, count)| *sum += count);
    all.dropped += world.outputs.dropped();
    world.outputs.end();
}

#[test]
fn whatever_is_done_both_outputs_are_what_a_naive_map_says() {
    let count = std::env::var("AXP_EXPORTER_SEQUENCES");
    let count = count.ok().and_then(|count| count.parse().ok()).unwrap_or(SEQUENCES);
    let began = Instant::now();
    let part = |first| {
        let (telemetry, mut counted, mut seen) = (Telemetry::new(1000), [0; 6], Seen::default());
        (first..count).step_by(THREADS).for_each(|seed| run(seed, &telemetry, &mut counted, &mut seen));
        seen
    };
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64).map(|first| scope.spawn(move || part(first))).collect();
        for thread in threads {
            all.add(&thread.join().unwrap_or_else(|cause| resume_unwind(cause)));
        }
    });
    println!("{count} sequences in {:?}: {all:?}", began.elapsed());
    assert!(all.is_all() || count < SEQUENCES, "the world is too kind: {all:?}");
}
