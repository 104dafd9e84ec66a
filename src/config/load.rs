//! From a file and the environment to a [`Config`], with all problems told at once.
//!
//! Three steps add to one report: the tree's shape, its values' types, and what the values mean.
//! A file that is not TOML at all ends it before the first.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::certificate::ClientCertificate;
use super::check::{self, Scene};
use super::extract::extract;
use super::problem::{Fault, Problems};
use super::producer::{MeasureRule, Producer};
use super::report::Report;
use super::secret::{Places, SecretSource};
use super::{Config, DEFAULT_PATH, Influx, environment, shape};
use crate::label::relabel::RelabelRule;

/// A configuration is a few KiB; what is larger is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What to do when there is nothing at the default path.
const ADVICE: &str = "; copy config.toml there and fill it in, or run `axp-exporter demo`, which needs none";

/// A configuration that was checked, with what its paths lead to.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The keys.
    pub config: Config,
    /// Where the secrets come from.
    pub secrets: Secrets,
    /// `axp.ca_file`, found; `None` if not set.
    pub ca_file: Option<PathBuf>,
    /// `axp.client_cert_file` and its key, found; `None` if not set.
    pub client_certificate: Option<ClientCertificate>,
    /// `web.config_file`, found; `None` if not set.
    pub web_config_file: Option<PathBuf>,
}

/// Where each secret comes from; [`SecretSource::Unset`] where none is needed.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// `axp.client_secret` or its file.
    pub client_secret: SecretSource,
    /// `axp.app_key` or its file.
    pub app_key: SecretSource,
    /// `privacy.hash_key_file`.
    pub hash_key: SecretSource,
    /// Those of each `[[influx]]`, in order.
    pub influx: Vec<InfluxSecrets>,
}

/// The secrets of one `[[influx]]`.
#[derive(Debug, Clone)]
pub struct InfluxSecrets {
    /// `token` or its file.
    pub token: SecretSource,
    /// `password` or its file.
    pub password: SecretSource,
}

/// Whether the program will talk to AXP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The account, its client and its secrets must be given.
    Required,
    /// They may be missing, as for work on recorded events; what is given is checked. Nothing is
    /// recorded, and where to is not looked at.
    Optional,
    /// They may be missing, and no listener and no sink will be opened either: files and folders that
    /// only these need are not looked at, since who asks may not be allowed to.
    Unused,
}

/// The file's text. A missing file at the default path comes with advice.
pub(super) fn read_file(path: &Path) -> Result<String, Problems> {
    let report = Report::new(path);
    let expected = "a readable TOML file".to_owned();
    let fault =
        |found: &str| report.file(Fault::Value { found: found.to_owned(), expected: expected.clone() });
    let file = match File::open(path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            let is_default = path == Path::new(DEFAULT_PATH);
            return Err(report.file(Fault::NoFile { hint: if is_default { ADVICE } else { "" } }));
        }
        opened => opened.map_err(|err| fault(&format!("a file that is {}", check::io_words(&err))))?,
    };
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|err| fault(&format!("a file that is {}", check::io_words(&err))))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault("more than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| fault("a file that is not UTF-8"))
}

/// Reads and checks the text of the file at `path` under the environment `env`.
pub(super) fn load(
    path: &Path,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
    account: Account,
) -> Result<Loaded, Problems> {
    let env: Vec<_> = env.collect();
    let mut report = Report::new(path);
    let defaults = default_tree();
    let mut file = parse(text).map_err(|fault| report.file(fault))?;
    let places = Places {
        credentials: env
            .iter()
            .find(|(name, _)| name == "CREDENTIALS_DIRECTORY")
            .map(|(_, value)| value.into()),
        folder: path.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let mut variables = environment::read(env, &defaults, &mut report);
    let original = file.clone();
    shape::check(&mut file, &defaults, &mut report);
    let config = extract(&mut file, &mut variables, &defaults, &mut report);
    let scene = Scene {
        places: &places,
        account_required: account == Account::Required,
        files_needed: account != Account::Unused,
    };
    let loaded = config.map(|config| {
        config.check(&scene, &mut report);
        Loaded {
            secrets: Secrets::of(&config, &scene),
            ca_file: scene.file(&config.axp.ca_file),
            client_certificate: config.axp.client_certificate(&scene),
            web_config_file: scene.file(&config.web.config_file),
            config,
        }
    });
    match (report.finish(&original), loaded) {
        (None, Some(loaded)) => Ok(loaded),
        (Some(problems), _) => Err(problems),
        (None, None) => Err(Report::new(path).file(unreadable())),
    }
}

impl Secrets {
    fn of(config: &Config, scene: &Scene<'_>) -> Self {
        let of_sink =
            |sink: &Influx| InfluxSecrets { token: sink.token(scene), password: sink.password(scene) };
        Self {
            client_secret: config.axp.client_secret(scene),
            app_key: config.axp.app_key(scene),
            hash_key: config.privacy.hash_key(scene),
            influx: config.influx.iter().map(of_sink).collect(),
        }
    }
}

fn parse(text: &str) -> Result<Dict, Fault> {
    Toml::from_str(text).map_err(|err| {
        let before = err.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Fault::Syntax { line, column, message: err.message().trim().replace('\n', ", ") }
    })
}

fn unreadable() -> Fault {
    Fault::Value { found: "a tree that cannot be read".to_owned(), expected: "sections and keys".to_owned() }
}

/// The defaults with one element in each list of tables: every key that there is, with its type.
pub(super) fn default_tree() -> Dict {
    let config = Config {
        producer: vec![Producer { measure: vec![MeasureRule::default()], ..Producer::default() }],
        relabel: vec![RelabelRule::default()],
        influx: vec![Influx::default()],
        ..Config::default()
    };
    Value::serialize(config).ok().and_then(Value::into_dict).unwrap_or_default()
}
