//! Debian's Alertmanager, and the alerts that it would call somebody for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::server;
use crate::support::{Process, request, tool, wait_for};

/// Name of an alert and the producer it is about, if it is about one.
pub(super) type Alert = (String, String);

/// One that is on its own, and calls nobody.
pub(super) struct Alertmanager {
    address: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    #[track_caller]
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let (process, address) = server::start("/-/ready", |address: SocketAddr| {
            let mut command = tool("prometheus-alertmanager");
            command
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                // It would look for others to talk to.
                .args(["--cluster.listen-address=", "--log.level=warn"]);
            command
        });
        Self { address: address.to_string(), _process: process, _folder: folder }
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The alerts that go on; it lists none that have ended.
    #[track_caller]
    pub(super) fn alerts(&self) -> BTreeSet<Alert> {
        let answer = request("GET", &format!("http://{}/api/v2/alerts", self.address), &[], "").ok();
        let alerts: Vec<Value> = serde_json::from_str(&answer).expect("a list of alerts");
        let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
        alerts.iter().map(|one| (label(one, "alertname"), label(one, "measure_producer_id"))).collect()
    }

    /// Waits until the alerts are as wanted.
    #[track_caller]
    pub(super) fn wait_for(&self, what: &str, patience: Duration, wanted: impl Fn(&BTreeSet<Alert>) -> bool) {
        wait_for(what, patience, || {
            let alerts = self.alerts();
            if wanted(&alerts) { Ok(()) } else { Err(format!("{alerts:?}")) }
        });
    }
}
