//! How fast and how small the exporter is, each figure beside its yardstick of the same run.
//!
//!     cargo bench                     # all of it
//!     cargo bench -- ingest render    # parts of it
//!
//! What the figures and yardsticks are, and a table of one run: benches/README.md.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that finds something else than it expects is to stop right there, and prints figures"
)]

mod centre;
mod contention;
mod exporter;
mod filter;
mod frames;
mod hostile;
mod ingest;
mod process;
mod prometheus;
mod record;
mod render;
mod report;
mod rig;

use report::Report;

/// A part of the table: its name as an argument, and what measures it.
type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 10] = [
    ("ingest", ingest::measure),
    ("hostile", hostile::measure),
    ("record", record::measure),
    ("render", render::measure),
    ("million", process::measure_million),
    ("socket", process::measure_socket),
    ("filter", filter::measure),
    ("latency", process::measure_latency),
    ("contention", contention::measure),
    ("prometheus", prometheus::measure),
];

fn main() {
    // Cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|asked| PARTS.iter().all(|(name, _)| name != asked)) {
        panic!("no part {unknown:?}; there are {:?}", PARTS.map(|(name, _)| name));
    }
    let mut report = Report::default();
    for (name, measure) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            measure(&mut report);
        }
    }
    println!("\n{report}");
}
