//! The shape of the YAML file: sections and keys, nothing else, none of them twice.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Error, Options, options};

use super::Fault;
use crate::config::SecretText;

/// The file. A section or key without a value is one that is not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebFile {
    pub(super) tls_server_config: Option<TlsSection>,
    pub(super) http_server_config: Option<HttpSection>,
    pub(super) rate_limit: Option<RateSection>,
    /// Hashes of passwords by names.
    pub(super) basic_auth_users: Option<BTreeMap<String, Option<SecretText>>>,
}

/// `tls_server_config`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSection {
    pub(super) cert: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key: Option<SecretText>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Option<Vec<String>>,
}

/// `http_server_config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpSection {
    /// Known, and has to be a boolean; HTTP/2 is not offered either way.
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, Option<String>>>,
}

/// `rate_limit`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateSection {
    pub(super) interval: Option<String>,
    pub(super) burst: Option<i64>,
}

impl WebFile {
    /// Reads the file's text.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let options: Options = options! { with_snippet: false };
        let parsed: Option<Self> =
            serde_saphyr::from_str_with_options(text, options).map_err(|err| fault(&err))?;
        let mut file = parsed.unwrap_or_default();
        file.tls_server_config = file.tls_server_config.filter(|section| *section != TlsSection::default());
        Ok(file)
    }
}

/// The parser's error in one line, and without the value that it is about, which may be secret.
fn fault(err: &Error) -> Fault {
    let place = match err.location() {
        Some(location) => format!("line {}, column {}", location.line(), location.column()),
        None => "the file".to_owned(),
    };
    let why = match err {
        Error::SerdeUnknownField { field, .. } => format!("there is no key {field:?} here"),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {expected}")
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key:?} is there twice"),
        Error::MultipleDocuments { .. } => {
            "a second document begins here, and there may be one only".to_owned()
        }
        Error::Message { .. } | Error::ExternalMessage { .. } => "not YAML of this format".to_owned(),
        other => {
            let said = other.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            format!("not YAML of this format: {}", said.lines().next().unwrap_or_default())
        }
    };
    Fault::new(place, why)
}
