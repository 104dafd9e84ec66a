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

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// A certificate with its key, both in PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// An authority that everybody here trusts.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    fn sign(&self, names: &[SanType]) -> Pair {
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

fn dns(name: &str) -> SanType {
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

#[test]
fn where_tls_is_spoken_nothing_else_is() {
    let house = House::new();
    let running = house.open(TLS);
    assert!(running.urls[0].starts_with("https://127.0.0.1:"), "{:?}", running.urls);
    let seen = house.client().ok(running.port());
    assert_eq!((seen.version, seen.protocol.as_deref()), (ProtocolVersion::TLSv1_3, Some(&b"http/1.1"[..])));
    let answer = running.get("/metrics", "");
    assert_eq!((answer.status, answer.body.as_str()), (400, "TLS is spoken here; use https\n"));
    assert!(answer.head.contains("content-length: 30"), "{}", answer.head);
    // Neither one that says nothing nor one that stops in the middle keeps others out.
    let _silent = TcpStream::connect(running.address()).unwrap();
    TcpStream::connect(running.address()).unwrap().write_all(b"\x16\x03\x01").unwrap();
    house.client().ok(running.port());
}

#[test]
fn versions_and_suites_are_those_of_the_file() {
    let house = House::new();
    let older = Client { versions: vec![&rustls::version::TLS12], ..house.client() };
    let running = house.open(&format!("{TLS}  min_version: TLS13\n"));
    assert!(older.get(running.port(), "").is_err());
    assert_eq!(house.client().ok(running.port()).version, ProtocolVersion::TLSv1_3);
    let suites = "cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]";
    let running = house.open(&format!("{TLS}  max_version: TLS12\n  {suites}\n"));
    let seen = house.client().ok(running.port());
    assert_eq!(seen.version, ProtocolVersion::TLSv1_2);
    assert_eq!(seen.suite, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "the server's order");
}

#[test]
fn each_client_auth_type_lets_in_whom_it_is_for() {
    let house = House::new();
    let signed = || Some(house.authority.sign(&[dns("scraper.example")]));
    for (kind, [none, own, trusted]) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, false, true]),
        ("RequireAndVerifyClientCert", [false, false, true]),
    ] {
        let authority = if kind == "NoClientCert" { "" } else { "  client_ca_file: ca.pem\n" };
        let running = house.open(&format!("{TLS}  client_auth_type: {kind}\n{authority}"));
        for (pair, is_let_in) in [(None, none), (Some(self_made()), own), (signed(), trusted)] {
            let what = format!("{kind}, with a certificate: {}", pair.is_some());
            for version in BOTH {
                let pair = pair
                    .as_ref()
                    .map(|pair| Pair { certificate: pair.certificate.clone(), key: pair.key.clone() });
                let client = Client { pair, versions: vec![version], ..house.client() };
                let seen = client.get(running.port(), "");
                assert_eq!(seen.is_ok(), is_let_in, "{what}, {:?}: {:?}", version.version, seen.err());
            }
        }
    }
}

#[test]
fn of_the_verified_only_those_with_an_allowed_name_get_in() {
    let house = House::new();
    let allowed =
        "[scraper.example, 192.0.2.7, '2001:db8::7', ops@example.org, 'spiffe://example.org/scraper']";
    let verified = "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem";
    let running = house.open(&format!("{TLS}  {verified}\n  client_allowed_sans: {allowed}\n"));
    let get = |names: &[SanType]| {
        let pair = Some(house.authority.sign(names));
        Client { pair, ..house.client() }.get(running.port(), "")
    };
    for name in [
        dns("scraper.example"),
        SanType::IpAddress("192.0.2.7".parse().unwrap()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
        SanType::Rfc822Name("ops@example.org".try_into().unwrap()),
        SanType::URI("spiffe://example.org/scraper".try_into().unwrap()),
    ] {
        assert!(get(&[dns("other.example"), name.clone()]).is_ok(), "{name:?}");
    }
    for name in
        [dns("other.example"), dns("a.scraper.example"), SanType::IpAddress("192.0.2.8".parse().unwrap())]
    {
        assert!(get(std::slice::from_ref(&name)).is_err(), "{name:?}");
    }
    assert!(get(&[]).is_err(), "no name at all");
    // The right name in a certificate that anybody could make.
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["scraper.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let pair = Some(Pair { certificate: own.pem(), key: key.serialize_pem() });
    assert!(Client { pair, ..house.client() }.get(running.port(), "").is_err());
}

#[test]
fn without_the_right_password_nothing_is_answered() {
    let house = House::new();
    let (alice, bob) = (hash("alice's own"), hash("bob's"));
    let running = house.open(&format!("basic_auth_users: {{alice: {alice}, bob: {bob}}}"));
    assert!(running.urls[0].starts_with("http://"));
    let right = password("alice", "alice's own");
    for (path, status) in
        [("/metrics", 200), ("/-/healthy", 200), ("/-/ready", 503), ("/", 200), ("/nothing", 404)]
    {
        assert_eq!(running.get(path, &right).status, status, "{path}");
        for headers in [
            String::new(),
            password("alice", "bob's"),
            password("carol", "alice's own"),
            // CVE-2022-46146: to be taken for what was right before.
            password(&format!("alice{alice}"), "alice's own"),
            password("alice", &format!("{bob}bob's")),
        ] {
            let answer = running.get(path, &headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert!(answer.head.contains("\r\nwww-authenticate: basic"), "{}", answer.head);
            assert!(!answer.body.contains("axp"), "{}", answer.body);
        }
    }
}

#[test]
fn headers_go_with_every_answer_and_the_rate_limit_holds_for_all() {
    let house = House::new();
    let running = house.open(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=31536000\n\
         rate_limit:\n  interval: 1h\n  burst: 2\n",
    );
    for status in [200, 404, 429, 429] {
        let answer = running.get(if status == 404 { "/nothing" } else { "/-/healthy" }, "");
        assert_eq!(answer.status, status);
        assert!(answer.head.contains("x-frame-options: deny"), "{}", answer.head);
        assert!(answer.head.contains("strict-transport-security: max-age=31536000"), "{}", answer.head);
    }
}

#[test]
fn certificates_and_passwords_are_renewed_while_it_runs() {
    let house = House::new();
    let file = |password: &str| format!("{TLS}basic_auth_users: {{alice: {}}}", hash(password));
    let running = house.open(&file("old"));
    let client = house.client();
    let status = |word: &str| client.get(running.port(), &password("alice", word)).unwrap().answer.status;
    assert_eq!((status("old"), status("new")), (200, 401));
    let renewed = house.renew_certificate();
    assert_eq!(client.get(running.port(), "").unwrap().certificate, renewed);
    house.write("web.yml", &file("new"));
    assert_eq!((status("old"), status("new")), (401, 200), "what was right before is forgotten");

    // Whatever happens to the files, the door stays as it was.
    for (name, text, said) in [
        ("web.yml", "", "tls_server_config has come or gone"),
        ("web.yml", "tls_server_config: {junk", "web.yml: line 1"),
        ("web.yml", TLS, "basic_auth_users names nobody any more"),
        ("server.crt", "", "holds no certificate"),
    ] {
        let before = std::fs::read_to_string(house.path(name)).unwrap();
        house.write(name, text);
        assert_eq!((status("new"), status("old")), (200, 401), "{said}");
        assert_eq!(client.get(running.port(), "").unwrap().certificate, renewed);
        running.wait_for_log(said);
        house.write(name, &before);
        assert_eq!(status("new"), 200);
    }
    std::fs::remove_file(house.path("web.yml")).unwrap();
    assert_eq!((status("new"), status("old")), (200, 401));
    running.wait_for_log("web.yml: the file: no such file");
    let log = running.process.stderr();
    assert_eq!(log.matches("cannot use web.config_file").count(), 5, "once each: {log}");
    assert!(!log.contains("$2b$"), "{log}");
}

#[test]
fn a_web_configuration_that_cannot_be_used_keeps_it_from_starting() {
    let house = House::new();
    house.configure("\"127.0.0.1:0\"", &format!("{TLS}  min_version: TLS10\n"));
    let expected = "config.toml: web.config_file: \"web.yml\" tls_server_config.min_version: TLS10 is not spoken here; the oldest version is TLS12\n";
    for command in ["check", "run"] {
        let (code, said) = house.refused(command);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.ends_with(expected) && said.lines().count() == 1, "{said}");
    }
    house.configure("\"127.0.0.1:0\"", TLS);
    assert_eq!(house.refused("check").0, Some(0));
}

#[test]
fn it_is_said_at_start_how_open_the_door_is() {
    let house = House::new();
    let users = format!("basic_auth_users: {{alice: {}}}\n", hash("a"));
    let verified = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    for (web, said) in [
        (String::new(), "without TLS or passwords"),
        (TLS.to_owned(), "without passwords or verified client certificates"),
        (users.clone(), "passwords come and metrics go without TLS"),
        (format!("{TLS}{users}"), ""),
        (verified, ""),
    ] {
        let mut command = exporter(["run", "-c"]);
        command.arg(house.configure("\"0.0.0.0:0\"", &web));
        let mut running = Running::start(command, 1);
        assert!(running.process.stop().success());
        let log = running.process.stderr();
        let warnings: Vec<_> =
            log.lines().filter(|line| line.contains("0.0.0.0") && line.contains("WARN")).collect();
        assert_eq!(warnings.len(), usize::from(!said.is_empty()), "{log}");
        assert!(warnings.iter().all(|line| line.contains(said)), "{log}");
    }
    let log = house.open("").process.stderr();
    assert!(!log.contains("without TLS"), "this machine alone: {log}");
}

#[test]
fn it_listens_at_several_addresses_and_in_the_file_system() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let listen = format!("[\"127.0.0.1:0\", \":0\", \"unix:{}\"]", socket.display());
    let mut command = exporter(["run", "-c"]);
    command.arg(house.configure(&listen, ""));
    let mut running = Running::start(command, 3);
    assert_eq!(running.urls[2], format!("http://unix:{}:/metrics", socket.display()));
    assert_eq!(running.get("/-/healthy", "").status, 200);
    let port = running.urls[1].strip_suffix("/metrics").unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let everywhere = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(Answer::ask(everywhere, "/-/healthy", "").unwrap().status, 200);
    let metadata = std::fs::metadata(&socket).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    let answer = Answer::ask(UnixStream::connect(&socket).unwrap(), "/metrics", "").unwrap();
    assert!(answer.status == 200 && answer.body.contains("axp_exporter_build_info"), "{answer:?}");
    assert!(running.process.stop().success());
    assert!(!socket.exists(), "removed at the end");
}

#[test]
fn the_door_is_the_same_in_the_file_system() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let web = format!("{TLS}basic_auth_users: {{alice: {}}}", hash("a"));
    let mut command = exporter(["run", "-c"]);
    command.arg(house.configure(&format!("[\"unix:{}\", \"127.0.0.1:0\"]", socket.display()), &web));
    let running = Running::start(command, 2);
    assert_eq!(running.urls[0], format!("https://unix:{}:/metrics", socket.display()));
    for (headers, status) in [(password("alice", "a"), 200), (String::new(), 401)] {
        let seen = house.client().get_over(UnixStream::connect(&socket).unwrap(), &headers).unwrap();
        assert_eq!(seen.answer.status, status);
    }
    assert!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/metrics", &password("alice", "a")).is_err());
}

#[test]
fn a_socket_is_replaced_only_where_nobody_answers() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let config = house.configure(&listen, "");
    let start = || {
        let mut command = exporter(["run", "-c"]);
        command.arg(&config);
        Running::start(command, 1)
    };
    // Left behind by one that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    let running = start();
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    let (code, said) = house.refused("run");
    assert_eq!(code, Some(78));
    assert!(said.contains("scrape.sock") && said.contains("web.listen") && said.contains("in use"), "{said}");
    assert_eq!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/-/healthy", "").unwrap().status, 200);
    drop(running);
    // Whose socket another has put there in the meantime does not take it away.
    let mut running = start();
    std::fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    assert!(running.process.stop().success());
    assert!(socket.exists());
    std::fs::remove_file(&socket).unwrap();

    std::fs::write(&socket, "precious").unwrap();
    let (code, said) = house.refused("run");
    assert_eq!((code, std::fs::read_to_string(&socket).unwrap().as_str()), (Some(78), "precious"), "{said}");
}

/// Runs an exporter as systemd does: with sockets from descriptor 3 on, which the Python in `make`
/// puts into `sockets`.
fn activated(config: &Path, make: &str, pid: &str) -> Command {
    const PASS: &str =
        "for i, s in enumerate(sockets): s.listen(); os.dup2(s.fileno(), 10 + i, inheritable=False)
for i in range(len(sockets)): os.dup2(10 + i, 3 + i, inheritable=True)
for name in [name for name in os.environ if name.startswith('AXP_EXPORTER_')]: del os.environ[name]
os.environ['LISTEN_FDS'] = str(len(sockets))
os.execv(sys.argv[1], sys.argv[1:])";
    let script = format!("import os, socket, sys\n{make}\nos.environ['LISTEN_PID'] = {pid}\n{PASS}");
    let mut command = tool("python3");
    command.args(["-I", "-c", &script]).arg(exporter([""; 0]).get_program()).args(["run", "-c"]).arg(config);
    command
}

#[test]
fn sockets_that_systemd_passes_are_served() {
    let house = House::new();
    let socket = house.path("passed.sock");
    let config = house.configure("[\"systemd\", \"127.0.0.1:0\"]", "");
    let make = format!(
        "sockets = [socket.create_server(('127.0.0.1', 0)), socket.socket(socket.AF_UNIX)]\nsockets[1].bind({:?})",
        socket.to_str().unwrap()
    );
    let mut running = Running::start(activated(&config, &make, "str(os.getpid())"), 3);
    assert_eq!(running.get("/-/healthy", "").status, 200);
    assert_eq!(running.urls[1], format!("http://unix:{}:/metrics", socket.display()));
    assert_eq!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/-/healthy", "").unwrap().status, 200);
    assert!(running.process.stop().success());
    assert!(socket.exists(), "systemd's, not ours");

    for (make, pid, said) in [
        (
            "sockets = [socket.create_server(('127.0.0.1', 0))]",
            "'1'",
            "systemd has passed no socket to this process",
        ),
        ("sockets = []", "str(os.getpid())", "systemd has passed no socket to this process"),
        (
            "sockets = [socket.create_server(('127.0.0.1', 0))] * 17",
            "str(os.getpid())",
            "more than 16 sockets",
        ),
    ] {
        let output = activated(&config, make, pid).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains("listen on systemd") && stderr.contains(said), "{stderr}");
    }
}
