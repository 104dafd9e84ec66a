//! Credentials: who we are to a server, read anew for each request, so that a secret that was
//! replaced is used at once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::blocking::Blocking;
use crate::config::{Api, Influx, InfluxSecrets, SecretSource};
use crate::sink::influx::target::{Trouble, timed};

/// What a server asks for.
#[derive(Debug)]
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// A user and its password.
    Basic(String, Blocking<SecretSource>),
    /// The scheme and its token.
    Token(&'static str, Blocking<SecretSource>),
}

impl Credentials {
    /// As the API has them, and as they are configured.
    pub(super) fn new(config: &Influx, secrets: &InfluxSecrets) -> Self {
        let token = || Blocking::new(secrets.token.clone());
        match config.api {
            Api::V1 if config.username.is_empty() => Self::None,
            Api::V1 => Self::Basic(config.username.clone(), Blocking::new(secrets.password.clone())),
            Api::V2 => Self::Token("Token", token()),
            Api::V3 if !secrets.token.is_set() => Self::None,
            Api::V3 => Self::Token("Bearer", token()),
        }
    }

    /// The request with them as they are now, and what of it must not be shown.
    ///
    /// # Errors
    /// Where they cannot be read within `timeout`, or sent.
    pub(super) async fn sign(
        &self,
        request: RequestBuilder,
        timeout: Duration,
    ) -> Result<(RequestBuilder, Vec<SecretString>), Trouble> {
        Ok(match self {
            Self::None => (request, Vec::new()),
            Self::Basic(username, source) => {
                let password = read("the password", source, timeout).await?;
                let plain = SecretString::from(format!("{username}:{}", password.expose_secret()));
                let encoded = SecretString::from(STANDARD.encode(plain.expose_secret()));
                (request.basic_auth(username, Some(password.expose_secret())), vec![encoded, password])
            }
            Self::Token(scheme, source) => {
                let token = read("the token", source, timeout).await?;
                let value = SecretString::from(format!("{scheme} {}", token.expose_secret()));
                let mut value =
                    HeaderValue::from_str(value.expose_secret()).map_err(|_| Trouble::Unsendable)?;
                value.set_sensitive(true);
                (request.header(AUTHORIZATION, value), vec![token])
            }
        })
    }
}

/// The secret as it is now, from a disk that may hang.
async fn read(
    key: &'static str,
    source: &Blocking<SecretSource>,
    timeout: Duration,
) -> Result<SecretString, Trouble> {
    let read = timed(timeout, source.run(|source| source.read())).await?;
    read.map_err(|err| Trouble::Secret(key, err))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::ingest::dial::tests::authority::{Authority, Files};

    #[tokio::test]
    async fn a_disk_that_hangs_with_a_token_is_given_up_in_time() {
        let source = Blocking::new(SecretSource::Inline("token".into()));
        let _hang = source.hang().await;
        let credentials = Credentials::Token("Token", source);
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        let client = Files::new(&Authority::new("ours")).dialer().http(&url).unwrap();
        let signed = credentials.sign(client.post(url), Duration::from_millis(50)).await;
        assert!(matches!(signed, Err(Trouble::TimedOut)));
    }
}
