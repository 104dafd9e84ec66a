//! Feeding: runs the feeds that are configured, or that AXP lists, and has them go on by another
//! configuration when it is reloaded.
//!
//! A reload is all or nothing. What could fail comes first, while the feeds go on; then all of them
//! pause, every series is derived anew from the rows, all tables are replaced at once, and the feeds
//! go on. A scrape under way shows what was there before.
//!
//! A feed that a fault of our own has ended begins anew, with an empty table: what a fault leaves behind
//! is not to be trusted. The others go on. Who has as many faults as [`FAULTS_MAX`] is better begun anew
//! as a whole.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, info};

use super::change;
use super::workshop::{Tools, Workshop};
use crate::blocking::Blocking;
use crate::config::{Loaded, Producer};
use crate::failure::describe;
use crate::ingest::discovery;
use crate::ingest::feeds::FeedState;
use crate::ingest::renewal::{Pause, Renewal};
use crate::logging;
use crate::parse::measures::Measures;
use crate::pipeline::{Moment, Pipeline, SharedTable, read_table};
use crate::reload::{Reloads, Source};
use crate::table::rows::Limits;

/// How long it may take to read what a configuration names.
const BUILD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long feeds may take to pause: longer than a frame of theirs may take to go out.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a feed waits before it begins anew after a fault.
const FAULT_PAUSE: Duration = Duration::from_secs(1);
/// So many faults within [`FAULTS_WITHIN`] end all feeds.
const FAULTS_MAX: usize = 5;
/// How long a fault counts.
const FAULTS_WITHIN: Duration = Duration::from_secs(600);

/// The feeds, and what they are built from.
pub(super) struct Feeding {
    workshop: Arc<Workshop>,
    /// Where the next one is built.
    building: Blocking<()>,
    running: Vec<Running>,
    tasks: JoinSet<Ended>,
    /// Feeds that are to end, whose rows may not be named any more.
    unnamed: Vec<Arc<FeedState>>,
    /// When the last faults were, the first one first.
    faults: VecDeque<Instant>,
}

/// A feed that runs.
struct Running {
    producer: Producer,
    state: Arc<FeedState>,
    stop: watch::Sender<bool>,
}

/// A feed that has ended.
struct Ended {
    state: Arc<FeedState>,
    by_fault: bool,
}

/// What a paused feed has been so far.
struct Past {
    measures: Measures,
    table: SharedTable,
}

/// A feed's pipeline and table under the new configuration.
struct Heir {
    pipeline: Pipeline,
    table: SharedTable,
    /// True if values may show that were not kept.
    lacks_values: bool,
}

impl Feeding {
    pub(super) fn new(workshop: Workshop) -> Self {
        Self {
            workshop: Arc::new(workshop),
            building: Blocking::new(()),
            running: Vec::new(),
            tasks: JoinSet::new(),
            unnamed: Vec::new(),
            faults: VecDeque::new(),
        }
    }

    /// Runs the feeds until they are told to stop, or come upon too many faults, and have ended.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>, mut reloads: Reloads) {
        let mut goes_on = tokio::select! {
            () = stopped(&mut stop) => false,
            () = self.begin(&mut reloads) => true,
        };
        while goes_on && self.faults.len() < FAULTS_MAX {
            let request = tokio::select! {
                () = stopped(&mut stop) => break,
                Some(request) = reloads.next() => request,
                Some(Ok(ended)) = self.tasks.join_next() => {
                    self.note_end(&ended);
                    continue;
                }
            };
            // Until the last step, which takes no time, nothing is changed.
            goes_on = tokio::select! {
                () = stopped(&mut stop) => false,
                () = self.serve(request, &reloads.source) => true,
            };
        }
        for running in &self.running {
            running.stop.send_replace(true);
        }
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(ended) = ended {
                self.note_farewell(&ended.state);
            }
        }
    }

    /// Starts the feeds, once it is known which there are.
    async fn begin(&mut self, reloads: &mut Reloads) {
        let producers = loop {
            // A reload that names producers has begun them.
            if !self.running.is_empty() {
                break Vec::new();
            }
            if !self.workshop.tools.config.producer.is_empty() {
                break self.workshop.tools.config.producer.clone();
            }
            let pauses = self.workshop.settings().pauses(rand::random());
            let api = Arc::clone(&self.workshop.tools.api);
            tokio::select! {
                ids = discovery::producers(&api, pauses) => break discovered(ids),
                Some(request) = reloads.next() => self.serve(request, &reloads.source).await,
            }
        };
        for producer in producers {
            let running = self.start(producer, Duration::ZERO);
            self.workshop.lasting.feeds.add(Arc::clone(&running.state));
            self.running.push(running);
        }
        self.workshop.lasting.feeds.note_complete();
    }

    /// Starts a feed after a pause.
    fn start(&mut self, producer: Producer, pause: Duration) -> Running {
        let (state, feed) = self.workshop.feed(producer.clone());
        let stop = watch::Sender::new(false);
        let (feeds_state, mut stop_seen) = (Arc::clone(&state), stop.subscribe());
        let telemetry = Arc::clone(&self.workshop.lasting.telemetry);
        self.tasks.spawn(async move {
            let _ = timeout(pause, stopped(&mut stop_seen)).await;
            // Nothing of the feed is looked at after a fault.
            let by_fault = AssertUnwindSafe(feed.run(stop_seen)).catch_unwind().await.is_err();
            if by_fault {
                telemetry.feed_fault(feeds_state.producer_id());
            }
            Ended { state: feeds_state, by_fault }
        });
        Running { producer, state, stop }
    }

    /// Notes that a feed has ended.
    fn note_end(&mut self, ended: &Ended) {
        let Ended { state, by_fault } = ended;
        let at = self.running.iter().position(|running| Arc::ptr_eq(&running.state, state));
        match at.filter(|_| *by_fault) {
            Some(at) => self.begin_anew(at),
            None => self.note_farewell(state),
        }
    }

    /// Notes the end of a feed. Of a producer that is configured no more, nothing is left to be said.
    fn note_farewell(&mut self, state: &Arc<FeedState>) {
        let id = state.producer_id();
        let unnamed = self.unnamed.extract_if(.., |unnamed| Arc::ptr_eq(unnamed, state)).count() > 0;
        if !self.running.iter().any(|running| running.producer.id == id) {
            self.workshop.lasting.telemetry.forget(id);
            if !unnamed {
                self.workshop.send_off(&state.table(), Moment::now());
            }
        }
    }

    /// Begins a feed anew that a fault has ended, unless there were too many.
    fn begin_anew(&mut self, at: usize) {
        let now = Instant::now();
        self.faults.push_back(now);
        self.faults.retain(|fault| now.duration_since(*fault) < FAULTS_WITHIN);
        let Running { producer, state, .. } = self.running.remove(at);
        let id = producer.id.clone();
        self.workshop.send_off(&state.table(), Moment::now());
        if self.faults.len() >= FAULTS_MAX {
            error!(producer = id, faults = FAULTS_MAX, "a feed has died of a fault, as others before it");
        } else {
            error!(producer = id, "a feed has died of a fault, and begins anew");
            let running = self.start(producer, FAULT_PAUSE);
            self.running.insert(at, running);
        }
        let tables = self.running.iter().map(|running| (Arc::clone(&running.state), running.state.table()));
        let lasting = &self.workshop.lasting;
        lasting.feeds.replace(tables.collect(), self.workshop.tools.blueprint.limits.clone());
    }

    /// Reloads, and says to all who ask what came of it.
    async fn serve(&mut self, answer: oneshot::Sender<Result<String, String>>, source: &Source) {
        self.workshop.lasting.notifier.reloading();
        let outcome = match source.load().await {
            Ok(loaded) => self.reload(loaded).await,
            Err(why) => Err(why),
        };
        match &outcome {
            Ok(done) => info!(done, "the configuration was reloaded"),
            Err(err) => error!(err, "the configuration was not reloaded, and nothing is changed"),
        }
        self.workshop.lasting.telemetry.reloaded(outcome.is_ok());
        self.workshop.lasting.notifier.ready();
        let _ = answer.send(outcome);
    }

    /// Goes on by another configuration; says what that means.
    ///
    /// # Errors
    /// Why nothing was changed.
    async fn reload(&mut self, loaded: Loaded) -> Result<String, String> {
        let config = &self.workshop.tools.config;
        let frozen = change::frozen(config, &loaded.config);
        if !frozen.is_empty() {
            return Err(format!("what has changed takes a restart: {}", frozen.join(", ")));
        }
        let next = Arc::new(self.next_workshop(loaded).await?);
        let producers = self.producers(&next).await?;
        // Who has died of a fault begins anew first, and pauses then.
        while let Some(Ok(ended)) = self.tasks.try_join_next() {
            self.note_end(&ended);
        }
        let (pasts, mut renewals) = self.pause().await?;
        let heirs = derive(&next, producers, pasts).await?;
        // From here on nothing can fail.
        let all_anew = self.workshop.wants_snapshots(&next);
        let may_be_named = self.workshop.tools.blueprint.privacy.is_like(&next.tools.blueprint.privacy);
        self.workshop = next;
        self.workshop.lead_sinks();
        self.workshop.begin_recording();
        let mut running: HashMap<String, Running> =
            self.running.drain(..).map(|running| (running.producer.id.clone(), running)).collect();
        let (mut tables, mut said) = (Vec::new(), Said::default());
        let mut resumed = Vec::new();
        for (producer, heir) in heirs {
            let id = producer.id.clone();
            let Some((heir, (running, renewal))) = heir.zip(running.remove(&id).zip(renewals.remove(&id)))
            else {
                let started = self.start(producer, Duration::ZERO);
                tables.push((Arc::clone(&started.state), started.state.table()));
                self.running.push(started);
                said.begun += 1;
                continue;
            };
            let anew = all_anew || heir.lacks_values || running.producer != producer;
            said.series += read_table(&heir.table).series();
            said.anew += usize::from(anew);
            tables.push((Arc::clone(&running.state), heir.table));
            resumed.push((renewal, self.workshop.renewal(heir.pipeline, anew)));
            self.running.push(Running { producer, ..running });
        }
        self.workshop.lasting.feeds.replace(tables, self.workshop.tools.blueprint.limits.clone());
        self.workshop.lasting.telemetry.set_series_limit(self.workshop.tools.config.limits.series);
        logging::set_level(&self.workshop.tools.config.log);
        for (resume, renewal) in resumed {
            // Who has ended meanwhile does not mind.
            let _ = resume.send(renewal);
        }
        for (_, gone) in running {
            said.ended += 1;
            gone.stop.send_replace(true);
            self.unnamed.extend((!may_be_named).then_some(gone.state));
        }
        Ok(said.to_string())
    }

    /// A workshop by another configuration. It reads files, authorities among them, whose disk may hang:
    /// who reads them has no hold on what ends when the last lets go of it, as outputs do.
    async fn next_workshop(&self, loaded: Loaded) -> Result<Workshop, String> {
        let telemetry = Arc::clone(&self.workshop.lasting.telemetry);
        let make = move |(): &mut ()| {
            let limits = Limits::new(loaded.config.limits.series);
            Tools::new(&loaded, &telemetry, limits).map_err(|err| describe(&err))
        };
        let tools = self.building.run_within(BUILD_TIMEOUT, make).await;
        let tools = tools.map_err(|err| format!("use the configuration: {err}"))??;
        Ok(Workshop { lasting: self.workshop.lasting.clone(), tools })
    }

    /// The producers that there are to be: those that AXP lists where none is configured. It is
    /// asked anew only where it was not asked before.
    async fn producers(&self, next: &Workshop) -> Result<Vec<Producer>, String> {
        if !next.tools.config.producer.is_empty() {
            return Ok(next.tools.config.producer.clone());
        }
        if self.workshop.tools.config.producer.is_empty() {
            return Ok(self.running.iter().map(|running| running.producer.clone()).collect());
        }
        match discovery::list(&next.tools.api).await {
            Ok(ids) if ids.is_empty() => Err("AXP lists no interval-to-date producer".to_owned()),
            Ok(ids) => Ok(discovered(ids)),
            Err(err) => Err(format!("ask AXP for its producers: {}", describe(&err))),
        }
    }

    /// Has all feeds pause: those that are to end, too, so that they say nothing more by the privacy of before.
    async fn pause(&self) -> Result<(Pasts, Renewals), String> {
        let pauses = self.running.iter().map(|running| async {
            let id = running.producer.id.clone();
            let (paused, measures) = oneshot::channel();
            let (resume, renewal) = oneshot::channel();
            let asked = async {
                running.state.pause(Pause { paused, renewal }).await;
                measures.await.ok()
            };
            match timeout(PAUSE_TIMEOUT, asked).await {
                Ok(Some(measures)) => Ok((id, Past { measures, table: running.state.table() }, resume)),
                Ok(None) => Err(format!("the feed of {id} has ended")),
                Err(_) => Err(format!("the feed of {id} does not pause")),
            }
        });
        let (mut pasts, mut renewals) = (Pasts::new(), Renewals::new());
        for paused in join_all(pauses).await {
            let (id, past, resume) = paused?;
            pasts.insert(id.clone(), past);
            renewals.insert(id, resume);
        }
        Ok((pasts, renewals))
    }
}

/// What paused feeds have been, by their producers.
type Pasts = HashMap<String, Past>;
/// What paused feeds wait for, by their producers.
type Renewals = HashMap<String, oneshot::Sender<Renewal>>;

/// Derives all series anew, in the order of the producers, since of two that want one name the first
/// has it; nothing for producers without a past.
async fn derive(
    next: &Arc<Workshop>,
    producers: Vec<Producer>,
    mut pasts: Pasts,
) -> Result<Vec<(Producer, Option<Heir>)>, String> {
    let next = Arc::clone(next);
    let derive = move || {
        let now = Moment::now();
        let derive = |producer: Producer| {
            let heir = pasts.remove(&producer.id).map(|past| {
                let (mut pipeline, table) = next.pipeline(producer.clone());
                let lacks_values = pipeline.adopt(&past.measures, &read_table(&past.table), now);
                Heir { pipeline, table, lacks_values }
            });
            (producer, heir)
        };
        producers.into_iter().map(derive).collect()
    };
    // A million series take a while.
    spawn_blocking(derive).await.map_err(|err| format!("derive the series anew: {err}"))
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Who is gone without a word has stopped, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn discovered(ids: Vec<String>) -> Vec<Producer> {
    ids.into_iter().map(|id| Producer { id, ..Producer::default() }).collect()
}

/// What a reload has done, in words.
#[derive(Default)]
struct Said {
    series: usize,
    anew: usize,
    begun: usize,
    ended: usize,
}

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { series, anew, begun, ended } = self;
        write!(formatter, "{series} series derived anew")?;
        for (count, what) in [(anew, "to be read anew"), (begun, "begun"), (ended, "ended")] {
            if *count > 0 {
                write!(formatter, ", {count} feed{} {what}", if *count == 1 { "" } else { "s" })?;
            }
        }
        Ok(())
    }
}
