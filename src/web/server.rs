//! The scrape server: HTTP/1.1 over a listener that was bound before.
//!
//! At most `CONNECTIONS_MAX` connections at once; more wait in the system's queue.
//! Headers must arrive within `HEADER_TIMEOUT`. When accepting fails, as it does when
//! the process has no file descriptor left, it tries again after a moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tracing::{debug, warn};

use crate::web::routes::Site;

/// Most connections at once; a fleet of Prometheus servers keeps a few each.
const CONNECTIONS_MAX: usize = 256;
/// How long a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// Serves until `stop` says so, then lets the answers under way finish.
pub async fn serve(listener: TcpListener, site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let site = Arc::clone(&site);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| Arc::clone(&site).answer(request)),
            );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(err) = connection.await {
                debug!(peer = %peer, err = %err, "a scraper's connection ended early");
            }
            drop(place);
        });
    }
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(err) => {
            warn!(err = %err, "cannot accept a connection");
            None
        }
    }
}
