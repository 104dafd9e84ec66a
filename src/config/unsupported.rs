//! Keys whose parts do not exist yet: refused, so that nobody believes them to work.
//!
//! When a part arrives, its line here goes, and the words in the key's documentation.

use super::Config;
use super::key::Key;
use super::problem::shown;
use super::report::Report;
use super::units::Bytes;
use super::word::Target;

/// Whether lines can go there in this version.
pub(super) const fn is_available(target: Target) -> bool {
    matches!(target, Target::File | Target::Stdout)
}

/// Adds a problem for each key that asks for what there is not.
pub(super) fn check(config: &Config, report: &mut Report) {
    let mut refuse = |key: &Key, found: String, instead: &str| {
        report.value(key, format!("{found}, which is not available in this version"), instead);
    };
    let web = Key::of("web");
    if config.web.lifecycle {
        refuse(&web.at("lifecycle"), "true".to_owned(), "false");
    }
    for (index, sink) in config.influx.iter().enumerate() {
        let key = Key::of("influx").index(index);
        if !is_available(sink.target) {
            refuse(&key.at("target"), format!("\"{}\"", sink.target), "\"file\" or \"stdout\"");
        }
        if sink.rotate_bytes != Bytes::new(0) {
            refuse(&key.at("rotate_bytes"), format!("\"{}\"", sink.rotate_bytes), "\"0\"");
        }
        if !sink.spool_dir.as_os_str().is_empty() {
            refuse(&key.at("spool_dir"), shown(&sink.spool_dir.to_string_lossy()), "\"\"");
        }
    }
    if !config.record.path.as_os_str().is_empty() {
        refuse(&Key::of("record.path"), shown(&config.record.path.to_string_lossy()), "\"\"");
    }
}
