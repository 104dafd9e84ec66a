//! `axp-exporter check`: everything that is wrong with a configuration, at once.

use std::path::Path;

use crate::command::{Exit, complain, environment, say};
use crate::config::Config;

/// Checks the configuration at `path`.
pub(super) fn execute(path: &Path) -> Exit {
    match Config::load(path, environment()) {
        Ok(_) => {
            say(format_args!("{}: no problem found", path.display()));
            Exit::Success
        }
        Err(problems) => {
            complain(problems);
            Exit::Config
        }
    }
}
