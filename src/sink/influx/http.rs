//! HTTP: lines to InfluxDB 1, 2 or 3, or to what speaks like them.
//!
//! | API | path | credentials |
//! |---|---|---|
//! | v1 | `/write?db=&rp=&precision=ns` | user and password (Basic), or none |
//! | v2 | `/api/v2/write?org=&bucket=&precision=ns` | `Authorization: Token` |
//! | v3 | `/api/v3/write_lp?db=&precision=nanosecond&accept_partial=true` | `Authorization: Bearer`, or none |
//!
//! The precision is always said, since InfluxDB 3 would guess it. Redirects are refused: they
//! could carry credentials elsewhere. An answer counts only when all of it has come in time.
//!
//! In reading order: who we are to a server ([`credentials`]), what its answer means ([`answer`]),
//! and what becomes of a piece with lines that it refuses ([`isolation`]).

mod answer;
mod credentials;
mod isolation;

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::sync::watch;
use tracing::{debug, warn};
use url::Url;

use super::load::{Load, count_lines};
use super::target::Trouble;
use crate::config::{Api, Influx, InfluxSecrets};
use crate::failure::describe;
use crate::ingest::dial::{self, Dialer};
use crate::ingest::status::retry_after;
use crate::sink::alarm::REMIND_INTERVAL;
use crate::telemetry::{self, TlsErrors};

use answer::{Answer, judge};
use credentials::Credentials;

/// Most bytes of an answer that are read; a hundred named lines take less.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest time that a server can ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// How long a connection may be idle and be used again.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A server that takes lines.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    /// The way out, which a reload may replace.
    way_out: watch::Receiver<Dialer>,
    timeout: Duration,
    url: Url,
    credentials: Credentials,
    gzip: bool,
    tls_errors: TlsErrors,
    /// When refused lines were spoken of last.
    warned_at: Option<Instant>,
}

impl Http {
    /// A server as it is configured; it is not called yet.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub(super) fn new(
        config: &Influx,
        secrets: &InfluxSecrets,
        base: &Url,
        mut way_out: watch::Receiver<Dialer>,
    ) -> Result<Self, dial::Error> {
        let (timeout, dialer) = (config.timeout.get(), way_out.borrow_and_update().clone());
        Ok(Self {
            client: client(&dialer, base, timeout)?,
            way_out,
            timeout,
            url: write_url(config, base),
            credentials: Credentials::new(config, secrets),
            gzip: config.gzip,
            tls_errors: dialer.tls_errors(),
            warned_at: None,
        })
    }

    /// Sends the front piece of the load, and settles or cuts it by the answer.
    ///
    /// # Errors
    /// What kept it from being delivered.
    pub(super) async fn step(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        let Some(piece) = load.front().cloned() else { return Ok(()) };
        match self.write(&piece).await? {
            Answer::Stored => {
                tally.written.inc_by(count_lines(&piece));
                load.pop();
            }
            Answer::TooLarge => {
                if !load.halve() {
                    load.pop();
                    tally.dropped.inc();
                }
            }
            Answer::Poison(poison, detail) => {
                isolation::isolate(load, &piece, poison, tally);
                if self.warned_at.is_none_or(|at| at.elapsed() >= REMIND_INTERVAL) {
                    self.warned_at = Some(Instant::now());
                    warn!(url = %self.shown_url(), detail, "lines are refused for good, and left out");
                } else {
                    debug!(url = %self.shown_url(), detail, "lines are refused for good, and left out");
                }
            }
        }
        Ok(())
    }

    /// Goes by the way out that there is now. Where no client can be made of it, the last one stays.
    fn renew_client(&mut self) {
        if self.way_out.has_changed().is_ok_and(|has_changed| has_changed) {
            let dialer = self.way_out.borrow_and_update().clone();
            match client(&dialer, &self.url, self.timeout) {
                Ok(client) => self.client = client,
                Err(err) => {
                    warn!(url = %self.shown_url(), err = describe(&err), "the way out stays as it was");
                }
            }
        }
    }

    /// Sends one piece and reads the answer to its end.
    async fn write(&mut self, piece: &Bytes) -> Result<Answer, Trouble> {
        self.renew_client();
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let (request, secrets) = self.credentials.sign(request, self.timeout).await?;
        let request = if self.gzip {
            request.header(CONTENT_ENCODING, "gzip").body(compressed(piece.clone()).await?)
        } else {
            request.body(piece.clone())
        };
        // An address may hold what must not be logged.
        let unreachable = |err: reqwest::Error| {
            self.tls_errors.note(&err);
            if err.is_timeout() { Trouble::TimedOut } else { Trouble::Unreachable(err.without_url()) }
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let asked =
            retry_after(response.headers(), SystemTime::now()).map(|asked| asked.min(RETRY_AFTER_MAX));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            let room = ANSWER_BYTES_MAX.saturating_sub(body.len()).min(chunk.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
        judge(response.status(), asked, &body, piece, &secrets.iter().collect::<Vec<_>>())
    }

    /// The address without what may be secret.
    fn shown_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(None);
        url
    }
}

/// A client for the server at `base`.
fn client(dialer: &Dialer, base: &Url, timeout: Duration) -> Result<reqwest::Client, dial::Error> {
    dialer.http_with(base, |builder| builder.pool_idle_timeout(IDLE_MAX).timeout(timeout))
}

/// Where lines are written, with everything that the API wants to know.
fn write_url(config: &Influx, base: &Url) -> Url {
    let mut url = base.clone();
    let path: &[&str] = match config.api {
        Api::V1 => &["write"],
        Api::V2 => &["api", "v2", "write"],
        Api::V3 => &["api", "v3", "write_lp"],
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    let mut query = url.query_pairs_mut();
    match config.api {
        Api::V1 => {
            query.append_pair("db", &config.database);
            if !config.retention_policy.is_empty() {
                query.append_pair("rp", &config.retention_policy);
            }
            query.append_pair("precision", "ns");
        }
        Api::V2 => {
            query.append_pair("org", &config.org).append_pair("bucket", &config.bucket);
            query.append_pair("precision", "ns");
        }
        Api::V3 => {
            query.append_pair("db", &config.database).append_pair("precision", "nanosecond");
            query.append_pair("accept_partial", "true");
        }
    }
    drop(query);
    url
}

/// The lines compressed: fast, since they shrink to a tenth either way.
async fn compressed(lines: Bytes) -> std::io::Result<Vec<u8>> {
    let compress = move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
        encoder.write_all(&lines)?;
        encoder.finish()
    };
    tokio::task::spawn_blocking(compress).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::config::SecretSource;
    use crate::ingest::dial::tests::authority::{Authority, Files, VERSIONS, config, params};
    use crate::telemetry::Telemetry;

    #[test]
    fn each_api_has_its_address_and_always_says_the_precision() {
        let config = |api| Influx {
            api,
            org: "o&x".to_owned(),
            bucket: "b c".to_owned(),
            database: "d/é".to_owned(),
            retention_policy: "week".to_owned(),
            ..Influx::default()
        };
        for (api, base, expected) in [
            (Api::V1, "http://h:8086", "http://h:8086/write?db=d%2F%C3%A9&rp=week&precision=ns"),
            (Api::V2, "https://h/", "https://h/api/v2/write?org=o%26x&bucket=b+c&precision=ns"),
            (
                Api::V3,
                "https://h/influx/",
                "https://h/influx/api/v3/write_lp?db=d%2F%C3%A9&precision=nanosecond&accept_partial=true",
            ),
        ] {
            assert_eq!(write_url(&config(api), &Url::parse(base).unwrap()).as_str(), expected);
        }
        let own = Influx { retention_policy: String::new(), ..config(Api::V1) };
        assert!(!write_url(&own, &Url::parse("http://h").unwrap()).as_str().contains("rp="));
    }

    /// Answers every request for one line over TLS.
    async fn serve(listener: TcpListener, config: Arc<rustls::ServerConfig>) {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(LINE) {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
    }

    const LINE: &[u8] = b"a x=1 1\n";

    #[tokio::test]
    async fn whom_a_reload_has_us_trust_is_trusted_at_the_next_request() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(serve(listener, config(&ours.sign(&params("localhost")), &VERSIONS, None)));
        let way_out = watch::Sender::new(Files::new(&theirs).dialer());
        let influx = Influx { api: Api::V3, gzip: false, ..Influx::default() };
        let unset = || SecretSource::Unset;
        let secrets = InfluxSecrets { token: unset(), password: unset() };
        let mut http = Http::new(&influx, &secrets, &Url::parse(&url).unwrap(), way_out.subscribe()).unwrap();
        let (mut load, tally) = (Load::new(LINE.to_vec(), 1 << 20), Telemetry::new(1).sink("main"));
        assert!(matches!(http.step(&mut load, &tally).await, Err(Trouble::Unreachable(_))));
        way_out.send_replace(Files::new(&ours).dialer());
        http.step(&mut load, &tally).await.unwrap();
        assert_eq!((tally.written.get(), load.is_empty()), (1, true));
    }

    #[tokio::test]
    async fn lines_shrink() {
        let lines = Bytes::from(
            "queue_itd,account_id=EZCLTR,channel_id=EMAIL answered=4 1643645393849000000\n".repeat(1000),
        );
        let (small, large) = (compressed(lines.clone()).await.unwrap(), lines.len());
        assert!(small.len() * 10 < large);
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*small), &mut read).unwrap();
        assert_eq!(read, lines);
    }
}
