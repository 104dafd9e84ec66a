//! Keys whose parts do not exist yet: refused, so that nobody believes them to work.
//!
//! When a part arrives, its line here goes, and the words in the key's documentation.

use super::Config;
use super::key::Key;
use super::problem::shown;
use super::report::Report;

/// Adds a problem for each key that asks for what there is not.
pub(super) fn check(config: &Config, report: &mut Report) {
    let mut refuse = |key: &Key, found: String, instead: &str| {
        report.value(key, format!("{found}, which is not available in this version"), instead);
    };
    if !config.record.path.as_os_str().is_empty() {
        refuse(&Key::of("record.path"), shown(&config.record.path.to_string_lossy()), "\"\"");
    }
}
