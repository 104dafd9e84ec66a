//! stdout: lines and nothing else, as fast as it takes them.
//!
//! A pipe takes a page in one piece or not at all. So lines go out by pages, each when there is room
//! for it: no write waits, and whatever ends the process, no line of up to a page is torn. Where there is no
//! room, lines wait in the queue; when that has overflowed, all that wait are thrown away as soon as
//! there is room, as they are old, and whole rows are asked for.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use memchr::memchr_iter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::sink::queue::{Batch, LineReceiver, QueueGauge};
use crate::telemetry;

/// What a pipe takes in one piece: `PIPE_BUF` of Linux
/// ([pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html)).
const PIECE_BYTES: usize = 4096;
/// How often it is noted that there is still no room.
const LOOK_INTERVAL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Memory that is kept for the next batch.
const KEPT_BYTES: usize = 1 << 20;

/// The writer of lines.
#[derive(Debug)]
pub(super) struct Stdout<W> {
    out: W,
    lines: LineReceiver,
    queue: QueueGauge,
    metrics: telemetry::Sink,
    /// Changed where whole rows are due.
    due: watch::Sender<()>,
    /// Lines dropped of which it is known.
    dropped: u64,
}

impl Stdout<File> {
    /// Writes `lines` to stdout.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn open(
        lines: LineReceiver,
        metrics: telemetry::Sink,
        due: watch::Sender<()>,
    ) -> io::Result<Self> {
        // Not by way of std's own, which would look for line ends.
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self::new(out, lines, metrics, due))
    }
}

impl<W: Write + AsFd + Send + 'static> Stdout<W> {
    fn new(out: W, lines: LineReceiver, metrics: telemetry::Sink, due: watch::Sender<()>) -> Self {
        let queue = lines.gauge();
        Self { out, lines, queue, metrics, due, dropped: 0 }
    }

    /// Writes until no line will ever come again.
    ///
    /// # Errors
    /// What keeps it from writing.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut batch = Batch::default();
        while self.lines.receive(&mut batch, Duration::ZERO).await {
            let writing = spawn_blocking(move || {
                let written = self.write(&batch.bytes);
                (self, batch, written)
            });
            let written;
            (self, batch, written) = writing.await?;
            written?;
            batch.bytes.clear();
            batch.bytes.shrink_to(KEPT_BYTES);
        }
        Ok(())
    }

    /// Writes whole lines, up to where it turns out that they are too old.
    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            self.wait_for_room()?;
            if self.metrics.dropped.get() > self.dropped {
                self.throw_away(lines);
                break;
            }
            let (piece, rest) = lines.split_at(piece_bytes(lines));
            for part in piece.chunks(PIECE_BYTES) {
                self.write_part(part)?;
            }
            self.metrics.written.inc_by(count(piece));
            self.metrics.up.set(1);
            lines = rest;
        }
        self.note_queue(self.lines.bytes());
        Ok(())
    }

    fn write_part(&mut self, mut part: &[u8]) -> io::Result<()> {
        while !part.is_empty() {
            self.wait_for_room()?;
            match self.out.write(part) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => part = part.get(bytes..).unwrap_or_default(),
                Err(err) if matches!(err.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    /// Waits until a write will not; also where it would fail.
    fn wait_for_room(&self) -> io::Result<()> {
        loop {
            match poll(&mut [PollFd::new(&self.out, PollFlags::OUT)], Some(&LOOK_INTERVAL)) {
                Ok(0) => {
                    self.metrics.up.set(0);
                    self.note_queue(self.queue.bytes());
                }
                Ok(_) => return Ok(()),
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Gives up these lines and all that wait: the queue has overflowed, and what is newer is gone.
    fn throw_away(&mut self, lines: &[u8]) {
        // What is dropped from here on is noticed at the next look.
        self.dropped = self.metrics.dropped.get();
        let mut waiting = Batch::default();
        self.lines.take(&mut waiting);
        let count = count(lines) + waiting.lines;
        self.metrics.dropped.inc_by(count);
        self.dropped += count;
        warn!(
            lines = self.dropped,
            "stdout took too little; the lines that waited are thrown away, and whole rows follow"
        );
        self.due.send_modify(|()| ());
    }

    fn note_queue(&self, bytes: usize) {
        self.metrics.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// How many bytes of these lines go out in one piece: the lines that fit, or one that does not.
fn piece_bytes(lines: &[u8]) -> usize {
    let ends = memchr_iter(b'\n', lines).map(|end| end + 1);
    let mut piece = 0;
    for end in ends {
        if piece > 0 && end > PIECE_BYTES {
            break;
        }
        piece = end;
    }
    if piece == 0 { lines.len() } else { piece }
}

/// How many lines these are.
fn count(lines: &[u8]) -> u64 {
    memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::sink::queue::{self, LineSender, QUEUE_BYTES_MAX};
    use crate::telemetry::Telemetry;

    /// A writer to this, what it writes, and what it counts.
    fn writer<W: Write + AsFd + Send + 'static>(out: W) -> (Stdout<W>, LineSender, telemetry::Sink) {
        let metrics = Telemetry::new(1).sink("telegraf");
        let (sender, lines) = queue::lines(1, metrics.dropped.clone());
        (Stdout::new(out, lines, metrics.clone(), watch::Sender::new(())), sender, metrics)
    }

    /// All that comes out of a pipe, from now on.
    fn read(mut reader: PipeReader) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        })
    }

    fn line(number: usize) -> String {
        format!("line {number} of some length, as lines are, and then a little more of it\n")
    }

    #[tokio::test]
    async fn lines_arrive_in_order_however_long_they_are() {
        let (reader, out) = pipe().unwrap();
        let (stdout, sender, metrics) = writer(out);
        let running = tokio::spawn(stdout.run());
        let reading = read(reader);
        let lines: Vec<String> = (0..50).map(|number| "x".repeat(number * 1000) + "\n").collect();
        for line in &lines {
            sender.send(line.as_bytes());
        }
        drop(sender);
        running.await.unwrap().unwrap();
        assert_eq!(reading.join().unwrap(), lines.concat());
        assert_eq!((metrics.written.get(), metrics.dropped.get(), metrics.up.get()), (50, 0, 1));
        assert_eq!(metrics.queue_bytes.get(), 0);
    }

    #[tokio::test]
    async fn a_socket_that_does_not_wait_is_waited_for() {
        let (mut reader, out) = UnixStream::pair().unwrap();
        out.set_nonblocking(true).unwrap();
        let (stdout, sender, _) = writer(out);
        let running = tokio::spawn(stdout.run());
        let lines: String = (0..10_000).map(line).collect();
        lines.split_inclusive('\n').for_each(|line| sender.send(line.as_bytes()));
        drop(sender);
        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        running.await.unwrap().unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), lines);
    }

    #[tokio::test]
    async fn what_overflows_is_thrown_away_once_there_is_room_and_whole_rows_are_due() {
        let (reader, out) = pipe().unwrap();
        let (stdout, sender, metrics) = writer(out);
        let mut due = stdout.due.subscribe();
        let running = tokio::spawn(stdout.run());
        let sent = QUEUE_BYTES_MAX / line(0).len() * 2;
        (0..sent).for_each(|number| sender.send(line(number).as_bytes()));
        assert!(!due.has_changed().unwrap(), "nobody reads");
        let reading = read(reader);
        due.changed().await.unwrap();
        sender.send(b"new\n");
        drop(sender);
        running.await.unwrap().unwrap();
        let text = reading.join().unwrap();
        let (old, new) = text.split_at(text.len() - 4);
        assert_eq!(new, "new\n");
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        assert!(old.iter().enumerate().all(|(number, old)| **old == line(number)));
        assert!(old.len() < 2000, "no more than the pipe held: {}", old.len());
        assert_eq!(metrics.written.get(), old.len() as u64 + 1);
        assert_eq!(metrics.written.get() + metrics.dropped.get(), sent as u64 + 1);
    }

    #[tokio::test]
    async fn a_writer_that_is_given_up_leaves_no_torn_line() {
        let (reader, out) = pipe().unwrap();
        let (stdout, sender, _) = writer(out.try_clone().unwrap());
        let running = tokio::spawn(stdout.run());
        (0..10_000).for_each(|number| sender.send(line(number).as_bytes()));
        // It is full: a page more does not go in.
        let is_full =
            || poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&Timespec::default())).unwrap() == 0;
        while !is_full() {
            tokio::task::yield_now().await;
        }
        running.abort();
        drop(out);
        drop(sender);
        // What writes still waits for room; as if the process had ended here.
        let mut held = vec![0; 1 << 20];
        let mut reader = reader;
        let bytes = reader.read(&mut held).unwrap();
        assert!(bytes > 50_000 && held[bytes - 1] == b'\n', "{bytes}");
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_an_error_at_once() {
        let (reader, out) = pipe().unwrap();
        let (stdout, sender, _) = writer(out);
        drop(reader);
        sender.send(b"a\n");
        assert_eq!(stdout.run().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    proptest! {
        #[test]
        fn a_piece_is_whole_lines_and_goes_into_a_pipe_at_once_if_it_can(
            lengths in prop::collection::vec(0..6000_usize, 1..20),
        ) {
            let lines: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            let mut rest = lines.as_bytes();
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(piece_bytes(rest));
                prop_assert!(piece.ends_with(b"\n"));
                prop_assert!(piece.len() <= PIECE_BYTES || count(piece) == 1);
                // Nor could it have been longer.
                let next = others.split_inclusive(|byte| *byte == b'\n').next();
                prop_assert!(next.is_none_or(|next| piece.len() + next.len() > PIECE_BYTES));
                rest = others;
            }
        }
    }
}
