//! Who we are to a server that asks for a certificate.
//!
//! The files are read each time one asks, which is once a connection: two small local reads
//! within the handshake, so that a renewed certificate is shown without a restart. While they
//! cannot be used, as in the middle of a renewal, the pair before is shown, and the log says so
//! once.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use crate::config::{CertificateError, ClientCertificate};

/// Shows the client certificate.
#[derive(Debug)]
pub(super) struct Identity {
    certificate: ClientCertificate,
    provider: Arc<CryptoProvider>,
    last: Mutex<Last>,
}

/// The last pair that could be used.
#[derive(Debug)]
struct Last {
    pair: Arc<CertifiedKey>,
    /// Whether the files have become unusable since.
    stale: bool,
}

impl Identity {
    /// Reads the pair for the first time; then it has to be good.
    pub(super) fn new(
        certificate: ClientCertificate,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, CertificateError> {
        let pair = Arc::new(certificate.read(&provider)?);
        Ok(Self { certificate, provider, last: Mutex::new(Last { pair, stale: false }) })
    }
}

impl ResolvesClientCert for Identity {
    /// The pair whatever the server hints at: it is the one that we have, and the server judges.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let read = self.certificate.read(&self.provider);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(pair) => {
                last.pair = Arc::new(pair);
                if mem::take(&mut last.stale) {
                    info!("the client certificate can be used again");
                }
            }
            Err(err) => {
                if !mem::replace(&mut last.stale, true) {
                    warn!(err = %err, "the client certificate cannot be used any more, the one before is shown");
                }
            }
        }
        Some(Arc::clone(&last.pair))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
