//! The way out: one TLS configuration and one rule about proxies for everything that
//! leaves the process.
//!
//! TLS is 1.2 or newer over rustls, against the system's authorities and those of
//! `axp.ca_file`. `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` hold for REST and, by CONNECT
//! ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-connect)), for the websocket;
//! loopback is always reached directly. Names are resolved anew for each connection, IPv6
//! and IPv4 raced. Redirects are never followed: they could carry a secret elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tower_service::Service;
use url::Url;

use crate::ingest::endpoint::is_loopback;

/// How long a TCP connection may take, both address families together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the whole way to a websocket may take, TLS and upgrade included.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a REST call may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long sent bytes may stay unacknowledged: notices a dead link under a full buffer.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// Most bytes the websocket holds back for sending; we send pings and one message.
const WRITE_BUFFER_BYTES_MAX: usize = 64 << 10;

/// A websocket, over TLS or, on loopback, without.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What keeps us from getting out.
#[derive(Debug)]
pub enum Error {
    /// `axp.ca_file` cannot be read as PEM.
    CaFile(PathBuf, rustls::pki_types::pem::Error),
    /// The TLS configuration cannot be made.
    Tls(rustls::Error),
    /// The HTTP client cannot be made.
    Http(reqwest::Error),
    /// The proxy of the environment is none that can be used.
    Proxy,
    /// No connection.
    Connect(Box<dyn std::error::Error + Send + Sync>),
    /// TLS or the upgrade failed.
    Upgrade(Box<tungstenite::Error>),
    /// It took too long.
    TimedOut,
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CaFile(path, _) => write!(formatter, "read certificates from {}", path.display()),
            Self::Tls(_) => formatter.write_str("set up TLS"),
            Self::Http(_) => formatter.write_str("set up the HTTP client"),
            Self::Proxy => {
                formatter.write_str("use the proxy of the environment: only http:// proxies can be used")
            }
            Self::Connect(_) => formatter.write_str("connect"),
            Self::Upgrade(_) => formatter.write_str("open the websocket"),
            Self::TimedOut => formatter.write_str("open the websocket in time"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CaFile(_, err) => Some(err),
            Self::Tls(err) => Some(err),
            Self::Http(err) => Some(err),
            Self::Connect(err) => Some(&**err),
            Self::Upgrade(err) => Some(&**err),
            Self::Proxy | Self::TimedOut => None,
        }
    }
}

/// Opens connections.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<rustls::ClientConfig>,
    proxies: Arc<Matcher>,
    frame_bytes_max: usize,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A proxy's address may carry a password.
        formatter.debug_struct("Dialer").finish_non_exhaustive()
    }
}

impl Dialer {
    /// A dialer that trusts the system's authorities and those of `ca_file`.
    ///
    /// # Errors
    /// [`Error::CaFile`] or [`Error::Tls`].
    pub fn new(ca_file: Option<&Path>, frame_bytes_max: usize) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        // A system without authorities still reaches what `ca_file` vouches for.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let failed = |err| Error::CaFile(path.to_owned(), err);
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                roots.add(certificate.map_err(failed)?).map_err(Error::Tls)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), proxies: Arc::new(Matcher::from_env()), frame_bytes_max })
    }

    /// A client for REST calls to `base`.
    ///
    /// # Errors
    /// [`Error::Http`].
    pub fn http(&self, base: &Url) -> Result<reqwest::Client, Error> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&self.tls))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .user_agent(concat!("axp-exporter/", env!("CARGO_PKG_VERSION")));
        let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
        builder.build().map_err(Error::Http)
    }

    /// Opens a websocket; the URL has been checked before.
    ///
    /// # Errors
    /// What kept it from opening.
    pub async fn websocket(&self, url: &Url) -> Result<Socket, Error> {
        let dialed = async {
            let tcp = self.tcp(url).await?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(self.frame_bytes_max))
                .max_frame_size(Some(self.frame_bytes_max))
                .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
                .write_buffer_size(0);
            let tls = Connector::Rustls(Arc::clone(&self.tls));
            let (socket, _) = client_async_tls_with_config(url.as_str(), tcp, Some(config), Some(tls))
                .await
                .map_err(|err| Error::Upgrade(Box::new(err)))?;
            Ok(socket)
        };
        tokio::time::timeout(DIAL_TIMEOUT, dialed).await.map_err(|_| Error::TimedOut)?
    }

    async fn tcp(&self, url: &Url) -> Result<TcpStream, Error> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let scheme = if url.scheme() == "wss" { "https" } else { "http" };
        let authority = match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => return Err(Error::Connect("the endpoint has no host".into())),
        };
        let uri =
            format!("{scheme}://{authority}/").parse::<Uri>().map_err(|err| Error::Connect(Box::new(err)))?;
        let Some(proxy) = self.proxy(url, &uri) else {
            let tcp = connector.call(uri).await.map_err(|err| Error::Connect(Box::new(err)))?;
            return Ok(tcp.into_inner());
        };
        if proxy.uri().scheme_str() != Some("http") {
            return Err(Error::Proxy);
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        let tcp = tunnel.call(uri).await.map_err(|err| Error::Connect(Box::new(err)))?;
        Ok(tcp.into_inner())
    }

    /// The proxy to take, none for loopback and what `NO_PROXY` names.
    fn proxy(&self, url: &Url, uri: &Uri) -> Option<Intercept> {
        if is_loopback(url) { None } else { self.proxies.intercept(uri) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn dialer(proxies: Matcher) -> Dialer {
        Dialer { proxies: Arc::new(proxies), ..Dialer::new(None, 1 << 20).unwrap() }
    }

    /// Serves one websocket and says a word on it.
    async fn serve(listener: TcpListener) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        futures_util::SinkExt::send(&mut socket, tungstenite::Message::text("hello")).await.unwrap();
    }

    #[tokio::test]
    async fn a_websocket_goes_through_the_proxy_by_connect() {
        let (server, proxy) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let (server_address, proxy_address) = (server.local_addr().unwrap(), proxy.local_addr().unwrap());
        let tunnel = tokio::spawn(async move {
            let (mut client, _) = proxy.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut upstream = TcpStream::connect(server_address).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            String::from_utf8(head).unwrap()
        });
        let serving = tokio::spawn(serve(server));
        let proxies = Matcher::builder().all(format!("http://user:pass@{proxy_address}")).build();
        let url = Url::parse("ws://axp.invalid:9999/ws").unwrap();
        let mut socket = dialer(proxies).websocket(&url).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("hello"));
        drop(socket);
        serving.await.unwrap();
        let head = tunnel.await.unwrap().to_ascii_lowercase();
        assert!(head.starts_with("connect axp.invalid:9999 http/1.1\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: basic dxnlcjpwyxnz"), "{head}");
    }

    #[test]
    fn loopback_and_what_no_proxy_names_are_reached_directly() {
        let proxies = Matcher::builder().all("http://proxy.invalid").no("direct.invalid").build();
        let dialer = dialer(proxies);
        for (host, proxied) in [
            ("axp.invalid", true),
            ("direct.invalid", false),
            ("sub.direct.invalid", false),
            ("127.0.0.1", false),
            ("localhost", false),
            ("[::1]", false),
        ] {
            let (url, uri) = (format!("wss://{host}/"), format!("https://{host}/"));
            let proxy = dialer.proxy(&url.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(proxy.is_some(), proxied, "{host}");
        }
    }

    #[tokio::test]
    async fn only_http_proxies_are_used() {
        let proxies = Matcher::builder().all("socks5://127.0.0.1:1").build();
        let url = Url::parse("wss://axp.invalid/ws").unwrap();
        assert!(matches!(dialer(proxies).websocket(&url).await, Err(Error::Proxy)));
    }
}
