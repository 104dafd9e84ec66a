//! The way out: one TLS configuration and one rule about proxies for everything that
//! leaves the process.
//!
//! TLS is 1.2 or newer over rustls, against the system's authorities and those of
//! `axp.ca_file`; a server that asks who we are is shown the client certificate, if one is
//! configured (`dial/identity.rs`). `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` hold for REST
//! and, by CONNECT ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-connect)), for the
//! websocket; loopback is always reached directly. Names are resolved anew for each
//! connection; where a name has addresses of both families and the first does not answer for a
//! moment, the other is tried beside it
//! ([RFC 8305](https://www.rfc-editor.org/rfc/rfc8305)). Redirects are never followed: they could
//! carry a secret elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tower_service::Service;
use url::Url;

use self::identity::Identity;
pub use self::tls_error::TlsError;
use crate::config::{CertificateError, ClientCertificate, read_certificates};
use crate::ingest::endpoint::is_loopback;
use crate::ingest::link::Trouble;
use crate::ingest::status;
use crate::telemetry::TlsErrors;

mod identity;
mod tls_error;

/// How long a TCP connection may take, both address families together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the whole way to a websocket may take, TLS and upgrade included.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a REST call may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a REST connection may be idle and still be used: long enough for calls in a row, too
/// short for one that died unseen to swallow a call.
const REST_IDLE_MAX: Duration = Duration::from_secs(1);
/// How long sent bytes may stay unacknowledged: notices a dead link under a full buffer.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// Most bytes the websocket holds back for sending, the frame under way included; a larger one is
/// refused. We send pings, pongs and one short message; Autobahn has frames of 64 KiB echoed.
const WRITE_BUFFER_BYTES_MAX: usize = 128 << 10;

/// A websocket, over TLS or, on loopback, without.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What keeps us from getting out.
#[derive(Debug)]
pub enum Error {
    /// `axp.ca_file` does not serve; what is wrong with it.
    CaFile(PathBuf, &'static str),
    /// The client certificate cannot be used.
    ClientCertificate(CertificateError),
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
            Self::CaFile(path, found) => {
                write!(formatter, "read certificates from {}: {found}", path.display())
            }
            Self::ClientCertificate(err) => write!(formatter, "{err}"),
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
            Self::ClientCertificate(err) => err.source(),
            Self::Tls(err) => Some(err),
            Self::Http(err) => Some(err),
            Self::Connect(err) => Some(&**err),
            Self::Upgrade(err) => Some(&**err),
            Self::CaFile(..) | Self::Proxy | Self::TimedOut => None,
        }
    }
}

impl Error {
    /// What it means for a link that a server answered the request for a websocket with an HTTP
    /// status; none where no server did. What else it says, up to 64 KiB, goes unread.
    pub fn trouble(&self) -> Option<Trouble> {
        let Self::Upgrade(err) = self else { return None };
        let tungstenite::Error::Http(answer) = &**err else { return None };
        let retry_after = status::retry_after(answer.headers(), SystemTime::now());
        Some(status::trouble(answer.status(), retry_after))
    }
}

/// Opens connections.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<rustls::ClientConfig>,
    identity: Option<Arc<Identity>>,
    proxies: Arc<Matcher>,
    frame_bytes_max: usize,
    tls_errors: TlsErrors,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A proxy's address may carry a password.
        formatter.debug_struct("Dialer").finish_non_exhaustive()
    }
}

impl Dialer {
    /// A dialer that trusts the system's authorities and those of `ca_file`, read now, and
    /// shows the client certificate, read again for each connection ([`Self::refresh`]).
    ///
    /// # Errors
    /// [`Error::CaFile`], [`Error::ClientCertificate`] or [`Error::Tls`].
    pub fn new(
        ca_file: Option<&Path>,
        client_certificate: Option<ClientCertificate>,
        frame_bytes_max: usize,
        tls_errors: TlsErrors,
    ) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        // A system without authorities still reaches what `ca_file` vouches for.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let failed = |found| Error::CaFile(path.to_owned(), found);
            for certificate in read_certificates(path).map_err(failed)? {
                roots.add(certificate).map_err(Error::Tls)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_root_certificates(roots);
        let identity = client_certificate.map(|certificate| Identity::new(certificate, provider));
        let identity = identity.transpose().map_err(Error::ClientCertificate)?.map(Arc::new);
        let tls = match identity.clone() {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let mut tls = builder.with_client_cert_resolver(identity);
                // A resumed session would go on under the certificate that it began with.
                tls.resumption = Resumption::disabled();
                tls
            }
        };
        let proxies = Arc::new(Matcher::from_env());
        Ok(Self { tls: Arc::new(tls), identity, proxies, frame_bytes_max, tls_errors })
    }

    /// The counters of connections that TLS kept from being made: those of websockets are counted
    /// here, those of REST by who makes the calls.
    pub fn tls_errors(&self) -> TlsErrors {
        self.tls_errors.clone()
    }

    /// Reads the client certificate again, if there is one. Who makes REST calls does so before each.
    pub async fn refresh(&self) {
        if let Some(identity) = &self.identity {
            identity.refresh().await;
        }
    }

    /// A client for REST calls to `base`.
    ///
    /// # Errors
    /// [`Error::Http`].
    pub fn http(&self, base: &Url) -> Result<reqwest::Client, Error> {
        self.http_with(base, |builder| builder)
    }

    /// The same, with settings that suit calls of another kind.
    ///
    /// # Errors
    /// [`Error::Http`].
    pub fn http_with(
        &self,
        base: &Url,
        settings: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, Error> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&self.tls))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(REST_IDLE_MAX)
            .user_agent(concat!("axp-exporter/", env!("CARGO_PKG_VERSION")));
        let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
        settings(builder).build().map_err(Error::Http)
    }

    /// Opens a websocket; the URL has been checked before.
    ///
    /// # Errors
    /// What kept it from opening.
    pub async fn websocket(&self, url: &Url) -> Result<Socket, Error> {
        self.refresh().await;
        let dialed = async {
            let tcp = self.tcp(url, GaiResolver::new()).await?;
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
        let dialed = tokio::time::timeout(DIAL_TIMEOUT, dialed).await.map_err(|_| Error::TimedOut)?;
        dialed.inspect_err(|err| self.tls_errors.note(err))
    }

    /// Opens a connection; the resolver is asked each time.
    async fn tcp<R>(&self, url: &Url, resolver: R) -> Result<TcpStream, Error>
    where
        HttpConnector<R>: Service<
                Uri,
                Response = TokioIo<TcpStream>,
                Error: std::error::Error + Send + Sync + 'static,
                Future: Send + 'static,
            >,
    {
        let mut connector = HttpConnector::new_with_resolver(resolver);
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
pub(crate) mod tests;
