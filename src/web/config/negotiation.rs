//! Versions, cipher suites and curves, by the names that Go gives them.

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, NamedGroup, SupportedProtocolVersion, version};

use super::Fault;
use super::file::TlsSection;

/// The versions, from the oldest.
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] =
    [("TLS12", &version::TLS12), ("TLS13", &version::TLS13)];
/// Versions of the toolkit that nobody should speak any more
/// ([RFC 8996](https://www.rfc-editor.org/rfc/rfc8996)), and the TLS library cannot.
const OLD_VERSIONS: [&str; 2] = ["TLS10", "TLS11"];

/// The suites of TLS 1.2 that there are; those of 1.3 cannot be chosen, as in Go.
const SUITES: [(&str, CipherSuite); 6] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];
const SUITES_OF_TLS13: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// Suites of Go that the TLS library leaves out: CBC, or no forward secrecy.
const WEAK_SUITES: [&str; 8] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

const CURVES: [(&str, NamedGroup); 3] = [
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("X25519", NamedGroup::X25519),
];

/// The versions from `min_version` to `max_version`.
pub(super) fn versions(section: &TlsSection) -> Result<Vec<&'static SupportedProtocolVersion>, Fault> {
    let place = |key: &str, text: &Option<String>, default: usize| {
        let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { return Ok(default) };
        let refused = |why: String| Fault::new(format!("tls_server_config.{key}"), why);
        if OLD_VERSIONS.contains(&text) {
            return Err(refused(format!("{text} is not spoken here; the oldest version is TLS12")));
        }
        let found = VERSIONS.iter().position(|(name, _)| *name == text);
        found.ok_or_else(|| refused(format!("found {text:?}, expected TLS12 or TLS13")))
    };
    let oldest = place("min_version", &section.min_version, 0)?;
    let newest = place("max_version", &section.max_version, VERSIONS.len() - 1)?;
    let versions = VERSIONS.get(oldest..=newest).unwrap_or_default();
    if versions.is_empty() {
        return Err(Fault::new("tls_server_config.max_version", "older than min_version"));
    }
    Ok(versions.iter().map(|(_, version)| *version).collect())
}

/// The cryptography, limited to `cipher_suites` and `curve_preferences`, in their order.
pub(super) fn provider(section: &TlsSection) -> Result<CryptoProvider, Fault> {
    let mut provider = ring::default_provider();
    if let Some(names) = section.cipher_suites.as_ref().filter(|names| !names.is_empty()) {
        let chosen = names.iter().enumerate().map(|(index, name)| suite(index, name));
        let chosen: Vec<CipherSuite> = chosen.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let all = provider.cipher_suites.clone();
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        let of = |id: CipherSuite| all.iter().find(move |suite| suite.suite() == id).copied();
        provider.cipher_suites.extend(chosen.into_iter().filter_map(of));
    }
    if let Some(names) = section.curve_preferences.as_ref().filter(|names| !names.is_empty()) {
        let chosen = names.iter().enumerate().map(|(index, name)| curve(index, name));
        let chosen: Vec<NamedGroup> = chosen.collect::<Result<_, _>>()?;
        let all = std::mem::take(&mut provider.kx_groups);
        let of = |id: NamedGroup| all.iter().find(move |group| group.name() == id).copied();
        provider.kx_groups = chosen.into_iter().filter_map(of).collect();
    }
    Ok(provider)
}

/// The suite of TLS 1.2 with this name; none where it is one of 1.3, which are always there.
fn suite(index: usize, name: &str) -> Result<Option<CipherSuite>, Fault> {
    if let Some((_, suite)) = SUITES.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*suite));
    }
    if SUITES_OF_TLS13.contains(&name) {
        return Ok(None);
    }
    let why = if WEAK_SUITES.contains(&name) {
        format!("{name} is not available: suites with CBC or without forward secrecy are not spoken here")
    } else {
        format!("{name:?} is no cipher suite")
    };
    Err(Fault::new(format!("tls_server_config.cipher_suites[{index}]"), why))
}

fn curve(index: usize, name: &str) -> Result<NamedGroup, Fault> {
    let known = CURVES.iter().find(|(known, _)| *known == name);
    known.map(|(_, group)| *group).ok_or_else(|| {
        let names = CURVES.map(|(name, _)| name).join(", ");
        let why = match name {
            "CurveP521" | "X25519MLKEM768" => format!("the TLS library has no {name}, only {names}"),
            _ => format!("{name:?} is no curve; there are {names}"),
        };
        Fault::new(format!("tls_server_config.curve_preferences[{index}]"), why)
    })
}
