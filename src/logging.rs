//! Logs: to stderr, as text for people or one JSON object a line.
//!
//! The configured level holds for this program; libraries speak from `warn` on, so that
//! no level prints what they see on the wire. Control characters of outside text are
//! escaped by tracing-subscriber. Colours are those of help and complaints: on a terminal, unless
//! `NO_COLOR`, `CLICOLOR` or `CLICOLOR_FORCE` say otherwise (<https://bixense.com/clicolors>).

use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

/// What is logged, once logging is set up.
static LEVELS: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Sets up logging for the process; a second call changes nothing.
pub fn init(log: &Log) {
    let colour = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    let (levels, handle) = reload::Layer::new(targets(log));
    let registry = tracing_subscriber::registry().with(levels);
    let begun = match log.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    if begun.is_ok() {
        let _ = LEVELS.set(handle);
    }
}

/// Logs at the configured level from now on, if logging was set up here.
pub fn set_level(log: &Log) {
    if let Some(levels) = LEVELS.get() {
        let _ = levels.reload(targets(log));
    }
}

fn targets(log: &Log) -> Targets {
    let level = match log.level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    Targets::new()
        .with_default(LevelFilter::from_level(level.min(Level::WARN)))
        .with_target(env!("CARGO_CRATE_NAME"), level)
}
