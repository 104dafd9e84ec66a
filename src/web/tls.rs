//! The beginning of a connection over TLS.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::web::patient::{Limits, Patient, Progress};

/// What a client is told that speaks HTTP where TLS is spoken.
const WRONG_SCHEME: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 30\r\nConnection: close\r\n\r\nTLS is spoken here; use https\n";

/// Lets a client in that shows what is asked for; the stream waits for it as `limits` have it.
///
/// # Errors
/// Why it is not let in.
pub async fn accept<S>(
    stream: S,
    config: Arc<ServerConfig>,
    limits: Limits,
) -> io::Result<(TlsStream<Patient<S>>, Arc<Progress>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, progress) = Patient::new(stream, limits);
    Ok((TlsAcceptor::from(config).accept(stream).await?, progress))
}

/// The same, of a client that is told what to do if it begins with HTTP.
///
/// # Errors
/// Why it is not let in.
pub async fn accept_tcp(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    limits: Limits,
) -> io::Result<(TlsStream<Patient<TcpStream>>, Arc<Progress>)> {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await?;
    // The name of a method; a record of TLS begins with a control character.
    if peeked == 1 && first.iter().all(u8::is_ascii_uppercase) {
        stream.write_all(WRONG_SCHEME).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("HTTP where TLS is spoken"));
    }
    accept(stream, config, limits).await
}

/// A handshake that may take so long, and ends when `stop` says so.
///
/// # Errors
/// The handshake's own, or that it was ended.
pub async fn within<T>(
    timeout: Duration,
    stop: &mut watch::Receiver<bool>,
    handshake: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"));
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => Err(io::Error::other("stopping")),
        done = tokio::time::timeout(timeout, handshake) => done.unwrap_or_else(late),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_handshake_ends_in_time_and_at_once_when_all_stops() {
        let (stop, mut stopped) = watch::channel(false);
        let timeout = Duration::from_secs(10);
        let begin = tokio::time::Instant::now();
        let late = within(timeout, &mut stopped, pending::<io::Result<()>>()).await;
        assert_eq!((late.unwrap_err().kind(), begin.elapsed()), (io::ErrorKind::TimedOut, timeout));
        stop.send(true).unwrap();
        assert!(within(timeout, &mut stopped, pending::<io::Result<()>>()).await.is_err());
        assert_eq!(begin.elapsed(), timeout);
    }
}
