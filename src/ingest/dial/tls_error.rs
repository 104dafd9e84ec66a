//! Why TLS kept a connection from being made: `axp_exporter_tls_errors_total{reason}`.
//!
//! Sooner or later a certificate expires, an authority changes or a proxy opens up TLS, and each
//! has another remedy. What rustls says of it lies under the errors of those who use it, REST's as
//! well as the websocket's.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why TLS failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsError {
    /// The server's certificate was issued by nobody whom we trust: see `axp.ca_file`.
    UnknownIssuer,
    /// The server's certificate has expired, or our clock is ahead.
    Expired,
    /// The server's certificate is not valid yet, or our clock is behind.
    NotYetValid,
    /// The server's certificate is for another name.
    Name,
    /// The server does not take our certificate, or demands one: see `axp.client_cert_file`.
    ClientCertificate,
    /// The two sides do not speak the same TLS, or one does not speak TLS at all.
    Protocol,
    /// Anything else, such as a certificate that is not for servers.
    Other,
}

impl TlsError {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::UnknownIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::Name,
        Self::ClientCertificate,
        Self::Protocol,
        Self::Other,
    ];

    /// The value of the `reason` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Name => "name",
            Self::ClientCertificate => "client_certificate",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }

    /// What may help, to follow the error's own words; else nothing. A certificate that is too old or
    /// too young is seldom the server's fault.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Expired | Self::NotYetValid => "; look at this machine's clock first",
            _ => "",
        }
    }

    /// What TLS has to do with an error; none where it is about something else.
    pub fn of(err: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(err);
        while let Some(err) = cause {
            if let Some(tls) = err.downcast_ref::<rustls::Error>() {
                return Some(Self::of_rustls(tls));
            }
            // An I/O error does not name what it wraps as its source, but the source of that.
            cause = match err.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => err.source(),
            };
        }
        None
    }

    fn of_rustls(err: &rustls::Error) -> Self {
        use rustls::Error as Is;
        match err {
            Is::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Is::NoCertificatesPresented => Self::UnknownIssuer,
            Is::AlertReceived(alert) => Self::of_alert(*alert),
            Is::InappropriateMessage { .. }
            | Is::InappropriateHandshakeMessage { .. }
            | Is::InvalidMessage(_)
            | Is::PeerIncompatible(_)
            | Is::PeerMisbehaved(_)
            | Is::PeerSentOversizedRecord
            | Is::DecryptError
            | Is::NoApplicationProtocol => Self::Protocol,
            _ => Self::Other,
        }
    }

    const fn of_certificate(err: &CertificateError) -> Self {
        match err {
            // A signature that is not the issuer's means that it was somebody else.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::Name,
            _ => Self::Other,
        }
    }

    /// An alert is what the server thinks of us.
    const fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::ClientCertificate,
            _ => Self::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_count_under_their_own_label() {
        for (index, reason) in TlsError::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn tls_is_found_under_whatever_wraps_it() {
        let wrapped = |err| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, err));
        for (err, reason) in [
            (rustls::Error::InvalidCertificate(CertificateError::Expired), TlsError::Expired),
            (
                rustls::Error::AlertReceived(AlertDescription::CertificateRequired),
                TlsError::ClientCertificate,
            ),
            (rustls::Error::AlertReceived(AlertDescription::ProtocolVersion), TlsError::Protocol),
            (rustls::Error::InvalidCertificate(CertificateError::InvalidPurpose), TlsError::Other),
            (rustls::Error::General("no idea".to_owned()), TlsError::Other),
        ] {
            let dialed = super::super::Error::Upgrade(Box::new(wrapped(err.clone()).into()));
            assert_eq!(TlsError::of(&dialed), Some(reason), "{err:?}");
        }
        assert_eq!(TlsError::of(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
        assert_eq!(TlsError::of(&super::super::Error::TimedOut), None);
    }
}
