//! Where a subscription may send us.
//!
//! AXP's answer names the websocket to which the access token goes, so a false answer
//! would hand the token to a stranger. It is checked before anything is sent there:
//! `wss` only (`ws` on loopback), the port 443 or that of `api_url`, no user information,
//! no fragment, and a host that is `api_url`'s own or one of `endpoint_hosts`.

use std::net::IpAddr;

use url::{Host, Url};

/// Why an endpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It is no URL.
    NotAUrl,
    /// It is not `wss`, nor `ws` on loopback.
    Scheme,
    /// Its host is neither `api_url`'s nor in `endpoint_hosts`.
    Host,
    /// Its port is neither 443 nor `api_url`'s.
    Port,
    /// It carries user information or a fragment.
    Extras,
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotAUrl => "the endpoint is no URL",
            Self::Scheme => "the endpoint is neither wss nor ws on loopback",
            Self::Host => "the endpoint's host is neither that of axp.api_url nor in axp.endpoint_hosts",
            Self::Port => "the endpoint's port is neither 443 nor that of axp.api_url",
            Self::Extras => "the endpoint carries user information or a fragment",
        })
    }
}

impl std::error::Error for Error {}

/// The hosts to which a token may go.
#[derive(Debug, Clone)]
pub struct Allowed {
    api: Url,
    hosts: Vec<String>,
}

impl Allowed {
    /// The host of `api_url`, and `hosts`: exact names, or `*.` and a domain.
    pub fn new(api_url: &Url, hosts: &[String]) -> Self {
        Self { api: api_url.clone(), hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// The endpoint as a URL, if the token may go there.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, endpoint: &str) -> Result<Url, Error> {
        let url = Url::parse(endpoint).map_err(|_| Error::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Error::Extras);
        }
        if !self.is_host(&url) {
            return Err(Error::Host);
        }
        match url.scheme() {
            "wss" => {}
            "ws" if is_loopback(&url) => {}
            _ => return Err(Error::Scheme),
        }
        let port = url.port_or_known_default();
        if port != Some(443) && port != self.api.port_or_known_default() {
            return Err(Error::Port);
        }
        Ok(url)
    }

    fn is_host(&self, url: &Url) -> bool {
        if url.host() == self.api.host() {
            return url.host().is_some();
        }
        // An address is never under a domain.
        let Some(Host::Domain(host)) = url.host() else {
            return false;
        };
        self.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(domain) => {
                host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
            }
            None => host == allowed,
        })
    }
}

/// True if the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(api_url: &str) -> Allowed {
        Allowed::new(
            &Url::parse(api_url).unwrap(),
            &["*.avayacloud.com".to_owned(), "exact.example".to_owned()],
        )
    }

    #[test]
    fn a_token_goes_to_axp_only() {
        let axp = allowed("https://na.api.avayacloud.com");
        for endpoint in [
            "wss://na.cc.avayacloud.com/ws/notification/v1/analytics/realtime/ABCDEF/1",
            "wss://NA.CC.AVAYACLOUD.COM/ws",
            "wss://na.api.avayacloud.com:443/ws",
            "wss://exact.example/ws",
        ] {
            assert!(axp.check(endpoint).is_ok(), "{endpoint}");
        }
        for (endpoint, error) in [
            ("", Error::NotAUrl),
            ("na.cc.avayacloud.com", Error::NotAUrl),
            ("ws://na.cc.avayacloud.com/ws", Error::Scheme),
            ("https://na.cc.avayacloud.com/ws", Error::Scheme),
            ("wss://evil.example/ws", Error::Host),
            ("wss://avayacloud.com/ws", Error::Host),
            ("wss://evilavayacloud.com/ws", Error::Host),
            ("wss://na.cc.avayacloud.com.evil.example/ws", Error::Host),
            ("wss://sub.exact.example/ws", Error::Host),
            ("wss://169.254.169.254/ws", Error::Host),
            ("ws://127.0.0.1/ws", Error::Host),
            ("wss://[::1]/ws", Error::Host),
            ("wss://na.cc.avayacloud.com:8443/ws", Error::Port),
            ("wss://user@na.cc.avayacloud.com/ws", Error::Extras),
            ("wss://na.cc.avayacloud.com@evil.example/ws", Error::Extras),
            ("wss://na.cc.avayacloud.com/ws#x", Error::Extras),
        ] {
            assert_eq!(axp.check(endpoint).unwrap_err(), error, "{endpoint}");
        }
    }

    #[test]
    fn loopback_may_do_without_tls_on_the_same_port() {
        let local = allowed("http://127.0.0.1:9956");
        assert!(local.check("ws://127.0.0.1:9956/ws").is_ok());
        assert_eq!(local.check("ws://127.0.0.1:1/ws").unwrap_err(), Error::Port);
        assert_eq!(local.check("ws://127.0.0.2:9956/ws").unwrap_err(), Error::Host);
    }
}
