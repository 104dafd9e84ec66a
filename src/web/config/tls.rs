//! `tls_server_config`: our certificate, and what is asked of clients.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;

use super::clients::Clients;
use super::file::TlsSection;
use super::{Fault, negotiation, read_file};

/// What is offered by ALPN ([RFC 7301](https://www.rfc-editor.org/rfc/rfc7301)).
const PROTOCOL: &[u8] = b"http/1.1";

/// Certificates and key in PEM, from the section or the files that it names.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    pub(super) authorities: Option<Vec<u8>>,
}

impl Material {
    /// Reads what the section names; relative paths start at `folder`.
    pub(super) fn gather(section: &TlsSection, folder: &Path) -> Result<Self, Fault> {
        let inline_key = section.key.clone().unwrap_or_default().into_secret();
        let inline_key = (!inline_key.expose_secret().is_empty()).then(|| inline_key.expose_secret());
        let missing =
            |key: &str| Fault::new("tls_server_config", format!("neither {key} nor {key}_file is set"));
        let chain = text("cert", section.cert.as_deref(), section.cert_file.as_deref(), folder)?;
        let chain = chain.ok_or_else(|| missing("cert"))?;
        let key = text("key", inline_key, section.key_file.as_deref(), folder)?;
        let key = key.ok_or_else(|| missing("key"))?.into();
        let authorities =
            text("client_ca", section.client_ca.as_deref(), section.client_ca_file.as_deref(), folder)?;
        Ok(Self { chain, key, authorities })
    }

    /// All that was read.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        [&*self.chain, &**self.key, self.authorities.as_deref().unwrap_or_default()].into_iter()
    }
}

/// The text of `key` or of the file that `key_file` names; none where neither is set.
fn text(
    key: &str,
    inline: Option<&str>,
    file: Option<&str>,
    folder: &Path,
) -> Result<Option<Vec<u8>>, Fault> {
    let set = |text: &&str| !text.is_empty();
    let file_key = format!("tls_server_config.{key}_file");
    match (inline.filter(set), file.filter(set)) {
        (Some(_), Some(_)) => Err(Fault::new(file_key, format!("{key} beside it; one of the two is enough"))),
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(path)) => {
            let bytes = read_file(&folder.join(path));
            bytes.map(Some).map_err(|why| Fault::new(file_key, format!("{path:?}, {why}")))
        }
        (None, None) => Ok(None),
    }
}

/// The certificates of a PEM text, at least one.
pub(super) fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let refused = |why: &str| Fault::new(format!("tls_server_config.{key}"), why);
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| refused("not PEM"))?;
    if chain.is_empty() { Err(refused("holds no certificate in PEM")) } else { Ok(chain) }
}

/// What TLS is to be, and whether it lets only clients in whose certificates were verified.
pub(super) fn server_config(
    section: &TlsSection,
    material: &Material,
) -> Result<(Arc<ServerConfig>, bool), Fault> {
    let refused = |key: &str, why: String| Fault::new(format!("tls_server_config.{key}"), why);
    let provider = Arc::new(negotiation::provider(section)?);
    let versions = negotiation::versions(section)?;
    let clients = Clients::of(section)?;
    let verifier = clients.verifier(section, material, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = builder
        .map_err(|_| refused("cipher_suites", "none of them fits the versions".to_owned()))?
        .with_client_cert_verifier(verifier);
    let chain = certificates("cert", &material.chain)?;
    // The parser's words could hold a part of the key.
    let key = PrivateKeyDer::from_pem_slice(&material.key);
    let key = key.map_err(|_| refused("key", "holds no private key in PEM".to_owned()))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|err| refused("cert", format!("cannot be used with the key: {err}")))?;
    config.ignore_client_order = section.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    if clients != Clients::Unasked {
        // A resumed session would keep a certificate that has expired since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok((Arc::new(config), clients == Clients::Verified))
}
