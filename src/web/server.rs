//! The scrape server: accepts connections on a listener that was bound before.
//!
//! At most 256 connections at once, and no more than half of the file
//! descriptors that the process may have: the feeds need theirs. More clients wait in the
//! system's queue. When accepting fails, as it does when the process has no file descriptor
//! left, it tries again after a moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use procfs::process::{LimitValue, Process};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, info, warn};

use crate::web::connection::{self, Limits};
use crate::web::routes::Site;

/// Most connections at once; a fleet of Prometheus servers keeps a few each.
const CONNECTIONS_MAX: usize = 256;
/// How long to wait after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves until `stop` says so, then lets the answers under way finish.
pub async fn serve(listener: TcpListener, site: Arc<Site>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(connections_max()));
    let graceful = GracefulShutdown::new();
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(err) => {
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(err = %err, "cannot accept connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut is_failing) {
            info!("accepting connections again");
        }
        let connection = connection::serve(stream, Arc::clone(&site), Limits::default(), graceful.watcher());
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
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Without it only the last packet of an answer may come later.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, place))
}

/// How many connections there may be, by what the system allows the process.
fn connections_max() -> usize {
    let limits = Process::myself().and_then(|process| process.limits());
    match limits.map(|limits| limits.max_open_files.soft_limit) {
        Ok(LimitValue::Value(files)) => {
            usize::try_from(files / 2).unwrap_or(usize::MAX).clamp(1, CONNECTIONS_MAX)
        }
        Ok(LimitValue::Unlimited) | Err(_) => CONNECTIONS_MAX,
    }
}
