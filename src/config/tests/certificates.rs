//! The client certificate and its key: both or none, each usable, and of one pair.

use super::*;

const CHAIN: &str = "expected a file with PEM certificates, ours first";
const KEY: &str =
    "expected a file with a PEM private key, not encrypted, that its owner alone may open (mode 0600)";

/// A folder with one good pair, the key of another, and files that do not serve.
fn folder() -> Folder {
    let folder = Folder::new();
    let generate = || rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let (ours, other) = (generate(), generate());
    folder.write("cert.pem", ours.cert.pem(), 0o644);
    folder.write("key.pem", ours.signing_key.serialize_pem(), 0o600);
    folder.write("open.pem", ours.signing_key.serialize_pem(), 0o640);
    folder.write("other.pem", other.signing_key.serialize_pem(), 0o600);
    folder.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA", 0o600);
    folder.write("text.pem", "canary", 0o600);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    folder.write("encrypted.pem", encrypted, 0o600);
    folder
}

fn with_pair(chain: &str, key: &str) -> String {
    format!("{ACCOUNT}client_cert_file = \"{chain}\"\nclient_key_file = \"{key}\"")
}

#[test]
fn a_client_certificate_and_its_key_load_together() {
    let folder = folder();
    let loaded = folder.load(&with_pair("cert.pem", "key.pem"), &[]).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    assert_eq!(loaded.client_certificate.unwrap().read(&provider).unwrap().cert.len(), 1);
    assert!(folder.load(ACCOUNT, &[]).unwrap().client_certificate.is_none());
}

#[test]
fn a_client_key_is_found_in_the_credentials_directory_which_protects_it() {
    let (folder, credentials) = (folder(), Folder::new());
    let key = std::fs::read(folder.path("key.pem")).unwrap();
    credentials.write("credential.pem", key, 0o444);
    let env = [("CREDENTIALS_DIRECTORY", credentials.0.path().to_str().unwrap())];
    assert!(folder.load(&with_pair("cert.pem", "credential.pem"), &env).is_ok());
}

#[test]
fn a_client_certificate_or_key_alone_is_refused() {
    let folder = folder();
    for (chain, key, expected) in [
        ("cert.pem", "", "client_key_file: found nothing, expected the key of client_cert_file"),
        ("", "key.pem", "client_cert_file: found nothing, expected the certificate of client_key_file"),
    ] {
        assert_eq!(folder.problems(&with_pair(chain, key), &[]), format!("config.toml: axp.{expected}"));
    }
}

#[test]
fn client_certificates_and_keys_that_do_not_serve_are_refused() {
    let folder = folder();
    let chains = [
        ("none.pem", "no such file"),
        (".", "not a regular file"),
        ("cut.pem", "not PEM"),
        ("text.pem", "without a certificate"),
        ("key.pem", "without a certificate"),
    ];
    for (chain, found) in chains {
        let expected = format!("config.toml: axp.client_cert_file: found \"{chain}\", {found}, {CHAIN}");
        assert_eq!(folder.problems(&with_pair(chain, "key.pem"), &[]), expected);
    }
    let keys = [
        ("none.pem", "no such file"),
        ("open.pem", "open to others, mode 0640"),
        ("cut.pem", "without a usable private key"),
        ("text.pem", "without a usable private key"),
        ("encrypted.pem", "without a usable private key"),
    ];
    for (key, found) in keys {
        let expected = format!("config.toml: axp.client_key_file: found \"{key}\", {found}, {KEY}");
        assert_eq!(folder.problems(&with_pair("cert.pem", key), &[]), expected);
    }
    let both = folder.problems(&with_pair("none.pem", "open.pem"), &[]);
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    assert_eq!(
        folder().problems(&with_pair("cert.pem", "other.pem"), &[]),
        "config.toml: axp.client_key_file: found \"other.pem\", \
         expected the key of the first certificate in client_cert_file"
    );
}
