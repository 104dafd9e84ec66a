//! `web.config_file`: the [web configuration] of the Prometheus exporter toolkit, in its format.
//!
//! A [`Draft`] is the file as read, with all files it names; built, it becomes a [`WebConfig`].
//! What the format knows is either honoured or refused with the reason:
//!
//! - TLS is 1.2 and 1.3. `min_version` and `max_version` below that are refused, as are cipher
//!   suites and curves that the TLS library does not have: those with CBC or without
//!   forward secrecy, and `CurveP521`.
//! - `http2` is taken and changes nothing: HTTP/1.1 alone is offered.
//! - A section `tls_server_config` with anything in it asks for TLS. The toolkit serves without
//!   where neither certificate nor client authentication is set, be it by an empty text.
//! - A value and its file (`cert` and `cert_file`) exclude each other; the toolkit takes the file.
//! - A bcrypt cost over 18, whose requests would take minutes, and a rate limit without a burst,
//!   which would answer nothing, are refused.
//!
//! [web configuration]: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::digest::Digest;
use hyper::HeaderMap;
use rustls::ServerConfig;
use sha2::Sha256;

use self::file::WebFile;
pub use self::rate::Rate;
use self::tls::Material;
pub use self::users::Users;
use crate::config::read_certificate_file as read_file;

mod clients;
mod file;
mod headers;
mod negotiation;
mod rate;
mod tls;
mod users;

/// What the file asks for.
#[derive(Debug, Default)]
pub struct WebConfig {
    /// TLS, and which clients it lets in.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether only clients with a certificate of a trusted authority are let in.
    pub are_clients_verified: bool,
    /// What to add to each answer.
    pub headers: HeaderMap,
    /// Who has to give a password; nobody if empty.
    pub users: Users,
    /// How many requests are answered.
    pub rate: Option<Rate>,
}

/// Why a file cannot be used: the file, the place in it, and what is wrong there. One line; holds
/// no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    file: PathBuf,
    within: String,
}

impl Error {
    /// The error without the file's name.
    pub fn within(self) -> String {
        self.within
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.file.display(), self.within)
    }
}

impl std::error::Error for Error {}

/// What is wrong at a place of the file, such as `tls_server_config.cert_file`.
#[derive(Debug)]
struct Fault {
    place: String,
    why: String,
}

impl Fault {
    fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), why: why.into() }
    }
}

/// The file and those that it names, read but not judged.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: WebFile,
    material: Option<Material>,
    digest: [u8; 32],
}

impl Draft {
    /// Reads the file, and the files that it names.
    ///
    /// # Errors
    /// If one of them cannot be read, or the first is not of the format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |fault: Fault| fault.of(path);
        let bytes = read_file(path).map_err(|why| failed(Fault::new("the file", why)))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| failed(Fault::new("the file", "not UTF-8")))?;
        let file = WebFile::parse(text).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let material = file.tls_server_config.as_ref().map(|section| Material::gather(section, folder));
        let material = material.transpose().map_err(failed)?;
        let mut digest = Sha256::new();
        for text in std::iter::once(&*bytes).chain(material.iter().flat_map(Material::texts)) {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        Ok(Self { path: path.to_owned(), file, material, digest: digest.finalize().into() })
    }

    /// What tells this draft from one of other files.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Judges what was read.
    ///
    /// # Errors
    /// The first setting that cannot be honoured.
    pub fn build(self) -> Result<WebConfig, Error> {
        let path = self.path;
        Self::make(self.file, self.material).map_err(|fault| fault.of(&path))
    }

    fn make(file: WebFile, material: Option<Material>) -> Result<WebConfig, Fault> {
        let mut config = WebConfig {
            users: Users::new(file.basic_auth_users.unwrap_or_default())?,
            rate: file.rate_limit.map(Rate::new).transpose()?.flatten(),
            ..WebConfig::default()
        };
        if let Some(section) = file.http_server_config {
            config.headers = headers::checked(section.headers.unwrap_or_default())?;
        }
        if let (Some(section), Some(material)) = (file.tls_server_config, material) {
            let (tls, are_clients_verified) = tls::server_config(&section, &material)?;
            config.tls = Some(tls);
            config.are_clients_verified = are_clients_verified;
        }
        Ok(config)
    }
}

impl Fault {
    fn of(self, path: &Path) -> Error {
        Error { file: path.to_owned(), within: format!("{}: {}", self.place, self.why) }
    }
}

#[cfg(test)]
mod tests;
