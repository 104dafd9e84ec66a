//! `axp-exporter check`: everything that is wrong with a configuration, at once.

use std::path::Path;

use crate::command::{Exit, complain, environment, say};
use crate::config::Config;

/// Checks the configuration at `path`.
pub(super) fn execute(path: &Path) -> Exit {
    match Config::validate_offline(path, environment()) {
        Ok(()) => {
            say(format_args!("{}: no problem found", path.display()));
            Exit::Success
        }
        Err(problems) => {
            complain(&problems);
            Exit::Config
        }
    }
}
