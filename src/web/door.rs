//! What stands before the site: passwords, headers, the rate limit, and the certificate, as
//! `web.config_file` has them.
//!
//! The file, and those that it names, are read at each connection and each request, as the
//! toolkit does, and judged again where they changed. So a certificate or a password is replaced
//! without a restart. A file that cannot be used any more leaves what was in force in force, and
//! the log says so once. The same goes for one that would add or take away TLS, or take away the
//! last password: while a file is being rewritten it may be empty for a moment, and that must not
//! open the door. It takes a restart. A disk that hangs is waited for once, and leaves in force what
//! was, too.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tracing::{error, info};

use crate::blocking::Blocking;
use crate::web::auth::{Auth, Verdict};
use crate::web::body::Body;
use crate::web::bucket::Bucket;
use crate::web::config::{Draft, Error, WebConfig};
use crate::web::routes::{Site, plain};
use crate::web::timeout::Timeout;

/// How long reading the file, and those that it names, may take; and half of its time is a client's
/// for what comes behind the door.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The site and what stands before it.
#[derive(Debug)]
pub struct Door {
    site: Arc<Site>,
    auth: Auth,
    bucket: Bucket,
    watched: Option<Watched>,
}

/// A file, and what it said when it was last of use.
#[derive(Debug)]
struct Watched {
    state: Blocking<State>,
    in_force: watch::Receiver<Arc<WebConfig>>,
    /// Whether the last look took too long.
    is_late: AtomicBool,
}

#[derive(Debug)]
struct State {
    path: PathBuf,
    digest: [u8; 32],
    in_force: watch::Sender<Arc<WebConfig>>,
    /// Why the file as it is now is of no use.
    trouble: Option<String>,
}

impl Door {
    /// A door as `file` has it, or none at all.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn new(site: Arc<Site>, file: Option<PathBuf>) -> Result<Self, Error> {
        let watched = file.map(Watched::open).transpose()?;
        Ok(Self { site, auth: Auth::default(), bucket: Bucket::default(), watched })
    }

    /// Whether TLS is spoken; does not change.
    pub fn has_tls(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.in_force().tls.is_some())
    }

    /// Whether only known users or clients with a verified certificate get in; as of now.
    pub fn is_guarded(&self) -> bool {
        let config = self.watched.as_ref().map(Watched::in_force);
        config.is_some_and(|config| config.are_clients_verified || !config.users.is_empty())
    }

    /// The TLS of a new connection, if there is any.
    pub async fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.config(Instant::now() + LOOK_MAX).await.tls.clone()
    }

    /// Answers a request, or says why not. Its client's time-out begins here, so that one who waits
    /// for a password to be checked is told in time. Reads no body.
    pub async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let timeout = Timeout::of(request.headers());
        let config = self.config(timeout.half()).await;
        let mut response = if self.bucket.take(config.rate, Instant::now()) {
            let judging = self.auth.judge(&config.users, request.headers());
            match time::timeout_at(timeout.end(), judging).await.unwrap_or(Verdict::Busy) {
                Verdict::Welcome => self.site.answer(request, timeout).await,
                Verdict::Refused => {
                    self.count_refused("unauthorized");
                    let mut response = plain(StatusCode::UNAUTHORIZED, "who are you?\n".to_owned());
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                    response
                }
                Verdict::Busy => {
                    self.count_refused("busy");
                    let body = "too many passwords to check\n".to_owned();
                    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, body);
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                    response
                }
            }
        } else {
            self.count_refused("rate");
            plain(StatusCode::TOO_MANY_REQUESTS, "too many requests\n".to_owned())
        };
        for (name, value) in &config.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    /// Counts who did not get in, by the reason.
    pub(super) fn count_refused(&self, reason: &'static str) {
        self.site.telemetry().http_refused(reason).inc();
    }

    async fn config(&self, latest: Instant) -> Arc<WebConfig> {
        let Some(watched) = &self.watched else { return Arc::default() };
        watched.look(latest).await;
        watched.in_force()
    }

    /// As where the file lies on a disk that hangs, until what this gives is dropped.
    #[cfg(test)]
    pub(super) async fn hang(&self) -> std::sync::mpsc::Sender<()> {
        self.watched.as_ref().unwrap().state.hang().await
    }
}

impl Watched {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let draft = Draft::read(&path)?;
        let digest = draft.digest();
        let (in_force, seen) = watch::channel(Arc::new(draft.build()?));
        let state = Blocking::new(State { path, digest, in_force, trouble: None });
        Ok(Self { state, in_force: seen, is_late: AtomicBool::new(false) })
    }

    fn in_force(&self) -> Arc<WebConfig> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Has what the file says now come in force. Where its disk hangs, one look goes on, and is
    /// waited for once, until `latest` at most.
    async fn look(&self, latest: Instant) {
        let hangs = self.is_late.load(Ordering::Relaxed) && self.state.is_busy();
        let now = Instant::now();
        let latest = if hangs { now } else { latest.min(now + LOOK_MAX) };
        let is_late = time::timeout_at(latest, self.state.run(State::look)).await.is_err();
        let was_late = self.is_late.swap(is_late, Ordering::Relaxed);
        if is_late && !was_late {
            error!("reading web.config_file takes too long, and what it said before is in force meanwhile");
        } else if was_late && !is_late {
            info!("web.config_file can be read again");
        }
    }
}

impl State {
    /// Looks at the file.
    fn look(&mut self) {
        match self.renewed(Draft::read(&self.path)) {
            Ok(is_new) => {
                if self.trouble.take().is_some() || is_new {
                    info!(file = %self.path.display(), "using web.config_file as it is now");
                }
            }
            Err(why) => {
                if self.trouble.as_ref() != Some(&why) {
                    error!(
                        err = why,
                        "cannot use web.config_file as it is now, and go on with what it said before"
                    );
                    self.trouble = Some(why);
                }
            }
        }
    }

    /// Takes over what was read; tells whether that was new, or why it is of no use.
    fn renewed(&mut self, read: Result<Draft, Error>) -> Result<bool, String> {
        let draft = read.map_err(|err| err.to_string())?;
        let digest = draft.digest();
        if digest == self.digest {
            return Ok(false);
        }
        let config = draft.build().map_err(|err| err.to_string())?;
        let before = Arc::clone(&self.in_force.borrow());
        if config.tls.is_some() != before.tls.is_some() {
            return Err("tls_server_config has come or gone, which takes a restart".to_owned());
        }
        if config.users.is_empty() && !before.users.is_empty() {
            return Err("basic_auth_users names nobody any more, which takes a restart".to_owned());
        }
        self.digest = digest;
        self.in_force.send_replace(Arc::new(config));
        Ok(true)
    }
}
