//! What pipelines are made from where nothing but events and a configuration is at hand: for
//! `filter` and `explain`, which call nobody, serve nothing and need no account.

use std::path::Path;
use std::sync::{Arc, RwLock};

use crate::app;
use crate::command::{Exit, complain, environment};
use crate::config::{Account, Config, DEFAULT_PATH, Loaded, Producer};
use crate::failure::describe;
use crate::label::relabel::Rules;
use crate::parse::measures::Measures;
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;
use crate::pipeline::{Derivation, LineOutput, Pipeline, PipelineParts, SharedTable};
use crate::table::rows::{Limits, Table};
use crate::telemetry::Telemetry;

/// A configuration, and what all its producers share.
#[derive(Debug)]
pub(super) struct Kit {
    /// The configuration.
    pub(super) config: Config,
    /// The file that it is from; none where there was none, and all is as by default.
    pub(super) file: Option<String>,
    privacy: Privacy,
    rules: Arc<Rules>,
    names: Arc<Names>,
    limits: Limits,
    telemetry: Telemetry,
}

impl Kit {
    /// Loads the configuration at `path`, or else the one at the default path, or else the defaults.
    ///
    /// # Errors
    /// How to exit, after what is wrong was said on stderr.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, Exit> {
        let at = path.unwrap_or(Path::new(DEFAULT_PATH));
        let complained = |text: &dyn std::fmt::Display| {
            complain(text);
            Exit::Config
        };
        let (loaded, is_there) = match Config::load_for(Account::Unused, at, environment()) {
            Err(problems) if path.is_none() && problems.is_missing_file() => {
                (Config::from_text(Account::Unused, at, "", environment()), false)
            }
            loaded => (loaded, true),
        };
        let loaded = loaded.map_err(|problems| complained(&problems))?;
        let file = is_there.then(|| at.display().to_string());
        Self::new(loaded, file)
            .map_err(|err| complained(&format_args!("{}: {}", at.display(), describe(&err))))
    }

    /// A kit of this configuration.
    ///
    /// # Errors
    /// What cannot be used.
    pub(super) fn new(loaded: Loaded, file: Option<String>) -> Result<Self, app::Error> {
        let Loaded { config, secrets, .. } = loaded;
        Ok(Self {
            privacy: app::privacy(&config, &secrets.hash_key)?,
            rules: app::rules(&config)?,
            names: Arc::default(),
            limits: Limits::new(config.limits.series),
            telemetry: Telemetry::new(config.limits.series),
            file,
            config,
        })
    }

    /// The same, as if nothing had come yet.
    pub(super) fn anew(&self) -> Self {
        let series = self.config.limits.series;
        Self {
            config: self.config.clone(),
            file: self.file.clone(),
            privacy: self.privacy.clone(),
            rules: Arc::clone(&self.rules),
            names: Arc::default(),
            limits: Limits::new(series),
            telemetry: Telemetry::new(series),
        }
    }

    /// The settings of this producer, where the configuration has a block for it.
    pub(super) fn block(&self, id: &str) -> Option<&Producer> {
        self.config.producer.iter().find(|producer| producer.id == id)
    }

    /// The producer of events that name none: the one that there is a block for.
    pub(super) fn only_producer(&self) -> Option<&Producer> {
        if let [only] = self.config.producer.as_slice() { Some(only) } else { None }
    }

    /// The pipeline of a producer, and the table that it writes.
    pub(super) fn pipeline(&self, settings: Producer, outputs: Vec<LineOutput>) -> (Pipeline, SharedTable) {
        let Config { axp, limits, .. } = &self.config;
        let id = settings.id.clone();
        let (privacy, names) = (self.privacy.clone(), Arc::clone(&self.names));
        let measures = Measures::new(settings, privacy, names, limits.label_value_bytes);
        let table = Arc::new(RwLock::new(Table::new(&id, measures.stem(), self.limits.clone())));
        let pipeline = Pipeline::new(PipelineParts {
            derivation: Derivation { measures, rules: Arc::clone(&self.rules) },
            account_id: axp.account_id.clone(),
            table: Arc::clone(&table),
            outputs,
            metrics: self.telemetry.pipeline(&id),
            snapshot_quiet: axp.snapshot_quiet.get(),
            stale_after: axp.stale_after.get(),
        });
        (pipeline, table)
    }
}
