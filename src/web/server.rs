//! The scrape server: accepts connections on listeners that were bound before.
//!
//! At most 256 connections at once, and no more than half of the file
//! descriptors that the process may have: the feeds need theirs. More clients wait in the
//! system's queue; while less than a quarter is free, none is kept between two requests, so that
//! their turn comes. When accepting fails, as it does when the process has no file descriptor
//! left, it tries again after a moment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use procfs::process::{LimitValue, Process};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::{debug, info, warn};

use crate::web::connection;
use crate::web::door::Door;
use crate::web::listener::{Listener, Stream};
use crate::web::patient::{Limits, Patient};
use crate::web::tls;

/// Most connections at once; a fleet of Prometheus servers keeps a few each.
const CONNECTIONS_MAX: usize = 256;
/// How long to wait after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves until `stop` says so, then lets the answers under way finish.
pub async fn serve(listeners: Vec<Listener>, door: Arc<Door>, stop: watch::Receiver<bool>) {
    // Each listener holds a place while it waits for who is to take it.
    let places = connections_max(files_max()).max(listeners.len() + 1);
    let hall = Hall {
        door,
        size: places,
        places: Arc::new(Semaphore::new(places)),
        graceful: GracefulShutdown::new(),
        stop,
    };
    join_all(listeners.iter().map(|listener| hall.serve(listener))).await;
    // Where there is no listener, either.
    let _ = hall.stop.clone().wait_for(|stop| *stop).await;
    drop(listeners);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, hall.graceful.shutdown()).await;
}

/// What the listeners share.
struct Hall {
    door: Arc<Door>,
    /// How many places there are, free or not.
    size: usize,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    stop: watch::Receiver<bool>,
}

impl Hall {
    async fn serve(&self, listener: &Listener) {
        let mut stop = self.stop.clone();
        let mut is_failing = false;
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.accept(listener) => accepted,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(err) => {
                    self.door.count_refused("accept");
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
            let (size, places) = (self.size, Arc::clone(&self.places));
            let is_crowded = move || places.available_permits() < size.div_ceil(4);
            let door = Arc::clone(&self.door);
            let connection = carry(stream, door, is_crowded, stop.clone(), self.graceful.watcher());
            tokio::spawn(async move {
                if let Err(err) = connection.await {
                    debug!(err = %err, "a scraper's connection ended early");
                }
                drop(place);
            });
        }
    }

    async fn accept(&self, listener: &Listener) -> io::Result<(Stream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        Ok((listener.accept().await?, place))
    }
}

/// Serves one client, over TLS where that is spoken. A stop ends a handshake at once.
async fn carry(
    stream: Stream,
    door: Arc<Door>,
    is_crowded: impl Fn() -> bool,
    mut stop: watch::Receiver<bool>,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let limits = Limits::default();
    let Some(config) = door.tls().await else {
        match stream {
            Stream::Tcp(stream) => {
                connection::serve(Patient::new(stream, limits), door, limits, is_crowded, watcher).await?;
            }
            Stream::Unix(stream) => {
                connection::serve(Patient::new(stream, limits), door, limits, is_crowded, watcher).await?;
            }
        }
        return Ok(());
    };
    match stream {
        Stream::Tcp(stream) => {
            let stream = tls::within(limits.head, &mut stop, tls::accept_tcp(stream, config, limits)).await?;
            connection::serve(stream, door, limits, is_crowded, watcher).await?;
        }
        Stream::Unix(stream) => {
            let stream = tls::within(limits.head, &mut stop, tls::accept(stream, config, limits)).await?;
            connection::serve(stream, door, limits, is_crowded, watcher).await?;
        }
    }
    Ok(())
}

/// How many files the process may have open, as far as there is a limit.
fn files_max() -> Option<u64> {
    let limits = Process::myself().and_then(|process| process.limits()).ok()?;
    match limits.max_open_files.soft_limit {
        LimitValue::Value(files) => Some(files),
        LimitValue::Unlimited => None,
    }
}

/// How many connections there may be, where the process may have so many files open.
fn connections_max(files_max: Option<u64>) -> usize {
    let half = files_max.and_then(|files| usize::try_from(files / 2).ok());
    half.map_or(CONNECTIONS_MAX, |half| half.clamp(1, CONNECTIONS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_half_of_the_files_to_others_and_are_never_more_than_256() {
        for (files, connections) in [
            (Some(0), 1),
            (Some(64), 32),
            (Some(511), 255),
            (Some(1024), 256),
            (Some(u64::MAX), 256),
            (None, 256),
        ] {
            assert_eq!(connections_max(files), connections, "{files:?}");
        }
    }
}
