//! `[log]`: what is told on standard error.

use serde::{Deserialize, Serialize};

use super::word::{LogFormat, LogLevel};

/// Log messages, which go to standard error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least severe message written: `error`, `warn`, `info` (default), `debug` (each
    /// connection) or `trace` (each frame that is refused).
    pub level: LogLevel,
    /// `text` (default) or `json`, one object a line.
    pub format: LogFormat,
}
