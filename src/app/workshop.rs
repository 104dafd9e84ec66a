//! The workshop: what feeds are built from, and what they share.

use std::sync::Arc;

use tokio::sync::watch;

use super::open::{privacy, rules, url, way_of_sinks, way_out};
use super::{Error, change};
use crate::config::{Config, Loaded, Producer};
use crate::ingest::api::Api;
use crate::ingest::dial::Dialer;
use crate::ingest::endpoint::Allowed;
use crate::ingest::feed::{Feed, FeedParts};
use crate::ingest::feeds::{FeedState, Feeds};
use crate::ingest::ledger::Ledger;
use crate::ingest::link::Settings;
use crate::ingest::renewal::Renewal;
use crate::notify::Notifier;
use crate::pipeline::{Blueprint, LineOutput, Moment, Pipeline, SharedTable, retire_all};
use crate::pulse::Pulses;
use crate::recording::Recorder;
use crate::table::rows::Limits;
use crate::telemetry::Telemetry;

/// What feeds are built from: what lasts, and what one configuration makes.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) lasting: Lasting,
    pub(super) tools: Tools,
}

/// What one configuration makes.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) config: Config,
    pub(super) api: Arc<Api>,
    pub(super) blueprint: Blueprint,
    dialer: Dialer,
    way_of_sinks: Dialer,
    allowed: Allowed,
}

/// What lasts over every reload.
#[derive(Debug, Clone)]
pub(super) struct Lasting {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) pulses: Arc<Pulses>,
    pub(super) notifier: Notifier,
    pub(super) outputs: Vec<LineOutput>,
    /// By which the sinks call servers.
    pub(super) way_of_sinks: watch::Sender<Dialer>,
    /// None where nothing is recorded.
    pub(super) recorder: Option<Recorder>,
}

impl Tools {
    /// By this configuration. Reads files, which may take a while, and calls nobody.
    ///
    /// # Errors
    /// What cannot be used.
    pub(super) fn new(loaded: &Loaded, telemetry: &Telemetry, limits: Limits) -> Result<Self, Error> {
        let (api, dialer) = way_out(loaded, telemetry)?;
        let way_of_sinks = way_of_sinks(loaded, telemetry)?;
        let config = loaded.config.clone();
        let privacy = privacy(&config, &loaded.secrets.hash_key)?;
        Ok(Self {
            allowed: Allowed::new(&url(&config.axp.api_url)?, &config.axp.endpoint_hosts),
            blueprint: Blueprint::new(&config, privacy, rules(&config)?, limits),
            api: Arc::new(api),
            config,
            dialer,
            way_of_sinks,
        })
    }
}

impl Workshop {
    pub(super) const fn settings(&self) -> Settings {
        Settings::new(self.tools.config.axp.ping_interval.get())
    }

    fn locale(&self) -> Option<String> {
        self.tools.config.axp.dictionary.then(|| self.tools.config.axp.locale.clone())
    }

    /// The feed of one producer, with its pipeline and table.
    pub(super) fn feed(&self, producer: Producer) -> (Arc<FeedState>, Feed) {
        let id = producer.id.clone();
        let (pipeline, table) = self.pipeline(producer);
        let (state, requests) = FeedState::new(id.clone(), table);
        let state = Arc::new(state);
        let Lasting { telemetry, ledger, pulses, .. } = &self.lasting;
        let parts = FeedParts {
            api: Arc::clone(&self.tools.api),
            ledger: Arc::clone(ledger),
            dialer: self.tools.dialer.clone(),
            allowed: self.tools.allowed.clone(),
            state: Arc::clone(&state),
            requests,
            pulse: pulses.begin(format!("feed {id}")),
            pipeline,
            metrics: telemetry.feed(&id),
            settings: self.settings(),
            locale: self.locale(),
        };
        (state, Feed::new(parts, rand::random()))
    }

    /// The pipeline of one producer, which has seen nothing yet, and its table.
    pub(super) fn pipeline(&self, producer: Producer) -> (Pipeline, SharedTable) {
        let metrics = self.lasting.telemetry.pipeline(&producer.id);
        let tap = self.lasting.recorder.as_ref().map(|recorder| recorder.tap(&producer.id, Moment::now()));
        let (mut pipeline, table) =
            self.tools.blueprint.pipeline(producer, self.lasting.outputs.clone(), metrics);
        if let Some(tap) = tap {
            pipeline.record(tap);
        }
        (pipeline, table)
    }

    /// Has what is recorded from now on treated as its privacy says.
    pub(super) fn begin_recording(&self) {
        if let Some(recorder) = &self.lasting.recorder {
            recorder.begin(&self.tools.blueprint.privacy, Moment::now());
        }
    }

    /// Whether every feed is to bring a snapshot under `next`: where it is connected otherwise, or
    /// where values may show that were not kept.
    pub(super) fn wants_snapshots(&self, next: &Self) -> bool {
        let (config, other) = (&self.tools.config, &next.tools.config);
        change::is_connection_changed(config, other)
            || config.limits.label_value_bytes != other.limits.label_value_bytes
            || config.limits.series < other.limits.series
            || !self.tools.blueprint.privacy.is_like(&next.tools.blueprint.privacy)
    }

    /// Has the sinks call by the way of this workshop.
    pub(super) fn lead_sinks(&self) {
        self.lasting.way_of_sinks.send_replace(self.tools.way_of_sinks.clone());
    }

    /// Writes the markers of a producer's rows that there will be no more.
    pub(super) fn send_off(&self, table: &SharedTable, now: Moment) {
        retire_all(&self.lasting.outputs, table, now);
    }

    /// What a feed goes on with that was built by another workshop.
    pub(super) fn renewal(&self, pipeline: Pipeline, anew: bool) -> Renewal {
        Renewal {
            pipeline,
            api: Arc::clone(&self.tools.api),
            dialer: self.tools.dialer.clone(),
            allowed: self.tools.allowed.clone(),
            settings: self.settings(),
            locale: self.locale(),
            anew,
        }
    }
}
