//! Who we are to a server that asks for a certificate.
//!
//! The files are read before each connection that might ask, on a thread that may wait for a disk,
//! so that a renewed certificate is shown without a restart. While they cannot be used, as in the
//! middle of a renewal, the pair before is shown, and the log says so once.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::blocking::Blocking;
use crate::config::{CertificateError, ClientCertificate};
use crate::failure::describe;

/// How long a disk may take with the files.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the client certificate.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) certificate: Blocking<ClientCertificate>,
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
        let last = Mutex::new(Last { pair, stale: false });
        Ok(Self { certificate: Blocking::new(certificate), provider, last })
    }

    /// Reads the pair anew, for the connections that follow.
    pub(super) async fn refresh(&self) {
        let provider = Arc::clone(&self.provider);
        let read = self.certificate.run(move |certificate| certificate.read(&provider));
        let err = match timeout(READ_TIMEOUT, read).await {
            Ok(Ok(Ok(pair))) => {
                let mut last = self.last();
                last.pair = Arc::new(pair);
                if mem::take(&mut last.stale) {
                    info!("the client certificate can be used again");
                }
                return;
            }
            Ok(Ok(Err(err))) => describe(&err),
            Ok(Err(_)) | Err(_) => "failed to read it in time".to_owned(),
        };
        if !mem::replace(&mut self.last().stale, true) {
            warn!(err, "the client certificate cannot be used any more, the one before is shown");
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesClientCert for Identity {
    /// The pair whatever the server hints at: it is the one that we have, and the server judges.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.last().pair))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
