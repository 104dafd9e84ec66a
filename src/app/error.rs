//! Why the exporter cannot start.

use std::io;

use crate::config::{Address, SecretError};
use crate::ingest::dial;
use crate::ingest::ledger::Taken;
use crate::label::relabel::RuleError;
use crate::recording::OpenError;
use crate::sink::influx;
use crate::web::config as web_config;

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
    /// There can be no recording where it is to be.
    Record(OpenError),
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
            Self::Record(err) => write!(formatter, "{err}"),
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
            Self::Record(err) => err.source(),
            Self::Listen(_, err) => Some(err),
        }
    }
}

impl Error {
    /// Whether it may go by itself: an address that this machine may yet get.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Listen(_, err) if err.kind() == io::ErrorKind::AddrNotAvailable)
    }
}
