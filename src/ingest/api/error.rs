//! A call to AXP: what kinds there are, how they end, and why one gave nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::SecretError;
use crate::ingest::link::Trouble;
use crate::label::labels::clean_value;

/// How long to wait where `Retry-After` cannot be read.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(10);
/// Most bytes of the server's own words in an error.
const DETAIL_BYTES_MAX: usize = 200;
/// What stands for a secret in them.
const REDACTED: &str = "[redacted]";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A token.
    Token,
    /// A new subscription.
    Create,
    /// The subscriptions there are.
    List,
    /// How a subscription stands.
    Get,
    /// More life for a subscription.
    Renew,
    /// The end of a subscription.
    Delete,
    /// The list of producers.
    Producers,
    /// One producer's measures.
    Producer,
    /// One producer's words.
    Dictionary,
}

impl Operation {
    pub(super) const ALL: [Self; 9] = [
        Self::Token,
        Self::Create,
        Self::List,
        Self::Get,
        Self::Renew,
        Self::Delete,
        Self::Producers,
        Self::Producer,
        Self::Dictionary,
    ];

    /// The value of the `operation` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Create => "create",
            Self::List => "list",
            Self::Get => "get",
            Self::Renew => "renew",
            Self::Delete => "delete",
            Self::Producers => "producers",
            Self::Producer => "producer",
            Self::Dictionary => "dictionary",
        }
    }
}

/// Values of the `outcome` label: answered well, refused (4xx), failed (anything else
/// that was answered), not answered.
pub(super) const OUTCOMES: [&str; 4] = ["ok", "refused", "failed", "unreachable"];

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal {
    /// Its status.
    pub status: StatusCode,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The server's own words, cleaned and cut.
    pub detail: String,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub enum Error {
    /// A secret cannot be read.
    Secret(&'static str, SecretError),
    /// No token, as the last request for one ended; it has been logged.
    NoToken {
        /// How it ended.
        cause: Arc<Error>,
        /// How long asking again is pointless.
        wait: Duration,
    },
    /// No answer.
    Unreachable(Operation, reqwest::Error),
    /// An answer that says no.
    Refused(Operation, Refusal),
    /// An answer that is too long or makes no sense.
    Unreadable(Operation, &'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(key, _) => write!(formatter, "read {key}"),
            Self::NoToken { .. } => formatter.write_str("get a token"),
            Self::Unreachable(operation, _) => {
                write!(formatter, "reach AXP ({})", operation.label())
            }
            Self::Refused(operation, Refusal { status, detail, .. }) => {
                write!(formatter, "get an answer from AXP ({}): {status} {detail}", operation.label())
            }
            Self::Unreadable(operation, what) => {
                write!(formatter, "understand AXP's answer ({}): {what}", operation.label())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Secret(_, err) => Some(err),
            Self::NoToken { cause, .. } => Some(&**cause),
            Self::Unreachable(_, err) => Some(err),
            Self::Refused(..) | Self::Unreadable(..) => None,
        }
    }
}

impl Error {
    /// The status of an answer that said no, to this call and not to one for a token.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(_, refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// What may help where AXP says no, to follow the error; else nothing.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoToken { cause, .. } => cause.hint(),
            Self::Refused(_, Refusal { status: StatusCode::UNAUTHORIZED, .. }) => {
                "; look at axp.client_id, axp.client_secret_file and axp.app_key_file"
            }
            Self::Refused(_, Refusal { status: StatusCode::FORBIDDEN, .. }) => {
                "; the client and the application key both need the permission to use Analytics"
            }
            _ => "",
        }
    }

    /// What it means for a session.
    pub fn trouble(&self) -> Trouble {
        use StatusCode as Is;
        match self {
            Self::Secret(..) => Trouble::NoToken,
            Self::NoToken { wait, .. } => Trouble::NoTokenNow(Some(*wait)),
            Self::Refused(Operation::Token, refusal) => match refusal.status {
                Is::REQUEST_TIMEOUT | Is::TOO_MANY_REQUESTS => Trouble::NoTokenNow(refusal.retry_after),
                status if status.is_client_error() => Trouble::NoToken,
                _ => Trouble::NoTokenNow(refusal.retry_after),
            },
            Self::Unreachable(Operation::Token, _) | Self::Unreadable(Operation::Token, _) => {
                Trouble::NoTokenNow(None)
            }
            Self::Refused(_, refusal) => match refusal.status {
                // A wrong application key will not be taken with another token either.
                Is::UNAUTHORIZED if refusal.detail.contains("Appkey") => Trouble::Refused,
                Is::UNAUTHORIZED => Trouble::Unauthorized,
                Is::NOT_FOUND | Is::GONE => Trouble::Gone,
                Is::CONFLICT => Trouble::Conflict,
                Is::TOO_MANY_REQUESTS | Is::SERVICE_UNAVAILABLE => Trouble::Later(refusal.retry_after),
                status if status.is_client_error() && status != Is::REQUEST_TIMEOUT => Trouble::Refused,
                _ => Trouble::Unknown,
            },
            Self::Unreachable(..) | Self::Unreadable(..) => Trouble::Unknown,
        }
    }
}

/// How long `Retry-After` asks to wait: seconds, or a date
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)).
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Duration {
    if let Ok(seconds) = value.trim().parse() {
        return Duration::from_secs(seconds);
    }
    match httpdate::parse_http_date(value.trim()) {
        Ok(date) => date.duration_since(now).unwrap_or_default(),
        Err(_) => RETRY_AFTER_DEFAULT,
    }
}

/// The server's own words in a refusal, fit for a log: without control characters, cut,
/// and without the secrets, should the server repeat them.
pub(super) fn detail(body: &[u8], secrets: &[&SecretString]) -> String {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let words = [problem.title, problem.detail, problem.error, problem.error_description];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let words = secrets.iter().fold(words.join(": "), |words, secret| match secret.expose_secret() {
        "" => words,
        secret => {
            let in_a_form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            words.replace(secret, REDACTED).replace(&in_a_form, REDACTED)
        }
    });
    clean_value(&words, DETAIL_BYTES_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_refusal_are_understood() {
        for (body, words) in [
            (
                r#"{"type":"x","title":"Unauthorized","status":401,"detail":"lacks credentials(Appkey)"}"#,
                "Unauthorized: lacks credentials(Appkey)",
            ),
            (
                r#"{"title":"Bad Request","status":"400","detail":"Invalid AccountID"}"#,
                "Bad Request: Invalid AccountID",
            ),
            (r#"{"error":"invalid_client","error_description":"no\nsuch"}"#, "invalid_client: no such"),
            ("<html>", ""),
            ("{\"title\":5}", ""),
        ] {
            assert_eq!(detail(body.as_bytes(), &[]), words);
        }
        assert!(
            detail(format!(r#"{{"title":"{}"}}"#, "x".repeat(5000)).as_bytes(), &[]).len()
                <= DETAIL_BYTES_MAX
        );
    }

    #[test]
    fn a_secret_that_the_server_repeats_is_not_shown() {
        let (secret, token) = (SecretString::from("hu/sh="), SecretString::from("eyJ.x"));
        for (body, words) in [
            (
                r#"{"error":"bad","error_description":"client_secret=hu/sh="}"#,
                "bad: client_secret=[redacted]",
            ),
            (r#"{"detail":"client_secret=hu%2Fsh%3D&scope"}"#, "client_secret=[redacted]&scope"),
            (r#"{"title":"hu/sh=","detail":"Bearer eyJ.x"}"#, "[redacted]: Bearer [redacted]"),
        ] {
            assert_eq!(detail(body.as_bytes(), &[&secret, &token]), words);
        }
        // A secret that the cut would halve is gone before.
        let body = format!(r#"{{"title":"{}hu/sh="}}"#, "x".repeat(DETAIL_BYTES_MAX - 3));
        assert!(!detail(body.as_bytes(), &[&secret]).contains("hu"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, seconds) in [
            ("7", 7),
            (" 0 ", 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("soon", 10),
            ("-5", 10),
            ("", 10),
        ] {
            assert_eq!(retry_after(value, now), Duration::from_secs(seconds), "{value}");
        }
    }

    #[test]
    fn what_an_answer_means_for_a_session() {
        let refused = |operation, status: u16, detail: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Error::Refused(operation, Refusal { status, retry_after: None, detail: detail.to_owned() })
                .trouble()
        };
        for (operation, status, detail, trouble) in [
            (Operation::Token, 400, "", Trouble::NoToken),
            (Operation::Token, 401, "", Trouble::NoToken),
            (Operation::Token, 429, "", Trouble::NoTokenNow(None)),
            (Operation::Token, 503, "", Trouble::NoTokenNow(None)),
            (Operation::Create, 401, "lacks credentials(Access-Token)", Trouble::Unauthorized),
            (Operation::Create, 401, "lacks credentials(Appkey)", Trouble::Refused),
            (Operation::Create, 400, "", Trouble::Refused),
            (Operation::Create, 403, "", Trouble::Refused),
            (Operation::Get, 404, "", Trouble::Gone),
            (Operation::Create, 409, "", Trouble::Conflict),
            (Operation::Create, 429, "", Trouble::Later(None)),
            (Operation::Create, 503, "", Trouble::Later(None)),
            (Operation::Create, 500, "", Trouble::Unknown),
            (Operation::Create, 302, "", Trouble::Unknown),
        ] {
            assert_eq!(refused(operation, status, detail), trouble, "{operation:?} {status}");
        }
    }

    #[test]
    fn operations_count_under_their_own_label() {
        for (index, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, index);
        }
    }
}
