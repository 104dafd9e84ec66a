//! `[axp]`: the account, its secrets, and how the feed is held.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Host;

use super::certificate::{self, ClientCertificate};
use super::check::{self, Scene};
use super::key::Key;
use super::problem::shown;
use super::report::Report;
use super::secret::{SecretSource, SecretText};
use super::units::Duration;

/// Letters in an account id.
const ACCOUNT_ID_LETTERS: usize = 6;

/// The account on the Avaya Experience Platform, and how its feed is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Axp {
    /// Where the account's REST APIs live, without a path of theirs: the region's address, such
    /// as `https://eu.api.avayacloud.com`. Default `https://na.api.avayacloud.com`. Plain `http`
    /// is accepted on loopback only; user information, a query or a fragment never.
    pub api_url: String,
    /// The account: six letters, as in the address of its administration pages. Required; it is
    /// also the label `account_id` of every series. Default empty.
    pub account_id: String,
    /// The client of the OAuth2 client credentials grant. Required. Default empty.
    pub client_id: String,
    /// The client's secret, in place. Prefer `client_secret_file`; one of the two is required,
    /// both are refused. Default empty.
    pub client_secret: SecretText,
    /// A file that holds the client's secret, re-read before each use. A relative path is looked
    /// up in `$CREDENTIALS_DIRECTORY`, then beside this file, then in the working directory.
    /// Refused when group or others may open it. Line ends after the secret are ignored.
    pub client_secret_file: PathBuf,
    /// The application key, sent with each REST call, in place. Prefer `app_key_file`; one of the
    /// two is required. Default empty.
    pub app_key: SecretText,
    /// A file that holds the application key; as `client_secret_file`.
    pub app_key_file: PathBuf,
    /// Where tokens come from. Default empty:
    /// `{api_url}/api/auth/v1/{account_id}/protocol/openid-connect/token`. The client's secret is
    /// sent there, so the rules of `api_url` hold.
    pub token_url: String,
    /// Hosts that a subscription may send us to, and with us the token: exact names, or
    /// `*.` and a domain for all names below it. The host of `api_url` is always among them.
    /// Default `["*.avayacloud.com"]`; `[]` leaves that one host.
    pub endpoint_hosts: Vec<String>,
    /// Certificate authorities to trust beside the system's, as PEM; looked up like a secret's
    /// file. Needed behind a TLS-inspecting proxy. Default empty: the system's alone.
    pub ca_file: PathBuf,
    /// Where the ids of subscriptions are written down, so that after a crash the program finds
    /// its own again; one file for each instance. It is locked, by a file beside it with `.lock`
    /// after its name, and a second instance with the same one does not start. Its disk is waited for
    /// at a start alone, and that for five seconds: then the exporter goes on without, as where the
    /// file cannot be written. Default empty:
    /// `subscriptions.json` in `$STATE_DIRECTORY`, which systemd sets; without it nowhere, and
    /// what a crash leaves behind lives on for a quarter of an hour.
    pub state_file: PathBuf,
    /// The certificate to show to servers that ask for one (mutual TLS), as PEM, then those that
    /// lead to its authority; looked up like a secret's file. Goes with `client_key_file`; one
    /// without the other is refused. Both are read again for each connection, and while a renewal
    /// leaves them unusable, the pair before is shown. Default empty: none is shown.
    pub client_cert_file: PathBuf,
    /// The private key of `client_cert_file`, as PEM, not encrypted; looked up, and refused when
    /// group or others may open it, like a secret's file. Default empty.
    pub client_key_file: PathBuf,
    /// A ping goes out this often; the feed counts as lost when two of them stay unanswered.
    /// 1s to 5m, default 30s. Longer than a proxy's idle
    /// time-out costs the connection.
    pub ping_interval: Duration,
    /// How long rows stay visible after the feed was lost; then all of that producer go. From 1s
    /// to 24h, default 5m. Shorter hides old numbers sooner, longer bridges longer outages.
    pub stale_after: Duration,
    /// A snapshot is complete when a LIVE event arrives or nothing has for this long. From 50ms
    /// to 10m, default 10s. Too short retires rows whose snapshot event is still on its way.
    pub snapshot_quiet: Duration,
    /// Whether AXP is asked for the types and descriptions of measures at start. Default true;
    /// false leaves the built-in table, the rules here and the first value seen.
    pub dictionary: bool,
    /// The language of the descriptions, an IETF tag such as `en` or `de-DE`. Default `en`.
    pub locale: String,
}

impl Default for Axp {
    fn default() -> Self {
        Self {
            api_url: "https://na.api.avayacloud.com".to_owned(),
            account_id: String::new(),
            client_id: String::new(),
            client_secret: SecretText::default(),
            client_secret_file: PathBuf::new(),
            app_key: SecretText::default(),
            app_key_file: PathBuf::new(),
            token_url: String::new(),
            endpoint_hosts: vec!["*.avayacloud.com".to_owned()],
            ca_file: PathBuf::new(),
            state_file: PathBuf::new(),
            client_cert_file: PathBuf::new(),
            client_key_file: PathBuf::new(),
            ping_interval: Duration::from_secs(30),
            stale_after: Duration::from_secs(300),
            snapshot_quiet: Duration::from_secs(10),
            dictionary: true,
            locale: "en".to_owned(),
        }
    }
}

impl Axp {
    pub(super) fn check(&self, scene: &Scene<'_>, report: &mut Report) {
        let key = Key::of("axp");
        check::url(&key.at("api_url"), &self.api_url, report);
        if !self.token_url.is_empty() {
            check::url(&key.at("token_url"), &self.token_url, report);
        }
        self.check_account(&key, scene, report);
        for (index, host) in self.endpoint_hosts.iter().enumerate() {
            if !is_host_glob(host) {
                let expected = "a host name, or \"*.\" and a domain such as \"*.avayacloud.com\"";
                report.text(&key.at("endpoint_hosts").index(index), host, expected);
            }
        }
        if let Some(file) = scene.file(&self.ca_file).filter(|_| scene.files_needed)
            && let Err(found) = certificate::has_certificate(&file)
        {
            let found = format!("{}, {found}", shown(&self.ca_file.to_string_lossy()));
            report.value(&key.at("ca_file"), found, "a file with PEM certificates");
        }
        let pair = (self.client_cert_file.as_path(), self.client_key_file.as_path());
        if scene.files_needed {
            certificate::check_client(&key, pair, scene, report);
        }
        let span = |name, value, least, most, report: &mut Report| {
            check::span(
                &key.at(name),
                value,
                Duration::from_millis(least),
                Duration::from_millis(most),
                report,
            );
        };
        span("ping_interval", self.ping_interval, 1_000, 300_000, report);
        span("stale_after", self.stale_after, 1_000, 86_400_000, report);
        span("snapshot_quiet", self.snapshot_quiet, 50, 600_000, report);
        if !is_language_tag(&self.locale) {
            report.text(&key.at("locale"), &self.locale, "a language tag such as \"en\" or \"de-DE\"");
        }
    }

    fn check_account(&self, key: &Key, scene: &Scene<'_>, report: &mut Report) {
        let id = &self.account_id;
        let is_id = id.len() == ACCOUNT_ID_LETTERS && id.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_id && (scene.account_required || !id.is_empty()) {
            report.text(&key.at("account_id"), id, "the account's six letters, such as ABCDEF");
        }
        let has_control = self.client_id.chars().any(char::is_control);
        if has_control || (scene.account_required && self.client_id.is_empty()) {
            report.text(&key.at("client_id"), &self.client_id, "the id of the account's API client");
        }
        for (name, text, file) in [
            ("client_secret", &self.client_secret, &self.client_secret_file),
            ("app_key", &self.app_key, &self.app_key_file),
        ] {
            check::secret(key, name, (text, file), scene.account_required, scene, report);
        }
    }

    pub(super) fn client_secret(&self, scene: &Scene<'_>) -> SecretSource {
        SecretSource::new(&self.client_secret, &self.client_secret_file, scene.places)
    }

    pub(super) fn app_key(&self, scene: &Scene<'_>) -> SecretSource {
        SecretSource::new(&self.app_key, &self.app_key_file, scene.places)
    }

    pub(super) fn client_certificate(&self, scene: &Scene<'_>) -> Option<ClientCertificate> {
        ClientCertificate::new(scene.file(&self.client_cert_file), &self.client_key_file, scene.places)
    }
}

/// An exact host, or `*.` in front of a domain of at least two labels: `*.com` is everybody.
fn is_host_glob(text: &str) -> bool {
    match text.strip_prefix("*.") {
        Some(domain) => {
            domain.contains('.') && matches!(Host::parse(domain), Ok(Host::Domain(_))) && is_host(domain)
        }
        None => is_host(text),
    }
}

/// The parser of host names lets `*` and a final dot pass.
fn is_host(text: &str) -> bool {
    Host::parse(text).is_ok() && !text.contains('*') && !text.starts_with('.') && !text.ends_with('.')
}

fn is_language_tag(text: &str) -> bool {
    let is_subtag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 35 && text.split('-').all(is_subtag)
}
