//! stdout: lines and nothing else, as fast as it takes them.
//!
//! A pipe takes a page in one piece or not at all. So lines go out by pages, each when there is room
//! for it: no write waits, and whatever ends the process, no line of up to a page is torn. Where there is no
//! room, lines wait in the queue; when that has overflowed, all that wait are thrown away as soon as
//! there is room, as they are old, and whole rows are asked for.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;
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
    /// Told where whole rows are due.
    due: Arc<Notify>,
    /// Lines dropped of which it is known.
    dropped: u64,
}

impl Stdout<File> {
    /// Writes `lines` to stdout.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn open(lines: LineReceiver, metrics: telemetry::Sink, due: Arc<Notify>) -> io::Result<Self> {
        // Not by way of std's own, which would look for line ends.
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self::new(out, lines, metrics, due))
    }
}

impl<W: Write + AsFd + Send + 'static> Stdout<W> {
    fn new(out: W, lines: LineReceiver, metrics: telemetry::Sink, due: Arc<Notify>) -> Self {
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
        self.due.notify_one();
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
