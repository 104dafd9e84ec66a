//! `web.listen`: the addresses that scrapes come in at, one or several.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Host;

use super::key::Key;
use super::report::Report;

/// Most addresses; each takes a place among the connections.
pub(crate) const ADDRESSES_MAX: usize = 16;

const EXPECTED: &str = "host:port such as 127.0.0.1:9955, :port, unix:/path or systemd";

/// One place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`, an address or a name.
    Host(String),
    /// `:port`, on all addresses of both families.
    Everywhere(u16),
    /// `unix:/path`, a socket in the file system.
    Unix(PathBuf),
    /// `systemd`: whatever sockets systemd passes.
    Systemd,
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "systemd" {
            Ok(Self::Systemd)
        } else if let Some(path) = text.strip_prefix("unix:") {
            let is_file = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            is_file.then(|| Self::Unix(path.into())).ok_or(())
        } else if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
            Ok(Self::Everywhere(port))
        } else {
            is_host_and_port(text).then(|| Self::Host(text.to_owned())).ok_or(())
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(text) => formatter.write_str(text),
            Self::Everywhere(port) => write!(formatter, ":{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Systemd => formatter.write_str("systemd"),
        }
    }
}

/// The texts of `web.listen`: one, several with commas between them, or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen(Vec<String>);

impl Default for Listen {
    fn default() -> Self {
        Self(vec!["127.0.0.1:9955".to_owned()])
    }
}

impl Listen {
    /// Nowhere, which no configuration can say.
    pub const fn nowhere() -> Self {
        Self(Vec::new())
    }

    /// The addresses, as far as they are such; a configuration that was checked has no others.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.0.iter().filter_map(|text| text.parse().ok())
    }

    pub(super) fn check(&self, key: &Key, report: &mut Report) {
        if self.0.is_empty() {
            report.value(key, "nothing", EXPECTED);
        } else if self.0.len() > ADDRESSES_MAX {
            report.value(key, format!("{} addresses", self.0.len()), format!("at most {ADDRESSES_MAX}"));
        }
        for (index, text) in self.0.iter().enumerate() {
            let at = if self.0.len() == 1 { key.clone() } else { key.index(index) };
            if text.parse::<Address>().is_err() {
                report.text(&at, text, EXPECTED);
            } else if self.0.iter().take(index).any(|earlier| earlier == text) {
                report.text(&at, text, "each address once");
            }
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Vec<String>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an address in quotes or a list of such")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(text.split(',').map(|part| part.trim().to_owned()).collect())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(texts)
            }
        }
        deserializer.deserialize_any(Texts).map(Self)
    }
}

/// A socket address, or a host name with a port.
pub(super) fn is_host_and_port(text: &str) -> bool {
    let is_named = |(host, port): (&str, &str)| {
        matches!(Host::parse(host), Ok(Host::Domain(_))) && !host.contains('*') && port.parse::<u16>().is_ok()
    };
    text.parse::<SocketAddr>().is_ok() || text.rsplit_once(':').is_some_and(is_named)
}
