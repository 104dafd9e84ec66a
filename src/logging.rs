//! Logs: to stderr, as text for people or one JSON object a line.
//!
//! The configured level holds for this program; libraries speak from `warn` on, so that
//! no level prints what they see on the wire. Control characters of outside text are
//! escaped by tracing-subscriber. Colours are those of help and complaints: on a terminal, unless
//! `NO_COLOR`, `CLICOLOR` or `CLICOLOR_FORCE` say otherwise (<https://bixense.com/clicolors>). Under
//! Telegraf they are what that reads ([`init_prefixed`]).
//!
//! A panic is logged by its place. Its words are left out where they were made at run time: those of
//! the standard library quote what they stumbled over, which may be anybody's data.

mod prefixed;

use std::any::Any;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use tracing::level_filters::LevelFilter;
use tracing::{Level, error};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use self::prefixed::Prefixed;
use crate::config::{Log, LogFormat, LogLevel};

/// What lines are written of.
type Levelled = Layered<reload::Layer<Targets, Registry>, Registry>;

/// What is logged, once logging is set up.
static LEVELS: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Sets up logging for the process; a second call changes nothing.
pub fn init(log: &Log) {
    let colour = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    match log.format {
        LogFormat::Text => begin(log, lines),
        LogFormat::Json => begin(log, lines.json().flatten_event(true)),
    }
}

/// The same, whatever the format configured, with lines whose prefixes tell Telegraf their level.
pub fn init_prefixed(log: &Log) {
    begin(log, fmt::layer().with_writer(std::io::stderr).with_ansi(false).event_format(Prefixed));
}

fn begin(log: &Log, lines: impl Layer<Levelled> + Send + Sync) {
    let (levels, handle) = reload::Layer::new(targets(log));
    if tracing_subscriber::registry().with(levels).with(lines).try_init().is_ok() {
        let _ = LEVELS.set(handle);
        panic::set_hook(Box::new(note_panic));
    }
}

fn note_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    error!(place, words = own_words(panic.payload()), "a fault of the program's own: please report it");
}

/// The words of a panic, if they stand in the source.
fn own_words(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panics_words_are_told_only_if_they_hold_nobodys_data() {
        let payload = |does: fn(&str)| panic::catch_unwind(|| does("Jane Doe")).unwrap_err();
        assert_eq!(own_words(&*payload(|_| panic::panic_any("a plain word"))), "a plain word");
        assert_eq!(own_words(&*payload(|name| panic::panic_any(format!("{name} is not a number")))), "");
        assert_eq!(own_words(&*payload(|_| panic::panic_any(7))), "");
    }
}
