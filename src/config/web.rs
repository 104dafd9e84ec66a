//! `[web]`: where Prometheus scrapes.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Host;

use super::key::Key;
use super::report::Report;

/// Paths that the server answers itself, beside those that [`Web::check`] names.
const OWN_PATHS: [&str; 2] = ["/", "/api/v1"];

/// The HTTP server for `/metrics` and health checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Host and port to listen at. Default `127.0.0.1:9955`: this machine alone; `0.0.0.0:9955`
    /// or `[::]:9955` for all. Port 0 takes a free one. There is no password of its own: put
    /// something in front before opening it.
    pub listen: String,
    /// The path that is scraped. Starts with `/`; none of `/`, `/-/…`, `/api/v1/…`, which are
    /// taken. Default `/metrics`.
    pub metrics_path: String,
    /// A web configuration of the Prometheus exporter toolkit: TLS, basic authentication.
    /// Not available in this version: must be empty.
    pub config_file: PathBuf,
    /// Whether `POST /-/reload` reads the configuration anew. Not available in this version: must
    /// be false.
    pub lifecycle: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9955".to_owned(),
            metrics_path: "/metrics".to_owned(),
            config_file: PathBuf::new(),
            lifecycle: false,
        }
    }
}

impl Web {
    pub(super) fn check(&self, report: &mut Report) {
        let key = Key::of("web");
        if !is_host_and_port(&self.listen) {
            report.text(&key.at("listen"), &self.listen, "host:port such as 127.0.0.1:9955");
        }
        let path = &self.metrics_path;
        let key = key.at("metrics_path");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            report.text(&key, path, "a path such as /metrics");
        } else if OWN_PATHS.contains(&path.as_str())
            || path.starts_with("/-/")
            || path.starts_with("/api/v1/")
        {
            report.text(&key, path, "a path that the server does not use itself, such as /metrics");
        }
    }
}

/// A socket address, or a host name with a port.
pub(super) fn is_host_and_port(text: &str) -> bool {
    let is_named = |(host, port): (&str, &str)| {
        matches!(Host::parse(host), Ok(Host::Domain(_))) && !host.contains('*') && port.parse::<u16>().is_ok()
    };
    text.parse::<SocketAddr>().is_ok() || text.rsplit_once(':').is_some_and(is_named)
}
