//! stdout, for commands whose data goes there: in which form, and how they end when it takes no more.

use std::io::{self, Write};
use std::time::Duration;

use clap::ValueEnum;

use crate::command::{Exit, complain};

/// How long a signal waits for a stdout that takes nothing.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// In which form events come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Line protocol, a line for each event
    Lines,
    /// The Prometheus text format, at the end
    Prometheus,
}

/// Writes the whole of what a command has to say; gives how it exits.
pub(super) fn write(command: &str, text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Success,
        Err(err) => failed(command, &err),
    }
}

/// How this command exits after a write that failed.
pub(super) fn failed(command: &str, err: &io::Error) -> Exit {
    if is_closed(err) {
        return Exit::Success;
    }
    complain(format_args!("{command}: failed to write to stdout: {err}"));
    Exit::Internal
}

/// Whether a write failed since nobody reads any more: who closes stdout has seen enough.
pub(super) fn is_closed(err: &io::Error) -> bool {
    err.kind() == io::ErrorKind::BrokenPipe
}

/// How this command exits when nobody read within [`STOP_TIMEOUT`] of a signal.
pub(super) fn unread(command: &str) -> Exit {
    complain(format_args!("{command}: stopped while nobody reads stdout; lines are lost"));
    Exit::Internal
}
