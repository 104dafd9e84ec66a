//! `client_auth_type`, `client_ca` and `client_allowed_sans`: which clients are let in.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Fault;
use super::file::TlsSection;
use super::tls::{Material, certificates};

/// What is asked of clients: `client_auth_type`, in Go's
/// [words](https://pkg.go.dev/crypto/tls#ClientAuthType).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clients {
    /// `NoClientCert`.
    Unasked,
    /// `RequestClientCert`: any certificate, or none.
    Asked,
    /// `RequireAnyClientCert`: any certificate, made by anybody.
    Any,
    /// `VerifyClientCertIfGiven`: one of a trusted authority, or none.
    VerifiedOrNone,
    /// `RequireAndVerifyClientCert`: one of a trusted authority.
    Verified,
}

impl Clients {
    pub(super) fn of(section: &TlsSection) -> Result<Self, Fault> {
        match section.client_auth_type.as_deref().unwrap_or_default() {
            "" | "NoClientCert" => Ok(Self::Unasked),
            "RequestClientCert" => Ok(Self::Asked),
            // The second is an older name of the first.
            "RequireAnyClientCert" | "RequireClientCert" => Ok(Self::Any),
            "VerifyClientCertIfGiven" => Ok(Self::VerifiedOrNone),
            "RequireAndVerifyClientCert" => Ok(Self::Verified),
            other => {
                let why = format!(
                    "found {other:?}, expected NoClientCert, RequestClientCert, RequireAnyClientCert, \
                     VerifyClientCertIfGiven or RequireAndVerifyClientCert"
                );
                Err(Fault::new("tls_server_config.client_auth_type", why))
            }
        }
    }

    /// What judges them.
    pub(super) fn verifier(
        self,
        section: &TlsSection,
        material: &Material,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
        let algorithms = provider.signature_verification_algorithms;
        if self == Self::Unasked && material.authorities.is_some() {
            let why = "needs a client_auth_type that asks for certificates";
            return Err(Fault::new("tls_server_config.client_ca", why));
        }
        // Read even where nobody is verified, so that a file without a certificate is noticed.
        let roots = material.authorities.as_deref().map(given_roots).transpose()?;
        let verifier: Arc<dyn ClientCertVerifier> = match self {
            Self::Unasked => Arc::new(NoClientAuth),
            Self::Asked => Arc::new(Anybody { algorithms, is_required: false }),
            Self::Any => Arc::new(Anybody { algorithms, is_required: true }),
            Self::VerifiedOrNone | Self::Verified => {
                let roots = roots.map_or_else(system_roots, Ok)?;
                let builder =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                let builder = if self == Self::Verified { builder } else { builder.allow_unauthenticated() };
                let refused =
                    |err| Fault::new("tls_server_config.client_ca", format!("cannot be used: {err}"));
                builder.build().map_err(refused)?
            }
        };
        match &section.client_allowed_sans {
            None => Ok(verifier),
            Some(_) if !matches!(self, Self::Any | Self::Verified) => Err(Fault::new(
                "tls_server_config.client_allowed_sans",
                "needs the client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert",
            )),
            Some(allowed) => Ok(Arc::new(Named { verifier, allowed: allowed.clone() })),
        }
    }
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", pem)? {
        let refused = |err| Fault::new("tls_server_config.client_ca", format!("cannot be used: {err}"));
        roots.add(certificate).map_err(refused)?;
    }
    Ok(roots)
}

/// The authorities that the system trusts, as Go has it where none are named.
fn system_roots() -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "not set, and the system trusts no authority that could take its place";
        return Err(Fault::new("tls_server_config.client_ca_file", why));
    }
    Ok(roots)
}

/// Takes any certificate whose key the client has.
#[derive(Debug)]
struct Anybody {
    algorithms: WebPkiSupportedAlgorithms,
    is_required: bool,
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Asks, of a certificate that another verifier takes, for one of these names.
#[derive(Debug)]
struct Named {
    verifier: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        if names(end_entity).iter().any(|name| self.allowed.contains(name)) {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// The alternative names of a certificate that the toolkit compares: DNS names, e-mail and IP
/// addresses, URIs. None of what cannot be read.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let names = certificate.subject_alternative_name().ok().flatten();
    names.map(|names| names.value.general_names.iter().filter_map(text).collect()).unwrap_or_default()
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let of_four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = of_four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
