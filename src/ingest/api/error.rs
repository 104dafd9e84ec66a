//! A call to AXP: what kinds there are, how they end, and why one gave nothing.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use crate::config::SecretError;
use crate::ingest::link::{REFUSED_PAUSE, Trouble};
use crate::ingest::{status, words};

/// Most bytes of the server's own words in an error.
const DETAIL_BYTES_MAX: usize = 200;

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
    /// A secret's disk does not answer.
    SecretLate(&'static str),
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
            Self::SecretLate(key) => write!(formatter, "read {key} in time"),
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
            Self::SecretLate(_) | Self::Refused(..) | Self::Unreadable(..) => None,
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
        let refused = Trouble::NoToken(Some(REFUSED_PAUSE));
        match self {
            Self::NoToken { wait, .. } => Trouble::NoToken(Some(*wait)),
            Self::Refused(Operation::Token, Refusal { status, retry_after, .. }) => {
                match status::trouble(*status, *retry_after) {
                    Trouble::Later(_) | Trouble::Unknown => Trouble::NoToken(*retry_after),
                    _ => refused,
                }
            }
            Self::Secret(..)
            | Self::SecretLate(_)
            | Self::Unreachable(Operation::Token, _)
            | Self::Unreadable(Operation::Token, _) => Trouble::NoToken(None),
            // A wrong application key will not be taken with another token either.
            Self::Refused(_, Refusal { status: StatusCode::UNAUTHORIZED, detail, .. })
                if detail.contains("Appkey") =>
            {
                Trouble::Refused
            }
            Self::Refused(_, refusal) => status::trouble(refusal.status, refusal.retry_after),
            Self::Unreachable(_, err) if err.is_connect() => Trouble::NotSent,
            Self::Unreachable(..) | Self::Unreadable(..) => Trouble::Unknown,
        }
    }
}

/// The server's own words in a refusal, fit for a log, should it repeat the secrets, too.
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
    words::fit(&words.join(": "), secrets, DETAIL_BYTES_MAX)
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
    fn what_an_answer_means_for_a_session() {
        let refused = |operation, status: u16, detail: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Error::Refused(operation, Refusal { status, retry_after: None, detail: detail.to_owned() })
                .trouble()
        };
        for (operation, status, detail, trouble) in [
            (Operation::Token, 400, "", Trouble::NoToken(Some(REFUSED_PAUSE))),
            (Operation::Token, 401, "", Trouble::NoToken(Some(REFUSED_PAUSE))),
            (Operation::Token, 408, "", Trouble::NoToken(None)),
            (Operation::Token, 429, "", Trouble::NoToken(None)),
            (Operation::Token, 503, "", Trouble::NoToken(None)),
            (Operation::Create, 401, "lacks credentials(Access-Token)", Trouble::Unauthorized),
            (Operation::Create, 401, "lacks credentials(Appkey)", Trouble::Refused),
            (Operation::Create, 403, "", Trouble::Refused),
            (Operation::Create, 503, "", Trouble::Later(None)),
        ] {
            assert_eq!(refused(operation, status, detail), trouble, "{operation:?} {status}");
        }
    }

    #[tokio::test]
    async fn what_reached_nobody_was_not_done_and_all_else_may_have_been() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let tls_errors = crate::telemetry::Telemetry::new(0).tls_errors();
        let dialer = crate::ingest::dial::Dialer::new(None, None, 1 << 20, tls_errors).unwrap();
        let client = dialer.http(&url.parse().unwrap()).unwrap();
        let ask =
            || async { Error::Unreachable(Operation::Create, client.post(&url).send().await.unwrap_err()) };
        let (cut_off, ()) = tokio::join!(ask(), async { drop(listener.accept().await) });
        assert_eq!(cut_off.trouble(), Trouble::Unknown);
        drop(listener);
        assert_eq!(ask().await.trouble(), Trouble::NotSent);
    }

    #[test]
    fn operations_count_under_their_own_label() {
        for (index, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, index);
        }
    }
}
