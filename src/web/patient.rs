//! A stream that waits for its client, though not for ever.
//!
//! It lies beneath the encryption: what that has taken in, no client has taken yet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To send the head of a request.
    pub head: Duration,
    /// Between one request and the next.
    pub idle: Duration,
    /// To take one more byte of an answer.
    pub stall: Duration,
    /// To take all of an answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            // Longer than most scrape intervals, so that a connection serves many.
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            answer: Duration::from_secs(60),
        }
    }
}

/// The requests of a connection, counted.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whose head was complete.
    begun: AtomicU64,
    /// Whose answer has been handed over.
    ended: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Progress>);

impl Answering {
    /// One more, whose head is complete.
    pub fn begin(progress: &Arc<Progress>) -> Self {
        progress.begun.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(progress))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream whose reads and writes fail when the client takes too long.
#[derive(Debug)]
pub struct Patient<S> {
    stream: S,
    limits: Limits,
    progress: Arc<Progress>,
    head: Option<Deadline>,
    stall: Option<Pin<Box<Sleep>>>,
    answer: Option<Deadline>,
}

/// When something has to be done by, and for which request, by the number of those begun.
type Deadline = (u64, Pin<Box<Sleep>>);

impl<S> Patient<S> {
    /// This stream, whose first head is awaited from now on; and what tells it of requests.
    pub fn new(stream: S, limits: Limits) -> (Self, Arc<Progress>) {
        let (progress, head) = (Arc::<Progress>::default(), Some((0, Box::pin(sleep(limits.head)))));
        (Self { stream, limits, progress: Arc::clone(&progress), head, stall: None, answer: None }, progress)
    }

    fn begun(&self) -> u64 {
        self.progress.begun.load(Ordering::Relaxed)
    }

    /// Notes bytes of a request: where they are its first, its head is awaited from now on.
    fn note_read(&mut self) {
        let (begun, ended) = (self.begun(), self.progress.ended.load(Ordering::Relaxed));
        if begun == ended && !matches!(self.head, Some((request, _)) if request == begun) {
            self.head = Some((begun, Box::pin(sleep(self.limits.head))));
        }
    }

    /// Waits for the head that is due; fails when that was too long.
    fn wait_for_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let begun = self.begun();
        match &mut self.head {
            Some((request, deadline)) if *request == begun => deadline.as_mut().poll(cx).map(|()| late()),
            _ => Poll::Pending,
        }
    }

    /// Waits for the client to take more; fails when that was too long.
    fn wait_for_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let (begun, limits) = (self.begun(), self.limits);
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limits.stall)));
        if stall.as_mut().poll(cx).is_ready() {
            return Poll::Ready(late());
        }
        self.answer = self.answer.take().filter(|(request, _)| *request == begun);
        let answer = self.answer.get_or_insert_with(|| (begun, Box::pin(sleep(limits.answer))));
        answer.1.as_mut().poll(cx).map(|()| late())
    }

    /// What a write came to, after waiting where there is no room.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            return self.wait_for_room(cx).map(Err);
        }
        self.stall = None;
        written
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took too long")
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            return self.wait_for_head(cx).map(Err);
        }
        if buffer.filled().len() > before {
            self.note_read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to write then.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
