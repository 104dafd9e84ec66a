//! `[record]`: keeping the feed, to replay it later.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Influx;
use super::check::{self, Scene};
use super::key::Key;
use super::problem::shown;
use super::report::Report;
use super::units::Bytes;
use super::word::Target;

/// A recording of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// The file to record to, compressed by gzip, as in `/var/lib/axp-exporter/feed.jsonl.gz`;
    /// `[privacy]` holds for it too. Its folder must exist. Relative to the working directory.
    /// Default empty: off.
    pub path: PathBuf,
    /// A new file is begun at this size, and with each start. 1KiB or more, or 0: only with each
    /// start. Default 64MiB.
    pub rotate_bytes: Bytes,
    /// How many files are kept beside the current one. At most 1000, default 5. Of those that were not
    /// full, more are, up to 1000, while all together take no more room than so many full ones; not
    /// where `rotate_bytes` is 0.
    pub rotate_keep: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self { path: PathBuf::new(), rotate_bytes: Bytes::new(64 << 20), rotate_keep: 5 }
    }
}

impl Record {
    /// True if there is to be a recording.
    pub fn is_on(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// Checks it beside these destinations of lines.
    pub(super) fn check(&self, sinks: &[Influx], scene: &Scene<'_>, report: &mut Report) {
        let (key, path_key) = (Key::of("record"), Key::of("record.path"));
        let is_taken = |sink: &Influx| sink.target == Target::File && sink.path == self.path;
        if self.is_on() && scene.account_required {
            check::path_to_write(&path_key, &self.path, "a path", report);
            if sinks.iter().any(is_taken) {
                let found = format!("{} again", shown(&self.path.to_string_lossy()));
                report.value(&path_key, found, "a file of its own");
            }
        }
        check::rotation(&key, self.rotate_bytes, self.rotate_keep, report);
    }
}
