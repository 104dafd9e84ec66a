//! stdin: ticks, and the end.
//!
//! It is read whatever comes, on a thread of its own, as Telegraf gives up on a program that leaves
//! it full.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{Notify, oneshot};
use tracing::warn;

/// Ticks are a byte each: more than waits while one gather is under way.
const READ_BYTES: usize = 4096;

/// Reads stdin from now on and tells `due` of newlines; what it returns resolves when stdin has ended.
///
/// # Errors
/// Where there is no stdin, or no thread to be had.
pub(super) fn drain(due: Arc<Notify>) -> io::Result<oneshot::Receiver<()>> {
    // Not by way of std's own, which would hold on to what it has read.
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (end, ended) = oneshot::channel();
    let read = move || {
        if let Err(err) = read(stdin, &due) {
            warn!(err = %err, "stdin cannot be read");
        }
        let _ = end.send(());
    };
    thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    Ok(ended)
}

fn read(mut stdin: impl Read + AsFd, due: &Notify) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(bytes) if buffer.iter().take(bytes).any(|byte| *byte == b'\n') => due.notify_one(),
            Ok(_) => {}
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            // Who started us has made it so.
            Err(err) if err.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
            }
            Err(err) => return Err(err),
        }
    }
}
