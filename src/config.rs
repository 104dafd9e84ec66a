//! Configuration: what there is to set, what it is by default, and what is wrong with a file.
//!
//! [`Config`] is the whole tree, one struct a section, every key documented at its field.
//! Defaults come first, then the file, then the environment: [`Config::load`] reads all three
//! and either returns a tree that makes sense or every problem at once. `config.toml` at the root
//! of the repository is the reference for people; a test holds it equal to the defaults here.
//!
//! Below: the sections, the types of their values, then loading. Of the latter read `load` first;
//! `environment`, `shape`, `extract` and `check` are its steps, `report` is what they write to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::label::relabel::{RelabelRule, Rules};

mod axp;
mod influx;
mod limits;
mod listen;
mod log;
mod privacy;
mod producer;
mod record;
mod web;

mod certificate;
mod secret;
mod units;
mod word;

mod check;
mod environment;
mod extract;
mod key;
mod load;
mod problem;
mod report;
mod shape;

pub use axp::Axp;
pub use certificate::{ClientCertificate, Error as CertificateError};
pub(crate) use certificate::{read_chain as read_certificates, read_file as read_certificate_file};
pub use influx::Influx;
pub use limits::Limits;
pub(crate) use listen::ADDRESSES_MAX;
pub use listen::{Address, Listen};
pub use load::{Account, InfluxSecrets, Loaded, Secrets};
pub use log::Log;
pub use privacy::Privacy;
pub use problem::{Fault, Problem, Problems};
pub use producer::{MeasureRule, Producer};
pub use record::Record;
pub use secret::{Error as SecretError, FileError as SecretFileError, Places, SecretSource, SecretText};
pub use units::{Bytes, Duration};
pub use web::Web;
pub use word::{Api, DurationUnit, Format, Kind, LogFormat, LogLevel, OnDelete, Personal, Target, Unit};

use check::Scene;
use key::Key;
use report::Report;

/// Where the configuration is looked for unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/axp-exporter/config.toml";

/// The whole configuration, one field a section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The account, its secrets, and how the feed is held.
    pub axp: Axp,
    /// The producers to subscribe to. Default empty: every `itd` producer that AXP lists.
    pub producer: Vec<Producer>,
    /// Rules that rewrite labels, in order. Default empty.
    pub relabel: Vec<RelabelRule>,
    /// What becomes of personal data.
    pub privacy: Privacy,
    /// Bounds on what the feed can make this program hold.
    pub limits: Limits,
    /// The server for scrapes.
    pub web: Web,
    /// Where line protocol goes. Default empty: nowhere.
    pub influx: Vec<Influx>,
    /// A recording of the feed.
    pub record: Record,
    /// Log messages.
    pub log: Log,
}

impl Config {
    /// Reads the file at `path` and the variables `AXP_EXPORTER_<SECTION>__<KEY>` of `env`, which
    /// also tells `$CREDENTIALS_DIRECTORY`, and checks everything that can be checked offline.
    ///
    /// # Errors
    ///
    /// Fails with every problem there is. [`Problems::is_missing_file`] tells that there is no
    /// file at all.
    pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
        Self::load_for(Account::Required, path, env)
    }

    /// As [`Config::load`], for commands that may not need an account.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_for(
        account: Account,
        path: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Loaded, Problems> {
        load::load(path, &load::read_file(path)?, env, account)
    }

    /// As [`Config::load_for`], of a text that stands for the file at `path`, which is not read.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_text(
        account: Account,
        path: &Path,
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Loaded, Problems> {
        load::load(path, text, env, account)
    }

    fn check(&self, scene: &Scene<'_>, report: &mut Report) {
        self.axp.check(scene, report);
        producer::check(&self.producer, &self.privacy, report);
        for error in Rules::compile(&self.relabel).err().into_iter().flatten() {
            let key = Key::of("relabel").index(error.index).at(error.key);
            report.refused(&key, &error.value, error.message);
        }
        self.privacy.check(scene, report);
        self.limits.check(report);
        self.web.check(scene, report);
        influx::check(&self.influx, scene, report);
        self.record.check(&self.influx, scene, report);
    }
}

#[cfg(test)]
mod tests;
