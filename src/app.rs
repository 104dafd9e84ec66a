//! The exporter put together: [`App::build`] opens and binds everything, [`App::run`]
//! runs it.
//!
//! Stopping goes from the source: the feeds hear the signal and end, with them the last
//! senders of lines go, the sinks write what is left and end, and last the server, so
//! that a scrape can see the end. Each step is bounded in time. A replay ([`App::replay`]) is the same
//! with recordings in the place of feeds.

mod change;
mod error;
mod feeding;
mod open;
mod replaying;
mod workshop;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::config::Loaded;
use crate::ingest::dial::Dialer;
use crate::ingest::feeds::Feeds;
use crate::ingest::ledger::Ledger;
use crate::notify::Notifier;
use crate::pipeline::LineOutput;
use crate::pulse::Pulses;
use crate::recording::Writer;
use crate::reload::{self, Reloader, Reloads, Source};
use crate::sink::gauge::SinkGauge;
use crate::sink::influx::Sink;
use crate::sink::queue::LineReceiver;
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;
use crate::web::door::Door;
use crate::web::listener::Listener;
use crate::web::places::Places;
use crate::web::rendering;
use crate::web::routes::Site;
use crate::web::scrape::Scrapes;
use crate::web::server;
use crate::web::status::Status;

pub use error::Error;
use feeding::Feeding;
use open::{Sinks, ledger_path, listeners, open_recording, open_sinks, way_of_sinks};
pub(crate) use open::{privacy, rules, way_out};
use replaying::Replaying;
pub use replaying::{Outcome, Recordings, Tell};
use workshop::{Lasting, Tools, Workshop};

/// How long feeds may take to end, their subscriptions included.
const FEEDS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sinks may take to write what is left.
const SINKS_TIMEOUT: Duration = Duration::from_secs(5);

/// A part of the exporter has ended before its time, by a fault of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

/// The exporter, ready to run.
#[derive(Debug)]
pub struct App {
    listeners: Vec<Listener>,
    door: Arc<Door>,
    site: Arc<Site>,
    sinks: Vec<(Sink, LineReceiver)>,
    reopen: watch::Sender<()>,
    reloader: Reloader,
    metrics_path: String,
    telemetry: Arc<Telemetry>,
    feeds: Arc<Feeds>,
    pulses: Arc<Pulses>,
    recording: Option<Writer>,
    supply: Supply,
}

/// Where events come from.
#[derive(Debug)]
enum Supply {
    /// AXP.
    Feeds(Box<Workshop>, Reloads),
    /// Recordings.
    Recordings(Box<Replaying>),
}

/// What is opened first, whatever events come from.
struct Opened {
    telemetry: Arc<Telemetry>,
    feeds: Arc<Feeds>,
    limits: Limits,
    outputs: Vec<LineOutput>,
    tasks: Vec<(Sink, LineReceiver)>,
    gauges: Vec<SinkGauge>,
    way_of_sinks: watch::Sender<Dialer>,
}

impl Opened {
    async fn new(loaded: &Loaded) -> Result<Self, Error> {
        let telemetry = Arc::new(Telemetry::new(loaded.config.limits.series));
        let way_of_sinks = watch::Sender::new(way_of_sinks(loaded, &telemetry)?);
        let Sinks { outputs, tasks, gauges } =
            open_sinks(loaded, &telemetry, &way_of_sinks.subscribe()).await?;
        let limits = Limits::new(loaded.config.limits.series);
        let feeds = Arc::new(Feeds::new(limits.clone()));
        Ok(Self { telemetry, feeds, limits, outputs, tasks, gauges, way_of_sinks })
    }
}

impl App {
    /// Opens and binds everything that the configuration names, but calls nobody yet. A reload reads
    /// `source`.
    ///
    /// # Errors
    /// What cannot be opened.
    pub async fn build(loaded: Loaded, source: Source) -> Result<Self, Error> {
        let opened = Opened::new(&loaded).await?;
        let config = &loaded.config;
        let ledger =
            Ledger::open(ledger_path(config), &config.axp.account_id).await.map_err(Error::Ledger)?;
        let (recording, recorder) = open_recording(config, &opened.telemetry).await?.unzip();
        let lasting = Lasting {
            telemetry: Arc::clone(&opened.telemetry),
            feeds: Arc::clone(&opened.feeds),
            ledger: Arc::new(ledger),
            pulses: Arc::default(),
            notifier: Notifier::default(),
            outputs: opened.outputs.clone(),
            way_of_sinks: opened.way_of_sinks.clone(),
            recorder,
        };
        let pulses = Arc::clone(&lasting.pulses);
        let tools = Tools::new(&loaded, &lasting.telemetry, opened.limits.clone())?;
        let workshop = Workshop { lasting, tools };
        workshop.begin_recording();
        let (reloader, reloads) = reload::reloads(source);
        let offered = config.web.lifecycle.then(|| reloader.clone());
        let supply = Supply::Feeds(Box::new(workshop), reloads);
        let app = Self::around(supply, opened, loaded, pulses, (reloader, offered)).await?;
        Ok(Self { recording, ..app })
    }

    /// The same with recordings in the place of AXP: no account is needed, and nobody is called. `tell`
    /// hears how far the replay is, and says whether it goes on; what comes of it comes by the channel.
    ///
    /// # Errors
    /// What cannot be opened.
    pub async fn replay(
        loaded: Loaded,
        recordings: Recordings,
        tell: Tell,
    ) -> Result<(Self, oneshot::Receiver<Outcome>), Error> {
        let opened = Opened::new(&loaded).await?;
        let player = recordings.player(
            &loaded,
            opened.outputs.clone(),
            (Arc::clone(&opened.telemetry), Arc::clone(&opened.feeds)),
        )?;
        let (replaying, outcome) = Replaying::new(recordings.replay(player), opened.outputs.clone(), tell);
        let supply = Supply::Recordings(Box::new(replaying));
        // The configuration holds to the end.
        let (reloader, _) = reload::reloads(Source::none());
        let app = Self::around(supply, opened, loaded, Arc::default(), (reloader, None)).await?;
        Ok((app, outcome))
    }

    /// What serves and writes, around what events come from.
    async fn around(
        supply: Supply,
        opened: Opened,
        loaded: Loaded,
        pulses: Arc<Pulses>,
        (reloader, offered): (Reloader, Option<Reloader>),
    ) -> Result<Self, Error> {
        let Opened { telemetry, feeds, tasks, gauges, .. } = opened;
        let listeners = listeners(&loaded.config).await?;
        let status = Status::new(Arc::clone(&feeds), Arc::clone(&telemetry), gauges.clone());
        let metrics_path = loaded.config.web.metrics_path;
        let source = rendering::Source::new(Arc::clone(&feeds), Arc::clone(&telemetry), gauges);
        let scrapes = Scrapes::new(Arc::new(source), Places::default());
        let site = Site::new(metrics_path.clone(), Arc::clone(&feeds), scrapes, status, offered);
        let site = Arc::new(site);
        let door = Door::new(Arc::clone(&site), loaded.web_config_file).map_err(Error::Web)?;
        Ok(Self {
            listeners,
            door: Arc::new(door),
            site,
            sinks: tasks,
            reopen: watch::Sender::new(()),
            reloader,
            metrics_path,
            telemetry,
            feeds,
            pulses,
            recording: None,
            supply,
        })
    }

    /// The URLs of the metrics, one a listener, in the order of `web.listen`.
    pub fn metrics_urls(&self) -> Vec<String> {
        let scheme = if self.door.has_tls() { "https" } else { "http" };
        let path = &self.metrics_path;
        self.listeners.iter().map(|listener| format!("{scheme}://{listener}{path}")).collect()
    }

    /// How the feeds stand.
    pub fn feeds(&self) -> Arc<Feeds> {
        Arc::clone(&self.feeds)
    }

    /// Whether its tasks make progress.
    pub fn pulses(&self) -> Arc<Pulses> {
        Arc::clone(&self.pulses)
    }

    /// Has the service manager told when the configuration is reloaded.
    pub fn notify(&mut self, notifier: Notifier) {
        if let Supply::Feeds(workshop, _) = &mut self.supply {
            workshop.lasting.notifier = notifier;
        }
    }

    /// Has lines of events go to one more output, which the caller takes them from.
    pub fn add_output(&mut self, output: LineOutput) {
        if let Supply::Feeds(workshop, _) = &mut self.supply {
            workshop.lasting.outputs.push(output);
        }
    }

    /// What it counts.
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    /// What `/metrics` is made from.
    pub fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    /// Tells the sinks, at each message, to open their files anew: somebody has moved them away.
    pub fn reopener(&self) -> watch::Sender<()> {
        self.reopen.clone()
    }

    /// Reloads the configuration while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Runs until `stop` resolves, then ends everything in order.
    ///
    /// # Errors
    /// Where something that runs for as long as the exporter has ended before that. Who starts it anew
    /// has all of it back.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), Fault> {
        let (stop_feeds, feeds_stopped) = watch::channel(false);
        let (stop_server, server_stopped) = watch::channel(false);
        for url in self.metrics_urls() {
            info!(url, "serving metrics");
        }
        for listener in self.listeners.iter().filter(|listener| listener.is_public()) {
            warn_if_open(listener, &self.door);
        }
        let pulses = self.pulses();
        let serving = server::serve(self.listeners, self.door, server_stopped);
        let mut server = tokio::spawn(pulses.begin("server").during(serving));
        let mut sinks = JoinSet::new();
        for (sink, receiver) in self.sinks {
            let pulse = pulses.begin(format!("sink {}", sink.name()));
            sinks.spawn(pulse.during(sink.run(receiver, self.reopen.subscribe())));
        }
        if let Some(recording) = self.recording {
            sinks.spawn(pulses.begin("recording").during(recording.run()));
        }
        let mut feeds = JoinSet::new();
        // Only feeds and what builds them hold senders of lines and records.
        match self.supply {
            Supply::Feeds(workshop, reloads) => {
                feeds.spawn(Feeding::new(*workshop).run(feeds_stopped, reloads))
            }
            Supply::Recordings(replaying) => feeds.spawn(replaying.run(feeds_stopped)),
        };
        let ended = tokio::select! {
            () = stop => Ok(()),
            what = early_end(&mut server, &mut sinks, &mut feeds) => {
                error!(what, "has ended before its time");
                Err(Fault)
            }
        };
        info!("stopping");
        let _ = stop_feeds.send(true);
        finish(feeds, FEEDS_TIMEOUT, "feeds").await;
        finish(sinks, SINKS_TIMEOUT, "sinks").await;
        let _ = stop_server.send(true);
        if !server.is_finished() {
            let _ = server.await;
        }
        info!("stopped");
        ended
    }
}

/// Waits for whatever is to go on, and ends all the same; says what.
async fn early_end(
    server: &mut JoinHandle<()>,
    sinks: &mut JoinSet<()>,
    feeds: &mut JoinSet<()>,
) -> &'static str {
    tokio::select! {
        _ = server => "the server",
        Some(_) = sinks.join_next() => "a sink",
        Some(_) = feeds.join_next() => "the feeds",
    }
}

/// Says what keeps nobody from the metrics at an address that other machines can reach.
fn warn_if_open(listener: &Listener, door: &Door) {
    let missing = match (door.has_tls(), door.is_guarded()) {
        (false, false) => "metrics are served without TLS or passwords to whoever can reach this address",
        (true, false) => {
            "metrics are served without passwords or verified client certificates to whoever can reach this address"
        }
        (false, true) => {
            "passwords come and metrics go without TLS at this address: who listens on the way has both"
        }
        (true, true) => return,
    };
    warn!(address = %listener, "{missing}");
}

/// Waits for tasks to end, for so long; then ends them.
async fn finish(mut tasks: JoinSet<()>, timeout: Duration, what: &'static str) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(timeout, all).await.is_err() {
        warn!(what, "did not end in time");
    }
}

#[cfg(test)]
mod tests;
