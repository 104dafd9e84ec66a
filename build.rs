//! Tells the program which revision it was built from, and by which compiler.
//!
//! The revision is what `BUILD_REVISION` says (a build whose sources came without
//! their history, as in the `Dockerfile`), else what git says of this very folder, else what
//! `git archive` has written into `packaging/revision`, else `unknown`.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Names the revision from outside, and to the program.
const REVISION: &str = "BUILD_REVISION";

/// What `git archive` replaces; see `.gitattributes`.
const ARCHIVED: &str = "packaging/revision";

fn main() {
    println!("cargo:rerun-if-env-changed={REVISION}");
    // A path that is not there would have us run at each build.
    for path in ["build.rs", ARCHIVED, ".git/HEAD", ".git/logs/HEAD"] {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let unknown = || "unknown".to_owned();
    let revision = named().or_else(of_git).or_else(archived).unwrap_or_else(unknown);
    let rustc = output(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"]);
    let rustc = rustc.and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_else(unknown);
    println!("cargo:rustc-env={REVISION}={revision}");
    println!("cargo:rustc-env=BUILD_RUSTC={rustc}");
}

fn named() -> Option<String> {
    env::var(REVISION).ok().filter(|revision| is_revision(revision))
}

/// Without a `.git` of our own, git would tell of a repository that the sources were unpacked in.
fn of_git() -> Option<String> {
    Path::new(".git").exists().then(|| output("git", &["rev-parse", "--short=12", "HEAD"])).flatten()
}

fn archived() -> Option<String> {
    let revision = fs::read_to_string(ARCHIVED).ok()?.trim().get(..12)?.to_owned();
    is_revision(&revision).then_some(revision)
}

fn is_revision(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first line that a command prints.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.lines().next().map(str::to_owned)
}
