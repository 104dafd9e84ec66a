//! Certificates of any kind, made when they are needed, and TLS servers that show them.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::super::{Dialer, TlsError};
use crate::config::{Account, Config, Loaded};
use crate::failure::describe;
use crate::telemetry::Telemetry;

/// Versions that a server may be limited to.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// An authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, those that lead to its authority, and its key.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    key: Arc<KeyPair>,
}

/// What a certificate is to be for.
pub(crate) fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Shown { chain: vec![certificate.der().clone()], pem: certificate.pem(), key: key.into() }
    }

    /// Signs by way of a certificate that this authority gave to somebody.
    pub(crate) fn sign_through(&self, between: CertificateParams, params: &CertificateParams) -> Shown {
        let between_key = KeyPair::generate().unwrap();
        let between_certificate = between.signed_by(&between_key, &self.issuer).unwrap().der().clone();
        let through = Self { pem: String::new(), issuer: Issuer::new(between, between_key) };
        let mut shown = through.sign(params);
        shown.chain.push(between_certificate);
        shown
    }
}

impl Shown {
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], pem: certificate.pem(), key: key.into() }
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// The files of a configuration.
pub(crate) struct Files(TempDir);

impl Files {
    /// With the authority to trust.
    pub(crate) fn new(authority: &Authority) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write("ca.pem", &authority.pem);
        files
    }

    /// Puts a client certificate there, in place of the one before.
    pub(crate) fn put_client(&self, shown: &Shown) {
        self.write("cert.pem", &shown.pem);
        self.write("key.pem", &shown.key_pem());
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A dialer as `run` makes it of a configuration that names these files.
    pub(crate) fn dialer(&self) -> Dialer {
        let mut text = "[axp]\nca_file = \"ca.pem\"\n".to_owned();
        if self.0.path().join("cert.pem").exists() {
            text.push_str("client_cert_file = \"cert.pem\"\nclient_key_file = \"key.pem\"\n");
        }
        let path = self.0.path().join("config.toml");
        let Loaded { ca_file, client_certificate, .. } =
            Config::from_text(Account::Optional, &path, &text, std::iter::empty()).unwrap();
        Dialer::new(ca_file.as_deref(), client_certificate, 1 << 20, Telemetry::new(0).tls_errors()).unwrap()
    }
}

/// What a server speaks, and whom it lets in.
pub(crate) fn config(
    shown: &Shown,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    Arc::new(builder.with_single_cert(shown.chain.clone(), shown.key()).unwrap())
}

/// What became of one connection, as the server saw it.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The handshake failed, and with it went all chance that anything was read.
    Refused(String),
    /// The client was let in, with this certificate if one was asked for.
    Served(Option<CertificateDer<'static>>),
}

/// What the exporter opens connections for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    Rest,
    Websocket,
}

impl Call {
    pub(crate) const ALL: [Self; 2] = [Self::Rest, Self::Websocket];

    /// Goes out as the exporter does and takes the server's answer; an error with its causes, as rustls
    /// names them and as the log says it, and what it counts as.
    pub(crate) async fn make(
        self,
        dialer: &Dialer,
        host: &str,
        port: u16,
    ) -> Result<(), (String, Option<TlsError>)> {
        match self {
            Self::Rest => {
                let url = Url::parse(&format!("https://{host}:{port}/rest")).unwrap();
                let client = dialer.http(&url).unwrap();
                dialer.refresh().await;
                let answer = client.get(url).send().await.map_err(|err| refusal(&err))?;
                assert_eq!(answer.status(), 204);
            }
            Self::Websocket => {
                let url = Url::parse(&format!("wss://{host}:{port}/ws")).unwrap();
                let mut socket = dialer.websocket(&url).await.map_err(|err| refusal(&err))?;
                assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
            }
        }
        Ok(())
    }

    async fn answer(self, mut stream: TlsStream<TcpStream>) {
        match self {
            Self::Rest => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                let _ = stream.shutdown().await;
            }
            Self::Websocket => {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                socket.send(Message::text("hello")).await.unwrap();
            }
        }
    }
}

fn refusal(err: &(dyn Error + 'static)) -> (String, Option<TlsError>) {
    (format!("{err:?}; {}", describe(err)), TlsError::of(err))
}

/// A server for one connection.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: JoinHandle<Seen>,
}

impl Server {
    pub(crate) async fn start(config: Arc<ServerConfig>, call: Call) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = match TlsAcceptor::from(config).accept(stream).await {
                Ok(stream) => stream,
                Err(err) => return Seen::Refused(err.to_string()),
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|chain| chain.first().cloned());
            call.answer(stream).await;
            Seen::Served(certificate)
        });
        Self { port, seen }
    }

    pub(crate) async fn seen(self) -> Seen {
        self.seen.await.unwrap()
    }
}
