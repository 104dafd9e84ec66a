//! systemd: what a service manager hears from the exporter, and the units that it comes with.

mod guest;
mod manager;
mod messages;
mod progress;
mod units;

use std::path::{Path, PathBuf};

use crate::producers::Account;

/// Writes the configuration of an exporter for the simulated account, listening there.
fn configure(account: &Account, listen: &str) -> PathBuf {
    let path = account.folder.path().join("config.toml");
    let config = format!(
        "{}\nsnapshot_quiet = \"200ms\"\n[web]\nlisten = {listen:?}\n\
         [[producer]]\nid = \"Agent_itd_1.0.0\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n",
        account.config
    );
    std::fs::write(&path, config).unwrap();
    path
}

/// The folder of the units.
fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// The text of a unit.
fn unit(name: &str) -> String {
    std::fs::read_to_string(units().join(name)).unwrap()
}
