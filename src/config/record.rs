//! `[record]`: keeping the feed, to replay it later.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A recording of the feed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// The file to record to; `[privacy]` holds for it too. Default empty: off. Not available in
    /// this version: must be empty.
    pub path: PathBuf,
}
