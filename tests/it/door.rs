//! The scrape server's door: where it listens, who gets in, and how that changes while it runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::support::{PATIENCE, Process, exporter, pipe, tool, wait_for};

mod clients;
mod crowd;
mod requests;
mod secrets;
mod sockets;

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A certificate with its key, both in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority that everybody here trusts.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, names: &[SanType]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        Pair { certificate: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

fn self_made() -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["me.example".to_owned()]).unwrap();
    Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// What an exporter needs to run, with a web configuration beside it.
struct House {
    folder: TempDir,
    authority: Authority,
}

impl House {
    fn new() -> Self {
        let house = Self { folder: TempDir::new().unwrap(), authority: Authority::new() };
        house.write("secret", "hush");
        std::fs::set_permissions(house.path("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
        house.write("ca.pem", &house.authority.pem);
        house.renew_certificate();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        // At once, as a careful administrator would.
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// Makes a certificate for the server; gives it in DER.
    fn renew_certificate(&self) -> CertificateDer<'static> {
        let Pair { certificate, key } = self.authority.sign(&[dns("localhost")]);
        self.write("server.key", &key);
        self.write("server.crt", &certificate);
        CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()
    }

    /// Writes a configuration that listens there, with this web configuration if it is not empty.
    fn configure(&self, listen: &str, web: &str) -> PathBuf {
        let web_file = if web.is_empty() { "" } else { "config_file = \"web.yml\"\n" };
        self.write("web.yml", web);
        self.write(
            "config.toml",
            &format!(
                "[axp]\napi_url = \"http://127.0.0.1:1\"\naccount_id = \"ABCDEF\"\nclient_id = \"me\"\n\
                 client_secret_file = \"secret\"\napp_key_file = \"secret\"\n[[producer]]\nid = \"Queue_itd_1.0.0\"\n\
                 [web]\nlisten = {listen}\n{web_file}"
            ),
        );
        self.path("config.toml")
    }

    /// An exporter on a free port of this machine.
    #[track_caller]
    fn open(&self, web: &str) -> Running {
        let config = self.configure("\"127.0.0.1:0\"", web);
        let mut command = exporter(["run", "-c"]);
        command.arg(config);
        Running::start(command, 1)
    }

    /// The exit code and what it says, of an exporter that does not start.
    fn refused(&self, command: &str) -> (Option<i32>, String) {
        let mut command = exporter([command, "-c"]);
        command.arg(self.path("config.toml"));
        let output = pipe(command, "");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn client(&self) -> Client {
        Client { authority: self.authority.pem.clone(), pair: None, versions: BOTH.to_vec() }
    }
}

/// An exporter that serves at these URLs.
struct Running {
    process: Process,
    urls: Vec<String>,
}

impl Running {
    #[track_caller]
    fn start(command: Command, listeners: usize) -> Self {
        let process = Process::start(command);
        let urls = wait_for("URLs", PATIENCE, || {
            let log = process.stderr();
            let urls: Vec<_> = log.lines().filter(|line| line.contains("serving metrics")).map(url).collect();
            if urls.len() == listeners { Ok(urls) } else { Err(log) }
        });
        Self { process, urls }
    }

    /// Host and port of the first.
    fn address(&self) -> &str {
        self.urls[0].split_once("://").unwrap().1.strip_suffix("/metrics").unwrap()
    }

    fn port(&self) -> u16 {
        self.address().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// GETs a path in plain text.
    #[track_caller]
    fn get(&self, path: &str, headers: &str) -> Answer {
        Answer::ask(TcpStream::connect(self.address()).unwrap(), path, headers).unwrap()
    }

    #[track_caller]
    fn wait_for_log(&self, what: &str) {
        wait_for("such words in the log", PATIENCE, || {
            let log = self.process.stderr();
            if log.contains(what) { Ok(()) } else { Err(log) }
        });
    }
}

fn url(line: &str) -> String {
    let begin = line.find("http").unwrap();
    line[begin..].chars().take_while(|char| !char.is_whitespace() && *char != '"').collect()
}

fn password(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{password}")))
}

fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn ask(mut stream: impl Read + Write, path: &str, headers: &str) -> std::io::Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

/// A client that speaks TLS.
struct Client {
    authority: String,
    pair: Option<Pair>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

/// What was agreed on, and the answer.
struct Seen {
    version: ProtocolVersion,
    suite: String,
    protocol: Option<Vec<u8>>,
    certificate: CertificateDer<'static>,
    answer: Answer,
}

impl Client {
    fn get(&self, port: u16, headers: &str) -> Result<Seen, String> {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.get_over(socket, headers)
    }

    fn get_over(&self, socket: impl Read + Write, headers: &str) -> Result<Seen, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&self.versions);
        let builder = builder.unwrap().with_root_certificates(roots);
        let mut config = match &self.pair {
            None => builder.with_no_client_auth(),
            Some(pair) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let answer = Answer::ask(&mut stream, "/-/healthy", headers).map_err(|err| err.to_string())?;
        Ok(Seen {
            version: stream.conn.protocol_version().unwrap(),
            suite: format!("{:?}", stream.conn.negotiated_cipher_suite().unwrap().suite()),
            protocol: stream.conn.alpn_protocol().map(<[u8]>::to_vec),
            certificate: stream.conn.peer_certificates().unwrap()[0].clone(),
            answer,
        })
    }

    #[track_caller]
    fn ok(&self, port: u16) -> Seen {
        let seen = self.get(port, "").unwrap();
        assert_eq!(seen.answer.status, 200, "{:?}", seen.answer);
        seen
    }
}
