//! `[web]`: where Prometheus scrapes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::Scene;
use super::key::Key;
use super::listen::Listen;
use super::report::Report;
use crate::web::config::Draft;

/// Paths that the server answers itself, beside those that [`Web::check`] names.
const OWN_PATHS: [&str; 2] = ["/", "/api/v1"];

/// The HTTP server for `/metrics` and health checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Where to listen: an address, or a list of them. Each is `host:port`, `:port` for all
    /// addresses of this machine, `unix:/path` for a socket in the file system (mode 0660), or
    /// `systemd` for the sockets that systemd passes. Default `127.0.0.1:9955`: this machine
    /// alone. Port 0 takes a free one. Think of `config_file` before opening it to others.
    pub listen: Listen,
    /// The path that is scraped. Starts with `/`; none of `/`, `/-/…`, `/api/v1/…`, which are
    /// taken. Default `/metrics`.
    pub metrics_path: String,
    /// A [web configuration] of the Prometheus exporter toolkit: TLS, passwords, headers, a rate
    /// limit. Default empty: none of these. Read anew when it changes; see `web/config.rs`.
    ///
    /// [web configuration]: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
    pub config_file: PathBuf,
    /// Whether `POST /-/reload` reads the configuration anew, as SIGHUP does. Who can reach the
    /// listener can ask for that then. Default false.
    pub lifecycle: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            metrics_path: "/metrics".to_owned(),
            config_file: PathBuf::new(),
            lifecycle: false,
        }
    }
}

impl Web {
    pub(super) fn check(&self, scene: &Scene<'_>, report: &mut Report) {
        let key = Key::of("web");
        self.listen.check(&key.at("listen"), report);
        if let Some(file) = scene.file(&self.config_file).filter(|_| scene.files_needed)
            && let Err(err) = Draft::read(&file).and_then(Draft::build)
        {
            report.refused(&key.at("config_file"), &self.config_file.to_string_lossy(), err.within());
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
