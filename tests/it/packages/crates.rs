//! What is linked in: `deny.toml` says what may be.

use std::process::Command;

use crate::packages::{ended, repository, words};

#[test]
fn every_crate_is_one_that_we_may_pass_on_and_nothing_is_known_against() {
    let tool = repository().join("target/tools/bin/cargo-deny");
    assert!(tool.exists(), "cargo-deny is missing: tests/run installs it");
    let mut command = Command::new(tool);
    command.current_dir(repository()).args(["--offline", "--locked", "check", "--hide-inclusion-graph"]);
    command.args(["licenses", "bans", "sources"]);
    if repository().join("target/advisory-dbs").exists() {
        command.args(["advisories", "--disable-fetch"]);
    } else {
        eprintln!(
            "THE DATABASE OF ADVISORIES IS NOT HERE: only those that deny.toml names are held against crates"
        );
    }
    let output = ended(&mut command);
    assert!(output.status.success(), "{}", words(&output));
}
