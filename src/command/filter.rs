//! `axp-exporter filter`: events on stdin, one a line, become line protocol on stdout, or at the end
//! an exposition.
//!
//! It is the pipeline of a feed without the feed: the same kinds, names, labels, privacy and limits.
//! A stream has no sessions, so what comes later holds, and only a DELETE retires a row.
//!
//! What a read brought is written before the next read, so that whoever reads the lines has them
//! as soon as the input pauses, and a busy input costs one write for 64 KiB of it. Where stdout is
//! full, it waits, and its input with it. Bad lines are counted, told of on stderr in bounds, and
//! cost nothing else. Who closes stdout has seen enough.

mod flow;
mod fork;
mod lines;
mod refusal;
mod tally;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::Args;

use self::flow::{End, Flow};
use crate::command::kit::Kit;
use crate::command::stdout::Output;
use crate::command::{Exit, complain, misuse, run_until_stopped, stdout};
use crate::pipeline::Moment;

/// What a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Options of the command.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// The configuration file; else /etc/axp-exporter/config.toml, or where that is missing the
    /// defaults. It needs no account
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to write: a line for each event, or at the end the series that are left
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Output::Lines)]
    output: Output,
    /// With --output lines: write a last line with retired=true for each row that is deleted
    #[arg(long)]
    markers: bool,
    /// Stop at the first line or value that is refused, and exit with 65
    #[arg(long)]
    strict: bool,
}

/// From stdin to stdout; gone once the last word is said.
type Pipe = Option<Flow<File, fn(String)>>;
type Shared = Arc<Mutex<Pipe>>;

/// Filters until the input ends, or a signal comes.
pub(super) fn execute(args: &FilterArgs) -> Exit {
    if args.markers && args.output != Output::Lines {
        return misuse("--markers is for --output lines");
    }
    let kit = match Kit::load(args.config.as_deref()) {
        Ok(kit) => kit,
        Err(exit) => return exit,
    };
    let files = io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| {
        // Not by way of std's own, which would look for line ends a second time.
        Ok((File::from(stdin), File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    });
    let (stdin, stdout) = match files {
        Ok(files) => files,
        Err(err) => return failed("open stdin and stdout", &err),
    };
    let tell: fn(String) = |text| complain(format_args!("filter: {text}"));
    let shared: Shared = Arc::new(Mutex::new(Some(Flow::new(kit, args, stdout, tell))));
    run_until_stopped(|stop| async move {
        let reader = Arc::clone(&shared);
        tokio::select! {
            exit = tokio::task::spawn_blocking(move || read(stdin, &reader)) => exit.unwrap_or(Exit::Internal),
            () = stop.wait() => finish_soon(shared).await,
        }
    })
}

/// Writes what is left, unless a write is under way that does not end.
async fn finish_soon(shared: Shared) -> Exit {
    let finished = tokio::task::spawn_blocking(move || finish(lock(&shared).take(), false));
    match tokio::time::timeout(stdout::STOP_TIMEOUT, finished).await {
        Ok(exit) => exit.unwrap_or(Exit::Internal),
        Err(_) => stdout::unread("filter"),
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Pipe> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leads stdin through, up to its end.
fn read(mut stdin: File, shared: &Shared) -> Exit {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = stdin.read(&mut buffer);
        let mut guard = lock(shared);
        // A signal took it.
        let Some(flow) = guard.as_mut() else { return Exit::Success };
        let taken = match read {
            Ok(0) => return finish(guard.take(), true),
            Ok(bytes) => flow.take(buffer.get(..bytes).unwrap_or_default(), Moment::now()),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(err) => {
                finish(guard.take(), false);
                return failed("read stdin", &err);
            }
        };
        if let Err(end) = taken {
            return exit_of(end);
        }
    }
}

/// Writes what is left; `at_end` if the input said all it had to say.
fn finish(flow: Pipe, at_end: bool) -> Exit {
    match flow.map(|flow| flow.finish(at_end, Moment::now())) {
        None | Some(Ok(())) => Exit::Success,
        Some(Err(end)) => exit_of(end),
    }
}

fn exit_of(end: End) -> Exit {
    match end {
        End::Refused => Exit::Data,
        End::Write(err) => stdout::failed("filter", &err),
    }
}

fn failed(what: &str, err: &io::Error) -> Exit {
    complain(format_args!("filter: failed to {what}: {err}"));
    Exit::Internal
}
