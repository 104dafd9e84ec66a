//! The .rpm's list in Cargo.toml, held against what is in the .deb. To build one takes a tool that compiles for
//! minutes; `packaging/build rpm` does.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::packages::{deb, repository, said};
use crate::support::tool;

/// `[package.metadata.generate-rpm]`.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(repository());
    let all: Value = serde_json::from_str(&said(&mut cargo)).unwrap();
    all["packages"][0]["metadata"]["generate-rpm"].clone()
}

/// The files that a source stands for, where it is one of the repository's; none for what is built.
fn files(source: &str) -> Vec<String> {
    let Some((folder, ending)) = source.split_once('*') else {
        assert!(
            source.starts_with("target/release/packaging/") || repository().join(source).is_file(),
            "{source} is not there"
        );
        return vec![source.rsplit('/').next().unwrap().to_owned()];
    };
    let files = std::fs::read_dir(repository().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// Mode and path of everything in the .rpm.
fn entries() -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    for asset in metadata()["assets"].as_array().unwrap() {
        let text = |key: &str| asset[key].as_str().unwrap();
        let (mode, to) = (text("mode"), text("dest"));
        if let Some(folder) = to.strip_suffix('/') {
            entries.extend(files(text("source")).iter().map(|name| format!("{mode} {folder}/{name}")));
        } else {
            assert_eq!(files(text("source")).len(), 1);
            entries.insert(format!("{mode} {to}"));
        }
    }
    entries
}

#[test]
fn the_rpm_holds_what_the_deb_holds() {
    let contents = said(tool("dpkg-deb").arg("--contents").arg(deb()));
    let of_deb = |line: &str| {
        let path = line.split_whitespace().nth(5).unwrap().trim_start_matches('.').trim_end_matches('/');
        // Where the two families of distributions have it.
        let path = path.replace("/zsh/vendor-completions/", "/zsh/site-functions/");
        let path = path.replace("/doc/axp-exporter/copyright", "/licenses/axp-exporter/LICENSE");
        let path = path.replace("/doc/axp-exporter/changelog.gz", "/doc/axp-exporter/CHANGELOG.md");
        let is_file = !line.starts_with('d') && !path.ends_with("changelog.Debian.gz");
        let mode = if line.starts_with("-rw-") { "644" } else { "755" };
        is_file.then(|| format!("{mode} {path}"))
    };
    assert_eq!(entries(), contents.lines().filter_map(of_deb).collect());
}

#[test]
fn an_upgrade_of_the_rpm_keeps_a_configuration_that_was_changed() {
    let metadata = metadata();
    let assets = metadata["assets"].as_array().unwrap();
    let config = assets.iter().find(|asset| asset["dest"] == "/etc/axp-exporter/config.toml").unwrap();
    assert_eq!(config["config"], "noreplace");
}

#[test]
fn the_scripts_of_the_rpm_do_nothing_and_do_well_where_there_is_no_systemd() {
    let metadata = metadata();
    let empty = tempfile::tempdir().unwrap();
    for key in ["post_install_script", "pre_uninstall_script", "post_uninstall_script"] {
        let script = repository().join(metadata[key].as_str().unwrap());
        for left in ["0", "1"] {
            let mut shell = Command::new("/bin/sh");
            said(shell.arg("-eu").arg(&script).arg(left).env("PATH", empty.path()));
        }
    }
}
