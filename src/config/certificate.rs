//! Certificates in PEM files: authorities to trust, and our own for servers that ask for one.
//!
//! The latter is a [`ClientCertificate`]: a chain and its key, read anew at each use like any
//! secret, so that a renewed pair needs no restart.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use secrecy::ExposeSecret;

use super::check::{self, Scene};
use super::key::Key;
use super::problem::shown;
use super::report::Report;
use super::secret::{Error as SecretError, Places, SecretSource, SecretText};

/// A bundle of certificate authorities is far smaller; what is larger is something else.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The certificate that we show, and where its key is.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// `axp.client_cert_file`, found: ours first, then those that lead to the authority.
    chain: PathBuf,
    /// `axp.client_key_file`.
    key: SecretSource,
}

/// Why the client certificate cannot be used.
#[derive(Debug)]
pub enum Error {
    /// Its file does not serve; what is wrong with it.
    Chain(PathBuf, &'static str),
    /// The key's file does not serve.
    KeyFile(SecretError),
    /// There is no key in it that can be used. The parser's words could hold a part of it.
    Key,
    /// They are not of the same pair.
    Pair(rustls::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(path, found) => write!(formatter, "use {}: {found}", path.display()),
            Self::KeyFile(err) => write!(formatter, "{err}"),
            Self::Key => formatter.write_str("find a private key in axp.client_key_file"),
            Self::Pair(_) => formatter.write_str("use axp.client_cert_file with axp.client_key_file"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::KeyFile(err) => err.source(),
            Self::Pair(err) => Some(err),
            Self::Chain(..) | Self::Key => None,
        }
    }
}

impl ClientCertificate {
    /// What the two keys name; `None` unless both are set.
    pub(super) fn new(chain: Option<PathBuf>, key: &Path, places: &Places) -> Option<Self> {
        let key = SecretSource::new(&SecretText::default(), key, places);
        chain.filter(|_| key.is_set()).map(|chain| Self { chain, key })
    }

    /// The pair as it is now.
    ///
    /// # Errors
    /// If a file does not serve, or the two do not belong together.
    pub fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain = read_chain(&self.chain).map_err(|found| Error::Chain(self.chain.clone(), found))?;
        pair(chain, read_key(&self.key, provider)?)
    }
}

/// A pair of keys, both or none: each file is checked, then whether they belong together.
pub(super) fn check_client(
    section: &Key,
    (chain, key): (&Path, &Path),
    scene: &Scene<'_>,
    report: &mut Report,
) {
    let (chain_key, key_key) = (section.at("client_cert_file"), section.at("client_key_file"));
    let source = SecretSource::new(&SecretText::default(), key, scene.places);
    let provider = rustls::crypto::ring::default_provider();
    let read_chain = scene.file(chain).map(|file| read_chain(&file));
    let read_key = source.is_set().then(|| read_key(&source, &provider));
    match &read_chain {
        Some(Err(found)) => {
            let found = format!("{}, {found}", shown(&chain.to_string_lossy()));
            report.value(&chain_key, found, "a file with PEM certificates, ours first");
        }
        None if read_key.is_some() => {
            report.value(&chain_key, "nothing", "the certificate of client_key_file");
        }
        _ => {}
    }
    let found = match (&read_chain, &read_key) {
        (Some(_), None) => {
            return report.value(&key_key, "nothing", "the key of client_cert_file");
        }
        (_, Some(Err(Error::KeyFile(SecretError::File { cause, .. })))) => cause.to_string(),
        (_, Some(Err(_))) => "without a usable private key".to_owned(),
        _ => String::new(),
    };
    let name = shown(&key.to_string_lossy());
    if !found.is_empty() {
        let expected =
            "a file with a PEM private key, not encrypted, that its owner alone may open (mode 0600)";
        report.value(&key_key, format!("{name}, {found}"), expected);
    }
    if let (Some(Ok(chain)), Some(Ok(key))) = (read_chain, read_key)
        && pair(chain, key).is_err()
    {
        report.value(&key_key, name, "the key of the first certificate in client_cert_file");
    }
}

/// Looks for one certificate block; the TLS library judges what is in it.
pub(super) fn has_certificate(file: &Path) -> Result<(), &'static str> {
    let bytes = read_file(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let block = text.split_once("-----BEGIN CERTIFICATE-----").map(|(_, after)| after);
    if block.is_some_and(|after| after.contains("-----END CERTIFICATE-----")) {
        Ok(())
    } else {
        Err("without a certificate")
    }
}

/// The certificates of a file, at least one; or what is wrong with it.
pub(crate) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let bytes = read_file(file)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|_| "not PEM")?;
    if chain.is_empty() { Err("without a certificate") } else { Ok(chain) }
}

fn read_key(source: &SecretSource, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, Error> {
    let text = source.read().map_err(Error::KeyFile)?;
    let key = PrivateKeyDer::from_pem_slice(text.expose_secret().as_bytes()).map_err(|_| Error::Key)?;
    provider.key_provider.load_private_key(key).map_err(|_| Error::Key)
}

fn pair(chain: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Result<CertifiedKey, Error> {
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(Error::Pair)?;
    Ok(pair)
}

/// The bytes of a regular file of at most 4 MiB, or what keeps them from being read.
pub(crate) fn read_file(file: &Path) -> Result<Vec<u8>, &'static str> {
    // Asked before opening: opening a pipe would wait for its other end.
    let found = fs::metadata(file).map_err(|err| check::io_words(&err))?;
    if !found.is_file() {
        return Err("not a regular file");
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    if read.map_err(|err| check::io_words(&err))? as u64 > FILE_BYTES_MAX {
        return Err("longer than 4 MiB");
    }
    Ok(bytes)
}
