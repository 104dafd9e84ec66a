//! What the way out counts.

use std::error::Error;

use prometheus_client::metrics::counter::Counter;

use super::add;
use crate::ingest::dial::TlsError;

/// Connections that TLS kept from being made.
#[derive(Debug, Clone)]
pub struct TlsErrors(pub(super) Vec<Counter>);

impl TlsErrors {
    /// A connection could not be made, or no answer came over it: counted if TLS is why.
    pub fn note(&self, err: &(dyn Error + 'static)) {
        if let Some(reason) = TlsError::of(err) {
            add(&self.0, reason as usize, 1);
        }
    }
}
