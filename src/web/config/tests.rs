//! Files that the toolkit takes or refuses, and where this program says otherwise.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::{NamedGroup, SupportedCipherSuite};
use tempfile::TempDir;

use super::*;

/// A certificate and its key, both in files.
const PAIR: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
/// A hash of the least cost.
const HASH: &str = "$2y$04$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// A folder with a certificate, its key, and files that are neither.
struct Folder {
    place: TempDir,
    certificate: String,
    key: String,
}

impl Folder {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        let place = TempDir::new().unwrap();
        for (name, text) in [
            ("server.crt", &certificate),
            ("server.key", &key),
            ("other.key", &KeyPair::generate().unwrap().serialize_pem()),
            ("empty.pem", &"nothing of the kind\n".to_owned()),
        ] {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        Self { place, certificate, key }
    }

    /// What a file with this text comes to; an error without the file's name.
    fn judge(&self, text: &str) -> Result<WebConfig, String> {
        let path = self.place.path().join("web.yml");
        std::fs::write(&path, text).unwrap();
        let judged = Draft::read(&path).and_then(Draft::build);
        judged.map_err(|err| {
            assert!(err.to_string().starts_with(&format!("{}: ", path.display())), "{err}");
            assert!(!err.to_string().contains('\n'), "one line: {err}");
            err.within()
        })
    }

    #[track_caller]
    fn good(&self, text: &str) -> WebConfig {
        self.judge(text).unwrap_or_else(|err| panic!("{err}\n{text}"))
    }

    #[track_caller]
    fn tls(&self, more: &str) -> Arc<ServerConfig> {
        self.good(&format!("{PAIR}{more}")).tls.unwrap()
    }
}

fn indented(pem: &str) -> String {
    format!("    {}\n", pem.trim_end().replace('\n', "\n    "))
}

#[test]
fn a_file_that_says_nothing_asks_for_nothing() {
    let folder = Folder::new();
    for text in
        ["", "# nothing\n", "---\n", "{}", "tls_server_config:\nbasic_auth_users:\n", "tls_server_config: {}"]
    {
        let config = folder.good(text);
        assert!(config.tls.is_none() && config.users.is_empty() && config.rate.is_none(), "{text}");
        assert!(config.headers.is_empty() && !config.are_clients_verified, "{text}");
    }
}

#[test]
fn certificate_and_key_come_from_files_or_stand_in_the_file() {
    let folder = Folder::new();
    folder.tls("");
    let (certificate, key) = (indented(&folder.certificate), indented(&folder.key));
    folder.good(&format!("tls_server_config:\n  cert: |\n{certificate}  key: |\n{key}"));
    folder.good(&format!("tls_server_config:\n  cert_file: server.crt\n  key: |\n{key}"));
    let absolute = folder.place.path().join("server.crt");
    folder.good(&format!("tls_server_config: {{cert_file: {absolute:?}, key_file: server.key}}"));
}

#[test]
fn versions_suites_and_curves_are_those_that_are_named() {
    let folder = Folder::new();
    let suites_of_tls12 = |config: &ServerConfig| {
        let mut suites: Vec<_> =
            config.crypto_provider().cipher_suites.iter().map(SupportedCipherSuite::suite).collect();
        suites.retain(|suite| !format!("{suite:?}").starts_with("TLS13"));
        suites
    };
    let config = folder.tls(
        "  min_version: TLS12\n  max_version: TLS12\n  prefer_server_cipher_suites: false\n  cipher_suites:\n  \
         - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\n  - TLS_AES_128_GCM_SHA256\n  \
         - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\n  curve_preferences: [CurveP384, X25519]\n",
    );
    let expected = ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];
    assert_eq!(
        suites_of_tls12(&config).iter().map(|suite| format!("{suite:?}")).collect::<Vec<_>>(),
        expected
    );
    let groups: Vec<_> = config.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups, [NamedGroup::secp384r1, NamedGroup::X25519]);
    assert!(!config.ignore_client_order);

    let config = folder.tls("  min_version: TLS13\n  cipher_suites: []\n");
    assert_eq!(suites_of_tls12(&config).len(), 6, "all there are");
    assert!(config.ignore_client_order, "the toolkit's default");
    assert_eq!(config.alpn_protocols, [b"http/1.1"]);
}

#[test]
fn each_client_authentication_is_taken_and_its_authority_is_needed_by_the_right_ones() {
    let folder = Folder::new();
    for (kind, is_verified) in [
        ("NoClientCert", false),
        ("RequestClientCert", false),
        ("RequireClientCert", false),
        ("RequireAnyClientCert", false),
        ("VerifyClientCertIfGiven", false),
        ("RequireAndVerifyClientCert", true),
    ] {
        let authority = if kind == "NoClientCert" { "" } else { "  client_ca_file: server.crt\n" };
        let config = folder.good(&format!("{PAIR}  client_auth_type: {kind}\n{authority}"));
        assert_eq!(config.are_clients_verified, is_verified, "{kind}");
    }
    let inline = indented(&folder.certificate);
    folder.tls(&format!("  client_auth_type: RequireAndVerifyClientCert\n  client_ca: |\n{inline}"));
    for kind in ["RequireAnyClientCert", "RequireAndVerifyClientCert"] {
        folder.tls(&format!(
            "  client_auth_type: {kind}\n  client_ca_file: server.crt\n  client_allowed_sans: [a.example, 192.0.2.1]\n"
        ));
    }
}

#[test]
fn headers_users_and_rate_are_taken() {
    let folder = Folder::new();
    let config = folder.good(
        "http_server_config:\n  http2: true\n  headers:\n    Strict-Transport-Security: max-age=31536000; includeSubDomains\n    \
         X-Content-Type-Options: nosniff\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n    Content-Security-Policy:\n",
    );
    assert_eq!(config.headers.len(), 4, "one has no value: {:?}", config.headers);
    assert_eq!(config.headers["x-xss-protection"], "1");
    let config = folder.good(&format!("basic_auth_users:\n  alice: {HASH}\n  bob: \"{HASH}\"\n"));
    assert!(config.users.hash(b"alice").is_some() && config.users.hash(b"carol").is_none());
    assert!(!format!("{config:?}").contains("QOau"), "{config:?}");
    assert_eq!(folder.good("rate_limit:\n  interval: 0\n  burst: 0\n").rate, None);
    assert_eq!(folder.good("rate_limit: {burst: 5}").rate, None);
    let rate = Some(Rate { interval: Duration::from_secs(3600), burst: 1 });
    assert_eq!(folder.good("rate_limit:\n  interval: 1h\n  burst: 1\n").rate, rate);
    folder.good("http_server_config: {http2: no}");
}

/// What is refused, and how that begins.
#[track_caller]
fn assert_refused(cases: &[(&str, &str)]) {
    let folder = Folder::new();
    for (text, expected) in cases {
        let text = text.replace("PAIR\n", PAIR);
        let err = folder.judge(&text).expect_err(&text);
        assert!(err.starts_with(expected), "{err}\nexpected {expected}\nof {text}");
    }
}

#[test]
fn a_file_that_is_no_such_configuration_is_refused_with_the_place() {
    assert_refused(&[
        (
            "tls_server_config:\n  cert_filse: \"server.crt\"\n",
            "line 2, column 3: there is no key \"cert_filse\" here",
        ),
        ("hello", "line 1, column 1: "),
        ("[]", "line 1, column 1: "),
        ("tls_server_config: [a", "line 1, column "),
        ("basic_auth_users: alice:secret", "line 1, column "),
        ("http_server_config: {http2: maybe}", "line 1, column "),
        (
            "tls_server_config: {cert_file: a}\ntls_server_config: {cert_file: b}\n",
            "line 2, column 1: \"tls_server_config\" is there twice",
        ),
        ("a: &a [*a, *a]\n", "line 1, column "),
        ("--- {}\n--- {}\n", "line 2, column 5: a second document begins here"),
    ]);
    let folder = Folder::new();
    let err = folder.judge("basic_auth_users: alice-secret").unwrap_err();
    assert!(!err.contains("secret"), "{err}");
    let missing = folder.place.path().join("no.yml");
    assert_eq!(Draft::read(&missing).unwrap_err().within(), "the file: no such file");
}

#[test]
fn certificates_and_keys_that_do_not_serve_are_refused() {
    let none = "tls_server_config: neither cert nor cert_file is set";
    assert_refused(&[
        ("tls_server_config: {cert_file: \"\", key_file: server.key}", none),
        ("tls_server_config: {cert: \"\", key_file: server.key}", none),
        ("tls_server_config: {cert_file: \"\", key_file: \"\"}", none),
        ("tls_server_config: {min_version: TLS13}", none),
        (
            "tls_server_config: {cert_file: server.crt, key_file: \"\"}",
            "tls_server_config: neither key nor key_file is set",
        ),
        (
            "tls_server_config: {cert_file: server.crt, key: \"\"}",
            "tls_server_config: neither key nor key_file is set",
        ),
        (
            "tls_server_config: {cert_file: no.crt, key_file: server.key}",
            "tls_server_config.cert_file: \"no.crt\", no such file",
        ),
        (
            "tls_server_config: {cert_file: server.crt, key_file: no.key}",
            "tls_server_config.key_file: \"no.key\", no such file",
        ),
        ("PAIR\n  cert: x\n", "tls_server_config.cert_file: cert beside it"),
        ("PAIR\n  key: x\n", "tls_server_config.key_file: key beside it"),
        (
            "tls_server_config: {cert_file: empty.pem, key_file: server.key}",
            "tls_server_config.cert: holds no certificate in PEM",
        ),
        (
            "tls_server_config: {cert_file: server.crt, key_file: empty.pem}",
            "tls_server_config.key: holds no private key in PEM",
        ),
        (
            "tls_server_config: {cert_file: server.crt, key_file: other.key}",
            "tls_server_config.cert: cannot be used with the key",
        ),
        (
            "tls_server_config: {cert_file: ., key_file: server.key}",
            "tls_server_config.cert_file: \".\", not a regular file",
        ),
    ]);
}

#[test]
fn what_cannot_be_asked_of_clients_is_refused() {
    assert_refused(&[
        (
            "PAIR\n  client_auth_type: x\n",
            "tls_server_config.client_auth_type: found \"x\", expected NoClientCert",
        ),
        ("PAIR\n  client_ca_file: server.crt\n", "tls_server_config.client_ca: needs a client_auth_type"),
        (
            "PAIR\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: no.pem\n",
            "tls_server_config.client_ca_file: \"no.pem\", no such file",
        ),
        (
            "PAIR\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: empty.pem\n",
            "tls_server_config.client_ca: holds no certificate in PEM",
        ),
        (
            "PAIR\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca: junk\n",
            "tls_server_config.client_ca: holds no certificate in PEM",
        ),
        (
            "PAIR\n  client_allowed_sans: [a]\n",
            "tls_server_config.client_allowed_sans: needs the client_auth_type",
        ),
        (
            "PAIR\n  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n",
            "tls_server_config.client_allowed_sans: needs the client_auth_type",
        ),
        (
            "PAIR\n  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.crt\n  client_allowed_sans: [a]\n",
            "tls_server_config.client_allowed_sans: needs",
        ),
    ]);
}

#[test]
fn what_tls_cannot_do_here_is_refused_and_named() {
    assert_refused(&[
        (
            "PAIR\n  min_version: TLS111\n",
            "tls_server_config.min_version: found \"TLS111\", expected TLS12 or TLS13",
        ),
        ("PAIR\n  min_version: TLS10\n", "tls_server_config.min_version: TLS10 is not spoken here"),
        ("PAIR\n  max_version: TLS11\n", "tls_server_config.max_version: TLS11 is not spoken here"),
        (
            "PAIR\n  min_version: TLS13\n  max_version: TLS12\n",
            "tls_server_config.max_version: older than min_version",
        ),
        (
            "PAIR\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_2048]\n",
            "tls_server_config.cipher_suites[0]: \"TLS_ECDHE_RSA_WITH_AES_2048\" is no cipher suite",
        ),
        (
            "PAIR\n  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n",
            "tls_server_config.cipher_suites[1]: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not available",
        ),
        (
            "PAIR\n  cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]\n",
            "tls_server_config.cipher_suites[0]: TLS_RSA_WITH_AES_128_GCM_SHA256 is not available",
        ),
        (
            "PAIR\n  curve_preferences: [CurveP257]\n",
            "tls_server_config.curve_preferences[0]: \"CurveP257\" is no curve",
        ),
        (
            "PAIR\n  curve_preferences: [CurveP256, CurveP521]\n",
            "tls_server_config.curve_preferences[1]: the TLS library has no CurveP521",
        ),
    ]);
}

#[test]
fn headers_users_and_rates_that_do_not_serve_are_refused() {
    let header = |name: &str, value: &str| format!("http_server_config: {{headers: {{{name}: {value}}}}}");
    assert_refused(&[
        (
            &header("X-Content-Type-Options", "sniff"),
            "http_server_config.headers.X-Content-Type-Options: found \"sniff\", expected nosniff",
        ),
        (
            &header("X-Frame-Options", "allow"),
            "http_server_config.headers.X-Frame-Options: found \"allow\", expected deny or sameorigin",
        ),
        (&header("Expect-CT", "a"), "http_server_config.headers.Expect-CT: this header cannot be set"),
        (
            &header("x-frame-options", "deny"),
            "http_server_config.headers.x-frame-options: this header cannot be set",
        ),
        (
            &header("Content-Security-Policy", "\"a\\r\\nSet-Cookie: b\""),
            "http_server_config.headers.Content-Security-Policy: a control character",
        ),
        ("basic_auth_users:\n  john: doe\n", "basic_auth_users.john: not a bcrypt hash"),
        ("basic_auth_users:\n  john:\n", "basic_auth_users.john: not a bcrypt hash"),
        (
            &format!("basic_auth_users: {{john: {}}}", HASH.replace("$04", "$31")),
            "basic_auth_users.john: a bcrypt cost of 31, expected 4 to 18",
        ),
        (
            &format!("basic_auth_users: {{john: {}}}", HASH.replace("$04", "$03")),
            "basic_auth_users.john: a bcrypt cost of 3, ",
        ),
        (
            "rate_limit: {interval: fast, burst: 1}",
            "rate_limit.interval: found \"fast\", expected a duration",
        ),
        ("rate_limit: {interval: 1s}", "rate_limit.burst: expected a number from 1 up"),
        ("rate_limit: {interval: 1s, burst: -1}", "rate_limit.burst: expected a number from 1 up"),
        ("rate_limit: {interval: 1s, burst: x}", "line 1, column "),
    ]);
}

#[test]
fn a_draft_is_told_from_another_by_all_files_that_it_is_made_of() {
    let folder = Folder::new();
    let digest = |text: &str| {
        let path = folder.place.path().join("web.yml");
        std::fs::write(&path, text).unwrap();
        Draft::read(&path).unwrap().digest()
    };
    let first = digest(PAIR);
    assert_eq!(digest(PAIR), first);
    assert_ne!(digest(&format!("{PAIR}# more\n")), first);
    std::fs::copy(folder.place.path().join("other.key"), folder.place.path().join("server.key")).unwrap();
    assert_ne!(digest(PAIR), first);
}
