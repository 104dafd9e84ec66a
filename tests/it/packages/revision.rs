//! Which revision a program says that it is of: wherever its sources came from.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::demo::Demo;
use crate::packages::{repository, said};
use crate::support::exporter;

#[test]
fn the_version_that_is_printed_is_that_of_the_metrics() {
    let printed = said(&mut exporter(["--version"]));
    let demo = Demo::start(&["--agents", "3", "--queues", "1"]);
    let body = demo.metrics();
    let line = body.lines().find(|line| line.starts_with("axp_exporter_build_info{")).unwrap();
    let label = |name: &str| line.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap();
    let expected = format!(
        "axp-exporter {} (revision {}, rustc {})\n",
        label("version"),
        label("revision"),
        label("rustc")
    );
    assert_eq!(printed, expected);
}

/// What `build.rs` makes of sources in this folder.
fn revision(build: &Path, sources: &Path, named: Option<&str>) -> String {
    let mut command = Command::new(build);
    command.current_dir(sources).env_remove("BUILD_REVISION");
    if let Some(named) = named {
        command.env("BUILD_REVISION", named);
    }
    let said = said(&mut command);
    let line = said.lines().find_map(|line| line.strip_prefix("cargo:rustc-env=BUILD_REVISION="));
    line.unwrap().to_owned()
}

#[test]
fn sources_without_git_know_their_revision_from_their_archive_or_from_outside_and_else_build_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let build = folder.path().join("build");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    said(
        Command::new(rustc).args(["--edition", "2024", "-o"]).arg(&build).arg(repository().join("build.rs")),
    );

    // Unpacked inside another repository, whose revision is not ours.
    let outer = folder.path().join("outer");
    let sources = outer.join("axp-exporter-0.1.0");
    fs::create_dir_all(sources.join("packaging")).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        said(Command::new("git").arg("-C").arg(&outer).args(identity).args(arguments))
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "Something else"]);
    assert_eq!(revision(&build, &sources, None), "unknown");

    let template = fs::read_to_string(repository().join("packaging/revision")).unwrap();
    fs::write(sources.join("packaging/revision"), &template).unwrap();
    assert_eq!(revision(&build, &sources, None), "unknown", "what git archive has not replaced says nothing");
    let hash = "0123456789abcdef0123456789abcdef01234567";
    fs::write(sources.join("packaging/revision"), template.replace("$Format:%H$", hash)).unwrap();
    assert_eq!(revision(&build, &sources, None), "0123456789ab");
    assert_eq!(
        revision(&build, &sources, Some("fedcba987654")),
        "fedcba987654",
        "who builds it knows better"
    );
    assert_eq!(revision(&build, &outer, None), git(&["rev-parse", "--short=12", "HEAD"]).trim());
}
