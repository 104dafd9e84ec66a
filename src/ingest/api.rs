//! What we ask AXP over REST: a token, a subscription, what there is to measure.
//!
//! Every call carries the application key in `appkey` and, but for the token's own, the
//! token. An answer is read up to `ANSWER_BYTES_MAX`; of a refusal the server's words are logged, cleaned. Errors come as
//! `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) or, at
//! the token endpoint, as OAuth2's `error` and `error_description`
//! ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)); both are understood.
//!
//! One token serves all feeds (`token`). Secrets are read anew for each request.

mod answer;
mod error;
mod producers;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::metrics::counter::Counter;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use crate::blocking::Blocking;
use crate::config::{Axp, SecretSource};
use crate::ingest::dial::{self, Dialer};
use crate::ingest::status;
use crate::telemetry::{Seconds, Telemetry};

/// Most bytes of an answer; a full dictionary is a few tens of kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a disk may take with a secret.
const SECRET_TIMEOUT: Duration = Duration::from_secs(5);
/// The extension that says whose a subscription is.
const MARK: &str = "axpExporterInstance";
/// Subscriptions a page, the most that AXP gives.
const PAGE_SIZE: usize = 25;
/// Most pages that are looked through.
const PAGES_MAX: usize = 40;

use answer::Page;
pub use answer::{MeasureProducer, Subscription, Transport, Words};
pub use error::{Error, Operation, Refusal};
use error::{OUTCOMES, detail};
use token::{Secrets, SharedToken};

/// AXP's REST interfaces for one account.
pub struct Api {
    http: reqwest::Client,
    base: Url,
    token_url: Url,
    account_id: String,
    client_id: String,
    client_secret: Blocking<SecretSource>,
    app_key: Blocking<SecretSource>,
    token: SharedToken,
    mark_refused: AtomicBool,
    token_expiry: Seconds,
    requests: Vec<[Counter; OUTCOMES.len()]>,
    dialer: Dialer,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

impl Api {
    /// The interfaces at `base`, for the account of `axp`.
    ///
    /// # Errors
    /// Where the HTTP client cannot be made.
    pub fn new(
        axp: &Axp,
        base: Url,
        token_url: Url,
        secrets: (SecretSource, SecretSource),
        dialer: &Dialer,
        telemetry: &Telemetry,
    ) -> Result<Self, dial::Error> {
        let (client_secret, app_key) = secrets;
        let counters =
            |operation: Operation| OUTCOMES.map(|outcome| telemetry.api_requests(operation.label(), outcome));
        Ok(Self {
            http: dialer.http(&base)?,
            base,
            token_url,
            account_id: axp.account_id.clone(),
            client_id: axp.client_id.clone(),
            client_secret: Blocking::new(client_secret),
            app_key: Blocking::new(app_key),
            token: SharedToken::new(rand::random()),
            mark_refused: AtomicBool::new(false),
            token_expiry: telemetry.token_expiry(),
            requests: Operation::ALL.map(counters).into(),
            dialer: dialer.clone(),
        })
    }

    /// A token that is good for a while: the one in use, or a new one.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn token(&self) -> Result<SecretString, Error> {
        self.token.get(self.read_secrets(), |secrets| self.ask_for_token(secrets)).await
    }

    /// A token asked for now: what a renewal extends is tied to the token it is made with.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn fresh_token(&self) -> Result<SecretString, Error> {
        self.token.fresh(self.read_secrets(), |secrets| self.ask_for_token(secrets)).await
    }

    async fn read_secrets(&self) -> Result<Secrets, Error> {
        let client_secret = read("axp.client_secret", &self.client_secret).await?;
        Ok(Secrets { client_secret, app_key: self.read_app_key().await? })
    }

    async fn read_app_key(&self) -> Result<SecretString, Error> {
        read("axp.app_key", &self.app_key).await
    }

    async fn ask_for_token(&self, secrets: Arc<Secrets>) -> Result<token::Answer, Error> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", secrets.client_secret.expose_secret()),
        ];
        let request = self.http.post(self.token_url.clone()).form(&form);
        let answer: token::Answer = self.call(Operation::Token, request, &secrets.client_secret).await?;
        self.token_expiry.set(unix_seconds() + answer.life());
        Ok(answer)
    }

    /// Forgets the token in use, if it was had by then: AXP no longer takes it.
    pub async fn forget_token(&self, had_until: Instant) {
        self.token.forget(had_until.into()).await;
    }

    /// Subscribes to a producer, with the mark of this instance if AXP takes it.
    ///
    /// # Errors
    /// Why there is no subscription.
    pub async fn create(&self, producer_id: &str, instance: &str) -> Result<Subscription, Error> {
        let marked = !self.mark_refused.load(Ordering::Relaxed);
        let created = self.create_with(producer_id, instance, marked).await;
        if marked && created.as_ref().is_err_and(|err| err.status() == Some(StatusCode::BAD_REQUEST)) {
            let unmarked = self.create_with(producer_id, instance, false).await;
            // It was the mark, then; without it a lost answer leaves a subscription behind.
            self.mark_refused.store(unmarked.is_ok(), Ordering::Relaxed);
            return unmarked;
        }
        created
    }

    async fn create_with(
        &self,
        producer_id: &str,
        instance: &str,
        marked: bool,
    ) -> Result<Subscription, Error> {
        let token = &self.token().await?;
        let mut extensions = json!({ "measureProducerId": producer_id });
        if let Some(extensions) = extensions.as_object_mut().filter(|_| marked) {
            extensions.insert(MARK.to_owned(), instance.into());
        }
        let body = json!({
            "family": "ANALYTICS",
            "events": ["ALL"],
            "transport": { "type": "WEBSOCKET" },
            "extensions": extensions,
        });
        let request =
            self.request(Method::POST, "api/notification/v1", &["subscriptions"], token).json(&body);
        self.call(Operation::Create, request, token).await
    }

    /// Looks for a subscription to a producer that bears the mark of this instance, beside
    /// one that is `held` already.
    ///
    /// # Errors
    /// Why nobody knows.
    pub async fn find(
        &self,
        producer_id: &str,
        instance: &str,
        held: Option<&str>,
    ) -> Result<Option<Subscription>, Error> {
        let token = self.token().await?;
        for number in 1..=PAGES_MAX {
            let query = [("pageNumber", number), ("pageSize", PAGE_SIZE)];
            let request =
                self.request(Method::GET, "api/notification/v1", &["subscriptions"], &token).query(&query);
            let page: Page = self.call(Operation::List, request, &token).await?;
            let last = page.subscriptions.len() < PAGE_SIZE;
            let is_ours = |subscription: &Subscription| {
                let says =
                    |name, value| subscription.extensions.get(name).is_some_and(|found| found == value);
                says("measureProducerId", producer_id)
                    && says(MARK, instance)
                    && held != Some(&subscription.subscription_id)
            };
            let found = page.subscriptions.into_iter().find(is_ours);
            if found.is_some() || last {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// How a subscription stands.
    ///
    /// # Errors
    /// Why nobody knows, or that there is none.
    pub async fn get(&self, subscription_id: &str) -> Result<Subscription, Error> {
        let token = self.token().await?;
        let path = ["subscriptions", subscription_id];
        let request = self.request(Method::GET, "api/notification/v1", &path, &token);
        self.call(Operation::Get, request, &token).await
    }

    /// Gives a subscription more life.
    ///
    /// # Errors
    /// Why it has none.
    pub async fn renew(&self, subscription_id: &str) -> Result<Subscription, Error> {
        let token = self.fresh_token().await?;
        let path = ["subscriptions", &format!("{subscription_id}:renew")];
        let request = self.request(Method::POST, "api/notification/v1", &path, &token);
        self.call(Operation::Renew, request, &token).await
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Why it goes on.
    pub async fn delete(&self, subscription_id: &str) -> Result<(), Error> {
        let token = self.token().await?;
        let path = ["subscriptions", subscription_id];
        let request = self.request(Method::DELETE, "api/notification/v1", &path, &token);
        self.send(Operation::Delete, request, &token).await.map(|_| ())
    }

    /// A request for something of the account; the parts of the path are escaped.
    fn request(&self, method: Method, base: &str, path: &[&str], token: &SecretString) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(base.split('/'))
                .extend(["accounts", &self.account_id])
                .extend(path);
        }
        self.http.request(method, url).bearer_auth(token.expose_secret())
    }

    /// Sends a request and reads the answer as JSON.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        request: RequestBuilder,
        credential: &SecretString,
    ) -> Result<T, Error> {
        let body = self.send(operation, request, credential).await?;
        // The parser's own words could quote the answer.
        serde_json::from_slice(&body)
            .map_err(|_| Error::Unreadable(operation, "not the JSON that was expected"))
    }

    /// Sends a request; what the server says in a refusal is shown without the application
    /// key and without `credential`, should it repeat them.
    async fn send(
        &self,
        operation: Operation,
        request: RequestBuilder,
        credential: &SecretString,
    ) -> Result<Vec<u8>, Error> {
        let app_key = self.read_app_key().await?;
        self.dialer.refresh().await;
        let request = request.header("appkey", app_key.expose_secret()).header("accept", "application/json");
        let sent = async {
            // An address may hold what must not be logged.
            let unreachable = |err: reqwest::Error| Error::Unreachable(operation, err.without_url());
            let mut response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            let retry_after = status::retry_after(response.headers(), SystemTime::now());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err(Error::Unreadable(operation, "longer than 1 MiB"));
                }
                body.extend_from_slice(&chunk);
            }
            if status.is_success() {
                return Ok(body);
            }
            let detail = detail(&body, &[&app_key, credential]);
            Err(Error::Refused(operation, Refusal { status, retry_after, detail }))
        }
        .await;
        self.count(operation, &sent);
        sent
    }

    fn count(&self, operation: Operation, sent: &Result<Vec<u8>, Error>) {
        if let Err(err) = sent {
            self.dialer.tls_errors().note(err);
        }
        let outcome = match sent {
            Ok(_) => 0,
            Err(Error::Refused(_, refusal)) if refusal.status.is_client_error() => 1,
            Err(Error::Refused(..) | Error::Unreadable(..)) => 2,
            Err(_) => 3,
        };
        if let Some(counter) =
            self.requests.get(operation as usize).and_then(|outcomes| outcomes.get(outcome))
        {
            counter.inc();
        }
    }
}

/// A secret as it is now, from a disk that may hang.
async fn read(key: &'static str, source: &Blocking<SecretSource>) -> Result<SecretString, Error> {
    let read = source.run_within(SECRET_TIMEOUT, |source| source.read()).await;
    read.map_err(|_| Error::SecretLate(key))?.map_err(|err| Error::Secret(key, err))
}

/// The wall clock, seconds since the epoch.
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_secret_whose_disk_hangs_costs_its_call_some_seconds_and_no_thread_of_others() {
        let telemetry = Telemetry::new(0);
        let dialer = Dialer::new(None, None, 1 << 20, telemetry.tls_errors()).unwrap();
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let secret = || SecretSource::Inline(SecretString::from("hush"));
        let api =
            Api::new(&Axp::default(), url.clone(), url, (secret(), secret()), &dialer, &telemetry).unwrap();
        let (disk, answer) = mpsc::channel::<()>();
        let hangs = api.client_secret.clone();
        tokio::spawn(async move { hangs.run(move |_| answer.recv()).await });
        while !api.client_secret.is_busy() {
            tokio::task::yield_now().await;
        }
        let (token, ()) = tokio::join!(api.token(), tokio::time::advance(SECRET_TIMEOUT));
        let Err(Error::NoToken { cause, .. }) = token else { panic!("a token") };
        assert_eq!(cause.to_string(), "read axp.client_secret in time");
        drop(disk);
    }
}
