//! One client's connection: HTTP/1.1 over any stream, and how long it may take.
//!
//! A connection ends when a request's head takes longer than [`Limits::head`] from its first
//! byte, or from the opening for the first; when nothing is asked for [`Limits::idle`]; when
//! the client takes not one byte for [`Limits::stall`], or not all of an answer in
//! [`Limits::answer`], or too slowly while others wait for room (`web/readers.rs`). An answer under
//! way is then cut off, which a client notices, as it was told the length. Where there is a crowd,
//! it ends with its answer. HTTP/2 is not spoken: its preface ends the connection.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{AbortHandle, Abortable};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::web::door::Door;
use crate::web::patient::{Answering, Limits, Progress};

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Why a connection ended, if not by its client's closing it between two requests.
#[derive(Debug)]
pub enum Error {
    /// It broke, took too long, or what came is no HTTP/1.1.
    Http(hyper::Error),
    /// Its client was cut off to make room.
    CutOff,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(err) => err.fmt(formatter),
            Self::CutOff => formatter.write_str("its client read slowly while others waited for room"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(err) => err.source(),
            Self::CutOff => None,
        }
    }
}

/// Serves one client, of whose requests `progress` is told, until it leaves, takes too long, has
/// been answered in a crowd, or `watcher` says to stop.
///
/// # Errors
/// How the connection ended, if not by the client's closing it between two requests.
pub async fn serve<S>(
    (stream, progress): (S, Arc<Progress>),
    door: Arc<Door>,
    limits: Limits,
    is_crowded: impl Fn() -> bool,
    watcher: Watcher,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (handle, registration) = AbortHandle::new_pair();
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, handle) = (Arc::clone(&door), handle.clone());
        let (answering, is_crowded) = (Answering::begin(&progress), is_crowded());
        async move {
            let mut response = door.answer(&request).await;
            if is_crowded {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| body.answering(answering).carried_by(&handle)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match Abortable::new(watcher.watch(connection), registration).await {
        Ok(ended) => ended.map_err(Error::Http),
        Err(_) => Err(Error::CutOff),
    }
}
