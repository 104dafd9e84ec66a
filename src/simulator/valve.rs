//! A stream that can be muted: what is written to it while it is shut vanishes, reading goes on.
//!
//! To the peer that is a connection that has died without a word: no event, no pong, no close, no reset. Frames are
//! written whole before the valve turns, so opening it again does not break the framing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream with a valve on its way out.
#[derive(Debug)]
pub(super) struct Valve<S> {
    stream: S,
    shut: bool,
}

impl<S> Valve<S> {
    /// A stream with an open valve.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, shut: false }
    }

    /// Shuts or opens the valve.
    pub(super) fn turn(&mut self, shut: bool) {
        self.shut = shut;
    }

    /// The stream behind it.
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Valve<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Valve<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.shut {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
