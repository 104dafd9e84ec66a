//! The blueprint of pipelines: what those of one configuration have in common.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::{Derivation, LineOutput, Pipeline, PipelineParts, SharedTable};
use crate::config::{Config, Producer};
use crate::label::relabel::Rules;
use crate::parse::measures::Measures;
use crate::parse::names::Names;
use crate::parse::privacy::Privacy;
use crate::table::rows::{Limits, Table};
use crate::telemetry;

/// What all producers' pipelines are made by, and share.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// The account of events that name none.
    pub account_id: String,
    /// What becomes of personal data.
    pub privacy: Privacy,
    /// The relabel rules.
    pub rules: Arc<Rules>,
    /// Who has which name.
    pub names: Arc<Names>,
    /// What the tables share in bounds.
    pub limits: Limits,
    /// Most bytes of a label's value.
    pub label_value_bytes: usize,
    /// How long a snapshot's events may pause before it counts as finished.
    pub snapshot_quiet: Duration,
    /// How long rows outlive their feed.
    pub stale_after: Duration,
}

impl Blueprint {
    /// The blueprint of this configuration; no name is taken yet.
    pub fn new(config: &Config, privacy: Privacy, rules: Arc<Rules>, limits: Limits) -> Self {
        Self {
            account_id: config.axp.account_id.clone(),
            privacy,
            rules,
            names: Arc::default(),
            limits,
            label_value_bytes: config.limits.label_value_bytes,
            snapshot_quiet: config.axp.snapshot_quiet.get(),
            stale_after: config.axp.stale_after.get(),
        }
    }

    /// The pipeline of one producer, which has seen nothing yet, and the table that it writes. It counts
    /// in `metrics`, and its lines go to `outputs`.
    pub fn pipeline(
        &self,
        producer: Producer,
        outputs: Vec<LineOutput>,
        metrics: telemetry::Pipeline,
    ) -> (Pipeline, SharedTable) {
        let (privacy, names) = (self.privacy.clone(), Arc::clone(&self.names));
        let measures = Measures::new(producer, privacy, names, self.label_value_bytes);
        let table = Table::new(measures.producer_id(), measures.stem(), self.limits.clone());
        let table = Arc::new(RwLock::new(table));
        let pipeline = Pipeline::new(PipelineParts {
            derivation: Derivation { measures, rules: Arc::clone(&self.rules) },
            account_id: self.account_id.clone(),
            table: Arc::clone(&table),
            outputs,
            metrics,
            snapshot_quiet: self.snapshot_quiet,
            stale_after: self.stale_after,
        });
        (pipeline, table)
    }
}

/// As by default, for an account without a name.
impl Default for Blueprint {
    fn default() -> Self {
        let config = Config::default();
        let privacy = Privacy::new(config.privacy.personal, &config.privacy.measures, None);
        Self::new(&config, privacy, Arc::default(), Limits::new(config.limits.series))
    }
}
