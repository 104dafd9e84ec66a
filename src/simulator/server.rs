//! The server: one port, HTTP/1.1, and websockets by upgrade.
//!
//! One task a connection, at most [`CONNECTIONS_MAX`]; further ones wait to be accepted. A connection has
//! [`HEADER_TIMEOUT`] to send its request. On shutdown nothing more is accepted, sockets are closed with 1001, and what
//! is not gone within [`DRAIN_TIMEOUT`] is dropped.

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    api::{self, Dropped},
    fault::{At, Fault},
    feed::{self, Target},
    hub::Ending,
    operation::Operation,
    reply::Reply,
    site::Site,
};

const CONNECTIONS_MAX: usize = 4_096;
/// Also how long a kept connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a connection's upgrade waits until HTTP has let go of it.
type Slot = Arc<Mutex<Option<(OnUpgrade, Target)>>>;

/// Serves until `shutdown` resolves and everything has ended.
pub(super) async fn run(site: Arc<Site>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(move_centre(Arc::clone(&site)));
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                if let Some(stream) = refuse_on_request(&site, stream) {
                    let site = Arc::clone(&site);
                    tasks.spawn(async move {
                        serve(site, stream).await;
                        drop(permit);
                    });
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely; they come back when connections end.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    site.shutdown.send_replace(true);
    site.hub().end(|_| true, &Ending::Close { code: 1001, reason: "server is going away".to_owned() });
    let drained = timeout(DRAIN_TIMEOUT, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tasks.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    // Events are to be seen when they happen. That a client is gone already shows when it is read from.
    let _ = stream.set_nodelay(true);
    Ok((stream, permit))
}

/// Closes a connection as soon as it is accepted, if a fault says so.
fn refuse_on_request(site: &Site, stream: TcpStream) -> Option<TcpStream> {
    let fault =
        site.faults().take(|fault| matches!(fault, Fault::AcceptThenClose { at: At::Connection, .. }));
    match fault {
        Some(Fault::AcceptThenClose { reset, .. }) => {
            if reset {
                let _ = stream.set_zero_linger();
            }
            None
        }
        _ => Some(stream),
    }
}

/// Moves the centre, tick by tick.
async fn move_centre(site: Arc<Site>) {
    let mut ticks = interval(site.options.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shutdown = std::pin::pin!(shutting_down(&site));
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return,
            _ = ticks.tick() => site.hub().tick(site.now_ms()),
        }
    }
}

/// Resolves when the simulator ends.
async fn shutting_down(site: &Site) {
    // The sender lives in the site, so waiting cannot fail.
    let _ = site.shutdown.subscribe().wait_for(|shutdown| *shutdown).await;
}

/// Serves one connection: requests, then maybe a websocket.
async fn serve(site: Arc<Site>, stream: TcpStream) {
    let slot = Slot::default();
    let service = service_fn(|request| {
        let (site, slot) = (Arc::clone(&site), Arc::clone(&slot));
        async move { answer(site, slot, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutting_down(&site) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ends");
    }
    let waiting = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((upgrade, target)) = waiting else {
        return;
    };
    let Ok(upgraded) = upgrade.await else { return };
    if let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() {
        feed::serve(site, parts.io.into_inner(), parts.read_buf.to_vec(), target).await;
    }
}

async fn answer(
    site: Arc<Site>,
    slot: Slot,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let reply = if request.uri().path().starts_with("/ws/") {
        upgrade(&site, &slot, request).await?
    } else {
        match api::read(request).await {
            Ok(call) => api::answer(&site, &call).await?,
            Err(reply) => reply,
        }
    };
    Ok(reply.into_response())
}

/// Answers the request for a websocket.
async fn upgrade(site: &Site, slot: &Slot, mut request: Request<Incoming>) -> Result<Reply, Dropped> {
    site.count(Operation::Upgrade);
    let on_upgrade = hyper::upgrade::on(&mut request);
    let handshake = shake_hands(site, &request);
    let target = handshake.as_ref().ok().map(|(target, _)| target.clone());
    let plan = site.faults().plan(Operation::Upgrade);
    let reply = api::with_faults(plan, || handshake.map_or_else(|reply| reply, |(_, reply)| reply)).await?;
    if let (101, Some(target)) = (reply.status, target) {
        slot.lock().unwrap_or_else(PoisonError::into_inner).replace((on_upgrade, target));
    }
    Ok(reply)
}

/// The server's side of the opening handshake,
/// [RFC 6455 section 4.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2).
fn shake_hands(site: &Site, request: &Request<Incoming>) -> Result<(Target, Reply), Reply> {
    let path = request.uri().path();
    let place =
        path.strip_prefix("/ws/notification/v1/analytics/realtime/").and_then(|rest| rest.split_once('/'));
    let Some((account, subscription)) = place else {
        return Err(Reply::not_found(path));
    };
    api::check_account(site, account)?;
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asks = header(UPGRADE).eq_ignore_ascii_case("websocket")
        && header(CONNECTION).split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let key = header(SEC_WEBSOCKET_KEY);
    if !asks || key.is_empty() || header(SEC_WEBSOCKET_VERSION) != "13" {
        let mut reply = Reply::problem(426, "Upgrade Required", "expected a websocket of version 13");
        reply.headers.push(("sec-websocket-version".to_owned(), "13".to_owned()));
        return Err(reply);
    }
    let mut reply = Reply::empty(101);
    for (name, value) in [
        ("connection", "Upgrade".to_owned()),
        ("upgrade", "websocket".to_owned()),
        ("sec-websocket-accept", derive_accept_key(key.as_bytes())),
    ] {
        reply.headers.push((name.to_owned(), value));
    }
    Ok((Target { subscription: subscription.to_owned() }, reply))
}
