//! What is handed out: the .deb, built here of the program under test, installed, run, upgraded and purged in a
//! root of its own; the .rpm's list; and what the program says of itself.

mod colours;
mod crates;
mod deb;
mod manual;
mod revision;
pub(crate) mod root;
mod rpm;
mod shells;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::support::{PATIENCE, Process, tool, wait_for};

/// The top of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end, which has to be a good one; gives what it said on stdout.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = ended(command);
    assert!(output.status.success(), "{command:?}: {}", words(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn ended(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|err| panic!("failed to start {command:?}: {err}"))
}

/// All that a command said.
fn words(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The .deb of the program under test, made once by `packaging/build`. It is stripped, else it would be ten times
/// as large, and hardly compressed.
pub(crate) fn deb() -> &'static Path {
    static DEB: OnceLock<PathBuf> = OnceLock::new();
    DEB.get_or_init(|| {
        let tool = repository().join("target/tools/bin/cargo-deb");
        assert!(tool.is_file(), "{} is missing: run tests/run, which installs it", tool.display());
        // A target folder of its own, in which the program under test stands for the release.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let program = target.join("release/axp-exporter");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_axp-exporter"), &program).unwrap();
        let mut build = Command::new(repository().join("packaging/build"));
        said(build.args(["--no-build", "--fast", "deb"]).env("CARGO_TARGET_DIR", &target));
        target.join(format!("packages/axp-exporter_{}-1_{}.deb", env!("CARGO_PKG_VERSION"), architecture()))
    })
}

/// Where the metrics are of an installed exporter that listens on any port, as its log says.
#[track_caller]
pub(crate) fn metrics_url(exporter: &Process) -> String {
    wait_for("address in the log", PATIENCE, || {
        let log = exporter.stderr();
        let url = log.split_once("url=").and_then(|(_, rest)| rest.split_whitespace().next());
        url.map(|url| url.trim_matches('"').to_owned()).ok_or(log.clone())
    })
}

/// Debian's name for this machine's.
fn architecture() -> String {
    said(tool("dpkg").arg("--print-architecture")).trim().to_owned()
}
