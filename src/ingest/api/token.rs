//! The token, which all feeds share: asked for by whoever needs it first.
//!
//! It is used for 80 % of its life, and to its end where no other is to be had. Who comes
//! while one is being asked for gets what that brings, good or bad. What kept AXP from
//! giving one is remembered, and whoever asks is answered from memory until asking again
//! has a point: minutes after a refusal, as long as a server asks for, else a pause that
//! doubles. With other secrets it has a point at once. A failure is logged here, once for
//! all feeds, until it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::answer::seconds;
use super::error::Error;
use crate::failure::describe;
use crate::ingest::link::{REFUSED_PAUSE, RETRY_AFTER_MAX, Trouble};
use crate::ingest::pause::Pauses;

/// How long a secret that cannot be read is left alone. To look again asks nobody.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10);
/// A token's life where the answer does not say, seconds.
const LIFE_DEFAULT: f64 = 300.0;
/// Bounds of a token's life, seconds: nothing shorter can be used, nothing longer is real.
const LIFE: std::ops::RangeInclusive<f64> = 30.0..=86_400.0;
/// The part of a token's life for which it is used.
const USE: f64 = 0.8;
/// The first pause after a failure that may pass, and the longest: those of a feed.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a token is asked for with.
pub(super) struct Secrets {
    pub(super) client_secret: SecretString,
    pub(super) app_key: SecretString,
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.client_secret.expose_secret() == other.client_secret.expose_secret()
            && self.app_key.expose_secret() == other.app_key.expose_secret()
    }
}

/// A token as AXP answers it.
#[derive(Deserialize)]
pub(super) struct Answer {
    access_token: SecretString,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<f64>,
}

impl Answer {
    /// How long the token lives, seconds.
    pub(super) fn life(&self) -> f64 {
        self.expires_in.unwrap_or(LIFE_DEFAULT).clamp(*LIFE.start(), *LIFE.end())
    }
}

/// The token in use, and what is remembered of the last attempt to get one.
pub(super) struct SharedToken {
    state: Mutex<State>,
    /// Attempts that have ended, whoever made them.
    ended: AtomicU64,
}

struct State {
    token: Option<Token>,
    /// How the last request failed; none if it did not.
    failure: Option<Failure>,
    /// Why the secrets could not be read; none if they could.
    unreadable: Option<Arc<Error>>,
    pauses: Pauses,
    /// The last failure in words: said once, not at each attempt.
    said: String,
}

struct Token {
    text: SecretString,
    got_at: Instant,
    use_until: Instant,
    expires_at: Instant,
}

struct Failure {
    cause: Arc<Error>,
    secrets: Arc<Secrets>,
    /// Until when asking again with the same secrets is pointless.
    until: Instant,
}

impl SharedToken {
    /// None yet; `seed` makes the jitter of pauses.
    pub(super) fn new(seed: u64) -> Self {
        let pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX, seed);
        let state = State { token: None, failure: None, unreadable: None, pauses, said: String::new() };
        Self { state: Mutex::new(state), ended: AtomicU64::new(0) }
    }

    /// A token that is good for a while: the one in use, or one that `ask` gets with the
    /// secrets that `read` reads.
    ///
    /// # Errors
    /// [`Error::NoToken`].
    pub(super) async fn get<F: Future<Output = Result<Answer, Error>>>(
        &self,
        read: impl Future<Output = Result<Secrets, Error>>,
        ask: impl FnOnce(Arc<Secrets>) -> F,
    ) -> Result<SecretString, Error> {
        let ended = self.ended.load(Ordering::Relaxed);
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| Instant::now() < token.use_until) {
            return Ok(token.text.clone());
        }
        let asked = self.ask(&mut state, ended, read, ask).await;
        // One that is still good does, where no other is to be had.
        let good = state.token.as_ref().filter(|token| Instant::now() < token.expires_at);
        asked.or_else(|err| good.map(|token| token.text.clone()).ok_or(err))
    }

    /// A token asked for after this call began, or while it waited.
    ///
    /// # Errors
    /// [`Error::NoToken`].
    pub(super) async fn fresh<F: Future<Output = Result<Answer, Error>>>(
        &self,
        read: impl Future<Output = Result<Secrets, Error>>,
        ask: impl FnOnce(Arc<Secrets>) -> F,
    ) -> Result<SecretString, Error> {
        let ended = self.ended.load(Ordering::Relaxed);
        let mut state = self.state.lock().await;
        self.ask(&mut state, ended, read, ask).await
    }

    /// Forgets the token, if it was had by then.
    pub(super) async fn forget(&self, had_until: Instant) {
        let mut state = self.state.lock().await;
        // One that came since is another, which nobody has refused.
        if state.token.as_ref().is_some_and(|token| token.got_at <= had_until) {
            state.token = None;
        }
    }

    /// Asks, unless the answer is known: `ended` attempts had ended when the caller came.
    async fn ask<F: Future<Output = Result<Answer, Error>>>(
        &self,
        state: &mut State,
        ended: u64,
        read: impl Future<Output = Result<Secrets, Error>>,
        ask: impl FnOnce(Arc<Secrets>) -> F,
    ) -> Result<SecretString, Error> {
        let answered = self.ended.load(Ordering::Relaxed) != ended;
        let unreadable = |cause| Error::NoToken { cause, wait: UNREADABLE_PAUSE };
        // Their disk may hang for seconds: not for each who waits, one after the other.
        if let Some(cause) = state.unreadable.as_ref().filter(|_| answered) {
            return Err(unreadable(Arc::clone(cause)));
        }
        if let Some(token) = state.token.as_ref().filter(|_| answered && state.failure.is_none()) {
            return Ok(token.text.clone());
        }
        let read = read.await;
        state.unreadable = None;
        let secrets = match read {
            Ok(secrets) => Arc::new(secrets),
            Err(err) => {
                self.ended.fetch_add(1, Ordering::Relaxed);
                state.say(&err, UNREADABLE_PAUSE);
                return Err(unreadable(Arc::clone(state.unreadable.insert(Arc::new(err)))));
            }
        };
        let now = Instant::now();
        let is_known = |failure: &&Failure| *failure.secrets == *secrets && (answered || now < failure.until);
        if let Some(failure) = state.failure.as_ref().filter(is_known) {
            return Err(failure.error(now));
        }
        let asked = ask(Arc::clone(&secrets)).await;
        self.ended.fetch_add(1, Ordering::Relaxed);
        asked.map(|answer| state.take(answer)).map_err(|err| state.fail(err, secrets))
    }
}

impl State {
    fn take(&mut self, answer: Answer) -> SecretString {
        let (now, life) = (Instant::now(), answer.life());
        self.failure = None;
        self.pauses.reset();
        if !std::mem::take(&mut self.said).is_empty() {
            info!("AXP gives tokens again");
        }
        self.token = Some(Token {
            text: answer.access_token.clone(),
            got_at: now,
            use_until: now + Duration::from_secs_f64(life * USE),
            expires_at: now + Duration::from_secs_f64(life),
        });
        answer.access_token
    }

    fn fail(&mut self, err: Error, secrets: Arc<Secrets>) -> Error {
        let pause = self.pauses.after_failure();
        let wait = match err.trouble() {
            Trouble::NoToken(after) => after.unwrap_or_default().min(RETRY_AFTER_MAX).max(pause),
            _ => REFUSED_PAUSE,
        };
        self.say(&err, wait);
        let now = Instant::now();
        let failure = Failure { cause: Arc::new(err), secrets, until: now + wait };
        self.failure.insert(failure).error(now)
    }

    fn say(&mut self, err: &Error, wait: Duration) {
        let (words, wait_seconds) = (describe(err), wait.as_secs());
        if words == self.said {
            debug!(err = words, wait_seconds, "no token, still");
        } else {
            warn!(err = words, wait_seconds, "no token{}", err.hint());
            self.said = words;
        }
    }
}

impl Failure {
    fn error(&self, now: Instant) -> Error {
        let wait = self.until.saturating_duration_since(now);
        Error::NoToken { cause: Arc::clone(&self.cause), wait }
    }
}

#[cfg(test)]
mod tests;
