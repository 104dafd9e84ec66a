//! One client's connection: HTTP/1.1 over any stream, and how long it may take.
//!
//! A connection ends when a request's head takes longer than [`Limits::head`] from its first
//! byte, or from the opening for the first; when nothing is asked for [`Limits::idle`]; when
//! the client takes not one byte for [`Limits::stall`], or not all of an answer in
//! [`Limits::answer`]. An answer under way is then cut off, which a client notices, as it was
//! told the length. Where there is a crowd, it ends with its answer. HTTP/2 is not spoken: its preface ends the connection.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::web::door::Door;

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 << 10;

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

/// Serves one client until it leaves, takes too long, has been answered in a crowd, or `watcher`
/// says to stop.
///
/// # Errors
/// How the connection ended, if not by the client's closing it between two requests.
pub async fn serve<S>(
    stream: S,
    door: Arc<Door>,
    limits: Limits,
    is_crowded: impl Fn() -> bool,
    watcher: Watcher,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let progress = Arc::new(Progress::default());
    let patient = Patient::new(stream, limits, Arc::clone(&progress));
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, answering, is_crowded) = (Arc::clone(&door), Answering::begin(&progress), is_crowded());
        async move {
            let mut response = door.answer(&request).await;
            if is_crowded {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| body.holding(answering)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(patient), service);
    watcher.watch(connection).await
}

/// The requests of a connection, counted.
#[derive(Debug, Default)]
struct Progress {
    /// Whose head was complete.
    begun: AtomicU64,
    /// Whose answer has been handed over.
    ended: AtomicU64,
}

/// A request that is being answered.
#[derive(Debug)]
struct Answering(Arc<Progress>);

impl Answering {
    fn begin(progress: &Arc<Progress>) -> Self {
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
struct Patient<S> {
    stream: S,
    limits: Limits,
    progress: Arc<Progress>,
    head: Option<Deadline>,
    stall: Option<Deadline>,
    answer: Option<Deadline>,
}

/// When something has to be done by, and for which request, by the number of those begun.
type Deadline = (u64, Pin<Box<Sleep>>);

impl<S> Patient<S> {
    fn new(stream: S, limits: Limits, progress: Arc<Progress>) -> Self {
        let head = Some((0, Box::pin(sleep(limits.head))));
        Self { stream, limits, progress, head, stall: None, answer: None }
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
        let stall = self.stall.get_or_insert_with(|| (begun, Box::pin(sleep(limits.stall))));
        if stall.1.as_mut().poll(cx).is_ready() {
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
        // A stream that encrypts may have to write before it is through.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_pending() {
            return self.wait_for_room(cx).map(Err);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        if shut.is_pending() {
            return self.wait_for_room(cx).map(Err);
        }
        shut
    }
}
