//! The beginning of a connection over TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What a client is told that speaks HTTP where TLS is spoken.
const WRONG_SCHEME: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 30\r\nConnection: close\r\n\r\nTLS is spoken here; use https\n";

/// Lets a client in that shows what is asked for, within `timeout`.
///
/// # Errors
/// Why it is not let in.
pub async fn accept<S>(stream: S, config: Arc<ServerConfig>, timeout: Duration) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = tokio::time::timeout(timeout, TlsAcceptor::from(config).accept(stream)).await;
    accepted.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")))
}

/// Tells a client that begins with HTTP what to do instead, within `timeout`; gives back any other.
///
/// # Errors
/// Why the client is not to be served.
pub async fn expect_tls(mut stream: TcpStream, timeout: Duration) -> io::Result<TcpStream> {
    let mut first = [0];
    let peeked = tokio::time::timeout(timeout, stream.peek(&mut first)).await??;
    // The name of a method; a record of TLS begins with a control character.
    if peeked == 1 && first.iter().all(u8::is_ascii_uppercase) {
        stream.write_all(WRONG_SCHEME).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("HTTP where TLS is spoken"));
    }
    Ok(stream)
}
