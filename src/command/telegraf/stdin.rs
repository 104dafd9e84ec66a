//! stdin: ticks, and the end.
//!
//! It is read whatever comes, on a thread of its own: Telegraf waits a second to write a newline, and
//! then says that this has failed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::{oneshot, watch};
use tracing::warn;

/// Ticks are a byte each: more than waits while one gather is under way.
const READ_BYTES: usize = 4096;

/// Reads stdin from now on and tells `due` of newlines; what it returns resolves when stdin has ended.
///
/// # Errors
/// Where there is no stdin, or no thread to be had.
pub(super) fn drain(due: watch::Sender<()>) -> io::Result<oneshot::Receiver<()>> {
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

fn read(mut stdin: impl Read + AsFd, due: &watch::Sender<()>) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(bytes) if buffer.iter().take(bytes).any(|byte| *byte == b'\n') => {
                due.send_modify(|()| ());
            }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn newlines_are_ticks_and_the_end_is_the_end_on_a_pipe_that_waits_or_does_not() {
        for nonblocking in [false, true] {
            let (mut telegraf, stdin) = UnixStream::pair().unwrap();
            stdin.set_nonblocking(nonblocking).unwrap();
            let (due, mut told) = watch::channel(());
            let reader = thread::spawn({
                let due = due.clone();
                move || read(stdin, &due)
            });
            for _ in 0..3 {
                telegraf.write_all(b"\n").unwrap();
                told.changed().await.unwrap();
            }
            telegraf.write_all(b"no line").unwrap();
            drop(telegraf);
            reader.join().unwrap().unwrap();
            assert!(!told.has_changed().unwrap(), "that was no newline");
        }
    }
}
