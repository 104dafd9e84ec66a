//! stdout, for commands whose data goes there: how they end when it takes no more.

use std::io;
use std::time::Duration;

use crate::command::{Exit, complain};

/// How long a signal waits for a stdout that takes nothing.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How this command exits after a write that failed.
pub(super) fn failed(command: &str, err: &io::Error) -> Exit {
    if err.kind() == io::ErrorKind::BrokenPipe {
        // Who closes it has seen enough.
        return Exit::Success;
    }
    complain(format_args!("{command}: failed to write to stdout: {err}"));
    Exit::Internal
}

/// How this command exits when nobody read within [`STOP_TIMEOUT`] of a signal.
pub(super) fn unread(command: &str) -> Exit {
    complain(format_args!("{command}: stopped while nobody reads stdout; lines are lost"));
    Exit::Internal
}
