//! The exporter put together: [`App::build`] opens and binds everything, [`App::run`]
//! runs it.
//!
//! Stopping goes from the source: the feeds hear the signal and end, with them the last
//! senders of lines go, the sinks write what is left and end, and last the server, so
//! that a scrape can see the end. Each step is bounded in time.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use url::Url;

use crate::config::{Address, Config, Loaded, Producer, SecretError, SecretSource};
use crate::ingest::api::Api;
use crate::ingest::dial::{self, Dialer};
use crate::ingest::discovery;
use crate::ingest::endpoint::Allowed;
use crate::ingest::feed::{Feed, FeedParts};
use crate::ingest::feeds::{FeedState, Feeds};
use crate::ingest::ledger::{Ledger, Taken};
use crate::ingest::link::Settings;
use crate::ingest::session::Reason;
use crate::label::relabel::{RuleError, Rules};
use crate::parse::measures::Measures;
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;
use crate::pipeline::{LineOutput, Pipeline, PipelineParts};
use crate::sink::gauge::SinkGauge;
use crate::sink::influx::{self, Pace, Sink};
use crate::sink::queue::{self, LineReceiver};
use crate::table::rows::{Limits, Table};
use crate::telemetry::Telemetry;
use crate::web::door::Door;
use crate::web::listener::{self, Listener};
use crate::web::places::Places;
use crate::web::rendering::Source;
use crate::web::routes::Site;
use crate::web::scrape::Scrapes;
use crate::web::status::Status;
use crate::web::{config as web_config, server};

/// How long feeds may take to end, their subscriptions included.
const FEEDS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long sinks may take to write what is left.
const SINKS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the exporter cannot start.
#[derive(Debug)]
pub enum Error {
    /// A URL of the configuration is none.
    Url(String, url::ParseError),
    /// A secret cannot be read.
    Secret(&'static str, SecretError),
    /// Relabel rules do not hold.
    Relabel(Vec<RuleError>),
    /// The way out cannot be set up.
    Dial(dial::Error),
    /// A sink cannot be opened.
    Sink(influx::Error),
    /// Another instance holds the ledger.
    Ledger(Taken),
    /// The web configuration cannot be used.
    Web(web_config::Error),
    /// The address is no address, or taken.
    Listen(Address, io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(text, _) => write!(formatter, "read the URL {text:?}"),
            Self::Secret(key, _) => write!(formatter, "read {key}"),
            Self::Relabel(errors) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(formatter, "use the rules: {}", errors.join("; "))
            }
            Self::Dial(err) => write!(formatter, "{err}"),
            Self::Sink(err) => write!(formatter, "{err}"),
            Self::Ledger(err) => write!(formatter, "{err}"),
            Self::Web(err) => write!(formatter, "use web.config_file: {err}"),
            Self::Listen(address, _) => write!(formatter, "listen on {address} (web.listen)"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url(_, err) => Some(err),
            Self::Secret(_, err) => Some(err),
            Self::Relabel(_) | Self::Ledger(_) | Self::Web(_) => None,
            Self::Dial(err) => err.source(),
            Self::Sink(err) => err.source(),
            Self::Listen(_, err) => Some(err),
        }
    }
}

/// The exporter, ready to run.
#[derive(Debug)]
pub struct App {
    listeners: Vec<Listener>,
    door: Arc<Door>,
    site: Arc<Site>,
    sinks: Vec<(Sink, LineReceiver)>,
    reopen: watch::Sender<()>,
    workshop: Workshop,
}

impl App {
    /// Opens and binds everything that the configuration names, but calls nobody yet.
    ///
    /// # Errors
    /// What cannot be opened.
    pub async fn build(loaded: Loaded) -> Result<Self, Error> {
        let telemetry = Arc::new(Telemetry::new(loaded.config.limits.series));
        let (api, dialer) = way_out(&loaded, &telemetry)?;
        let Sinks { outputs, tasks, gauges } = open_sinks(&loaded, &telemetry).await?;
        let Loaded { config, secrets, web_config_file, .. } = loaded;
        let allowed = Allowed::new(&url(&config.axp.api_url)?, &config.axp.endpoint_hosts);
        let privacy = privacy(&config, &secrets.hash_key)?;
        let rules = rules(&config)?;
        let listeners = listeners(&config).await?;
        let feeds = Arc::new(Feeds::default());
        let path = config.web.metrics_path.clone();
        let limits = Limits::new(config.limits.series);
        let status = Status::new(Arc::clone(&feeds), Arc::clone(&telemetry), gauges.clone(), limits.clone());
        let source = Source::new(Arc::clone(&feeds), Arc::clone(&telemetry), gauges);
        let scrapes = Scrapes::new(Arc::new(source), Places::default());
        let site = Arc::new(Site::new(path, Arc::clone(&feeds), scrapes, status));
        let door = Door::new(Arc::clone(&site), web_config_file).map_err(Error::Web)?;
        let api = Arc::new(api);
        let ledger = Ledger::open(ledger_path(&config), &config.axp.account_id).map_err(Error::Ledger)?;
        let names = Arc::default();
        let workshop = Workshop {
            config,
            telemetry,
            feeds,
            api,
            ledger: Arc::new(ledger),
            dialer,
            allowed,
            privacy,
            rules,
            names,
            limits,
            outputs,
        };
        let door = Arc::new(door);
        Ok(Self { listeners, door, site, sinks: tasks, reopen: watch::Sender::new(()), workshop })
    }

    /// The URLs of the metrics, one a listener, in the order of `web.listen`.
    pub fn metrics_urls(&self) -> Vec<String> {
        let scheme = if self.door.has_tls() { "https" } else { "http" };
        let path = &self.workshop.config.web.metrics_path;
        self.listeners.iter().map(|listener| format!("{scheme}://{listener}{path}")).collect()
    }

    /// How the feeds stand.
    pub fn feeds(&self) -> Arc<Feeds> {
        Arc::clone(&self.workshop.feeds)
    }

    /// What `/metrics` is made from.
    pub fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    /// Tells the sinks, at each message, to open their files anew: somebody has moved them away.
    pub fn reopener(&self) -> watch::Sender<()> {
        self.reopen.clone()
    }

    /// Runs until `stop` resolves, then ends everything in order.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (stop_feeds, feeds_stopped) = watch::channel(false);
        let (stop_server, server_stopped) = watch::channel(false);
        for url in self.metrics_urls() {
            info!(url, "serving metrics");
        }
        for listener in self.listeners.iter().filter(|listener| listener.is_public()) {
            warn_if_open(listener, &self.door);
        }
        let server = tokio::spawn(server::serve(self.listeners, self.door, server_stopped));
        let mut sinks = JoinSet::new();
        for (sink, receiver) in self.sinks {
            sinks.spawn(sink.run(receiver, self.reopen.subscribe()));
        }
        let mut feeds = JoinSet::new();
        feeds.spawn(run_feeds(self.workshop, feeds_stopped));
        stop.await;
        info!("stopping");
        let _ = stop_feeds.send(true);
        finish(feeds, FEEDS_TIMEOUT, "feeds").await;
        finish(sinks, SINKS_TIMEOUT, "sinks").await;
        let _ = stop_server.send(true);
        let _ = server.await;
        info!("stopped");
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

/// Runs the feeds that are configured, or that AXP lists, until they are told to stop.
async fn run_feeds(workshop: Workshop, mut stop: watch::Receiver<bool>) {
    let producers = if workshop.config.producer.is_empty() {
        let pauses = workshop.settings().pauses(rand::random());
        let listed = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            ids = discovery::producers(&workshop.api, pauses) => ids,
        };
        listed.into_iter().map(|id| Producer { id, ..Producer::default() }).collect()
    } else {
        workshop.config.producer.clone()
    };
    let mut feeds = JoinSet::new();
    for producer in producers {
        feeds.spawn(workshop.feed(producer).run(stop.clone()));
    }
    workshop.feeds.note_complete();
    // From here on only the feeds hold senders of lines.
    drop(workshop);
    while let Some(ended) = feeds.join_next().await {
        if let Err(err) = ended {
            error!(err = %err, "a feed died");
        }
    }
}

/// What feeds are built from.
#[derive(Debug)]
struct Workshop {
    config: Config,
    telemetry: Arc<Telemetry>,
    feeds: Arc<Feeds>,
    api: Arc<Api>,
    ledger: Arc<Ledger>,
    dialer: Dialer,
    allowed: Allowed,
    privacy: Privacy,
    rules: Arc<Rules>,
    names: Arc<Names>,
    limits: Limits,
    outputs: Vec<LineOutput>,
}

impl Workshop {
    const fn settings(&self) -> Settings {
        Settings::new(self.config.axp.ping_interval.get())
    }

    /// The feed of one producer, with its pipeline and table.
    fn feed(&self, producer: Producer) -> Feed {
        let Config { axp, limits, .. } = &self.config;
        let id = producer.id.clone();
        let measures =
            Measures::new(producer, self.privacy.clone(), Arc::clone(&self.names), limits.label_value_bytes);
        let table = Arc::new(RwLock::new(Table::new(&id, measures.stem(), self.limits.clone())));
        let (state, questions) = FeedState::new(id.clone(), Arc::clone(&table));
        let state = Arc::new(state);
        self.feeds.add(Arc::clone(&state));
        let pipeline = Pipeline::new(PipelineParts {
            measures,
            rules: Arc::clone(&self.rules),
            account_id: axp.account_id.clone(),
            table,
            outputs: self.outputs.clone(),
            metrics: self.telemetry.pipeline(&id),
            snapshot_quiet: axp.snapshot_quiet.get(),
            stale_after: axp.stale_after.get(),
            label_value_bytes: limits.label_value_bytes,
        });
        let parts = FeedParts {
            api: Arc::clone(&self.api),
            ledger: Arc::clone(&self.ledger),
            dialer: self.dialer.clone(),
            allowed: self.allowed.clone(),
            state,
            questions,
            pipeline,
            metrics: self.telemetry.feed(&id, Reason::ALL.iter().map(|reason| reason.label())),
            settings: self.settings(),
            locale: axp.dictionary.then(|| axp.locale.clone()),
        };
        Feed::new(parts, rand::random())
    }
}

/// The configured sinks: the ends that lines go in, the ends they come out, and the gauges.
#[derive(Default)]
struct Sinks {
    outputs: Vec<LineOutput>,
    tasks: Vec<(Sink, LineReceiver)>,
    gauges: Vec<SinkGauge>,
}

async fn open_sinks(loaded: &Loaded, telemetry: &Telemetry) -> Result<Sinks, Error> {
    let mut opened = Sinks::default();
    let Loaded { config, secrets, .. } = loaded;
    if config.influx.is_empty() {
        return Ok(opened);
    }
    // The client certificate is for AXP, and shown to nobody else.
    let dialer = Dialer::new(loaded.ca_file.as_deref(), None, 0, telemetry.tls_errors());
    let dialer = dialer.map_err(Error::Dial)?;
    for (influx, secrets) in config.influx.iter().zip(&secrets.influx) {
        let metrics = telemetry.sink(&influx.name);
        let batch_bytes = usize::try_from(influx.batch_bytes.get()).unwrap_or(usize::MAX);
        let (sender, receiver) = queue::lines(batch_bytes, metrics.dropped.clone());
        let spool_bytes_max = (!influx.spool_dir.as_os_str().is_empty()).then(|| influx.spool_bytes.get());
        let (metrics_seen, queue) = (metrics.clone(), receiver.gauge());
        opened.gauges.push(SinkGauge { metrics: metrics_seen, queue, spool_bytes_max });
        let sink = Sink::open(influx, secrets, &dialer, Pace::default(), metrics).await;
        opened.tasks.push((sink.map_err(Error::Sink)?, receiver));
        opened.outputs.push(LineOutput { sender, on_delete: influx.on_delete });
    }
    Ok(opened)
}

/// Where subscriptions are written down: as configured, or where systemd keeps the
/// program's state; else nowhere.
fn ledger_path(config: &Config) -> Option<PathBuf> {
    if !config.axp.state_file.as_os_str().is_empty() {
        return Some(config.axp.state_file.clone());
    }
    let folder = std::env::var_os("STATE_DIRECTORY")?;
    // Several folders are separated by colons; the first is the program's own.
    let first = std::env::split_paths(&folder).next()?;
    Some(first.join("subscriptions.json"))
}

/// AXP's REST interfaces as the configuration names them, and the dialer that they use.
///
/// # Errors
/// What cannot be set up; nobody is called.
pub(crate) fn way_out(loaded: &Loaded, telemetry: &Telemetry) -> Result<(Api, Dialer), Error> {
    let Loaded { config, secrets, ca_file, client_certificate, .. } = loaded;
    let frame_bytes_max = usize::try_from(config.limits.frame_bytes.get()).unwrap_or(usize::MAX);
    let (certificate, tls_errors) = (client_certificate.clone(), telemetry.tls_errors());
    let dialer = Dialer::new(ca_file.as_deref(), certificate, frame_bytes_max, tls_errors);
    let dialer = dialer.map_err(Error::Dial)?;
    let base = url(&config.axp.api_url)?;
    let token_url = token_url(config, &base)?;
    let credentials = (secrets.client_secret.clone(), secrets.app_key.clone());
    let api = Api::new(&config.axp, base, token_url, credentials, &dialer, telemetry).map_err(Error::Dial)?;
    Ok((api, dialer))
}

/// What becomes of personal data.
///
/// # Errors
/// Where the key to hash it cannot be read.
pub(crate) fn privacy(config: &Config, hash_key: &SecretSource) -> Result<Privacy, Error> {
    let failed = |err| Error::Secret("privacy.hash_key_file", err);
    let key = if hash_key.is_set() { Some(hash_key.read().map_err(failed)?) } else { None };
    Ok(Privacy::new(config.privacy.personal, &config.privacy.measures, key.as_ref()))
}

/// Binds the addresses that are configured.
async fn listeners(config: &Config) -> Result<Vec<Listener>, Error> {
    let mut listeners = Vec::new();
    for address in config.web.listen.addresses() {
        let bound = listener::bind(&address).await;
        listeners.extend(bound.map_err(|err| Error::Listen(address, err))?);
    }
    Ok(listeners)
}

fn rules(config: &Config) -> Result<Arc<Rules>, Error> {
    Rules::compile(&config.relabel).map(Arc::new).map_err(Error::Relabel)
}

fn url(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|err| Error::Url(text.to_owned(), err))
}

/// Where tokens are asked for: as configured, or where AXP has its own.
fn token_url(config: &Config, base: &Url) -> Result<Url, Error> {
    if !config.axp.token_url.is_empty() {
        return url(&config.axp.token_url);
    }
    let base = base.as_str().trim_end_matches('/');
    url(&format!("{base}/api/auth/v1/{}/protocol/openid-connect/token", config.axp.account_id))
}
