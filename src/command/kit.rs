//! What pipelines are made from where nothing but events and a configuration is at hand: for `filter`
//! and `explain`, which call nobody, serve nothing and need no account; and what `replay` shares with them.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::app;
use crate::command::{Exit, complain, environment, refuse};
use crate::config::{Account, Config, DEFAULT_PATH, Loaded, Producer};
use crate::pipeline::{Blueprint, LineOutput, Pipeline, SharedTable};
use crate::sink::exposition::pages::{PAGE_BYTES, Pages};
use crate::sink::exposition::{self, Format};
use crate::table::pick::Pick;
use crate::table::rows::Limits;
use crate::table::view::View;
use crate::telemetry::Telemetry;

/// Loads the configuration at `path`, or else the one at the default path, or else the defaults; with
/// the file, if there is one.
///
/// # Errors
/// How to exit, after what is wrong was said on stderr.
pub(super) fn load(account: Account, path: Option<&Path>) -> Result<(Loaded, Option<String>), Exit> {
    let at = path.unwrap_or(Path::new(DEFAULT_PATH));
    let (loaded, is_there) = match Config::load_for(account, at, environment()) {
        Err(problems) if path.is_none() && problems.is_missing_file() => {
            (Config::from_text(account, at, "", environment()), false)
        }
        loaded => (loaded, true),
    };
    let loaded = loaded.map_err(|problems| {
        complain(problems);
        Exit::Config
    })?;
    Ok((loaded, is_there.then(|| at.display().to_string())))
}

/// Writes every series of these tables in the Prometheus text format; says how many lines that is.
pub(super) fn write_series(out: &mut impl Write, tables: &[SharedTable]) -> (u64, io::Result<()>) {
    let views: Vec<View> = tables.iter().map(|table| View::of(table, &Pick::default())).collect();
    let (mut lines, mut written) = (0, Ok(()));
    let mut take = |page: &mut Vec<u8>| {
        lines += page.split(|byte| *byte == b'\n').count().saturating_sub(1) as u64;
        if written.is_ok() {
            written = out.write_all(page);
        }
        page.clear();
    };
    let mut pages = Pages::new(PAGE_BYTES, &mut take);
    exposition::measures(&mut pages, &views, Format::Text);
    pages.finish();
    (lines, written)
}

/// A configuration, and what all its producers share.
#[derive(Debug)]
pub(super) struct Kit {
    /// The configuration.
    pub(super) config: Config,
    /// The file that it is from; none where there was none, and all is as by default.
    pub(super) file: Option<String>,
    blueprint: Blueprint,
    telemetry: Telemetry,
}

impl Kit {
    /// Loads the configuration at `path`, or else the one at the default path, or else the defaults.
    ///
    /// # Errors
    /// How to exit, after what is wrong was said on stderr.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, Exit> {
        let (loaded, file) = load(Account::Unused, path)?;
        let at = file.clone().unwrap_or_else(|| DEFAULT_PATH.to_owned());
        Self::new(loaded, file).map_err(|err| refuse(at, &err))
    }

    /// A kit of this configuration.
    ///
    /// # Errors
    /// What cannot be used.
    pub(super) fn new(loaded: Loaded, file: Option<String>) -> Result<Self, app::Error> {
        let Loaded { config, secrets, .. } = loaded;
        let privacy = app::privacy(&config, &secrets.hash_key)?;
        let limits = Limits::new(config.limits.series);
        Ok(Self {
            blueprint: Blueprint::new(&config, privacy, app::rules(&config)?, limits),
            telemetry: Telemetry::new(config.limits.series),
            file,
            config,
        })
    }

    /// The same, as if nothing had come yet.
    pub(super) fn anew(&self) -> Self {
        let series = self.config.limits.series;
        let limits = Limits::new(series);
        Self {
            config: self.config.clone(),
            file: self.file.clone(),
            blueprint: Blueprint { names: Arc::default(), limits, ..self.blueprint.clone() },
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
        let metrics = self.telemetry.pipeline(&settings.id);
        self.blueprint.pipeline(settings, outputs, metrics)
    }
}
