//! Replays what fuzzing has found worth keeping: the corpus of each target, on any machine and without
//! the driver. It is part of the exporter's own tests.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::legal;

#[path = "cases/accept.rs"]
mod accept;
#[path = "cases/config.rs"]
mod config;
#[path = "cases/frame.rs"]
mod frame;
#[path = "cases/lines.rs"]
mod lines;
#[path = "cases/outputs.rs"]
mod outputs;
#[path = "cases/recording.rs"]
mod recording;
#[path = "cases/relabel.rs"]
mod relabel;
#[path = "cases/scrape.rs"]
mod scrape;
#[path = "cases/spool.rs"]
mod spool;

/// What a target does with its bytes.
type Case = fn(&[u8]);

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn whatever_fuzzing_kept_still_holds() {
    let cases: [(&str, Case); 7] = [
        ("accept", accept::run),
        ("config", config::run),
        ("frame", frame::run),
        ("recording", recording::run),
        ("relabel", relabel::run),
        ("scrape", scrape::run),
        ("spool", spool::run),
    ];
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (target, run) in cases {
        let corpus = fuzz.join("corpus").join(target);
        let names = names(&corpus);
        assert!(!names.is_empty(), "{target} has a corpus");
        for path in names.iter().map(|name| corpus.join(name)) {
            let bytes = std::fs::read(&path).unwrap();
            catch_unwind(AssertUnwindSafe(|| run(&bytes))).unwrap_or_else(|cause| {
                eprintln!("{} does not hold any more", path.display());
                resume_unwind(cause)
            });
        }
    }
}
