//! A call to AXP: what kinds there are, how they end, and why one gave nothing.

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::SecretError;
use crate::label::labels::clean_value;

/// Most bytes of the server's own words in an error.
const DETAIL_BYTES_MAX: usize = 200;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A token.
    Token,
    /// A new subscription.
    Create,
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
    pub(super) const ALL: [Self; 7] = [
        Self::Token,
        Self::Create,
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

/// Why a call gave nothing.
#[derive(Debug)]
pub enum Error {
    /// A secret cannot be read.
    Secret(&'static str, SecretError),
    /// No answer.
    Unreachable(Operation, reqwest::Error),
    /// An answer that says no: the status, and the server's own words, cleaned and cut.
    Refused(Operation, StatusCode, String),
    /// An answer that is too long or makes no sense.
    Unreadable(Operation, &'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(key, _) => write!(formatter, "read {key}"),
            Self::Unreachable(operation, _) => {
                write!(formatter, "reach AXP ({})", operation.label())
            }
            Self::Refused(operation, status, detail) => {
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
            Self::Unreachable(_, err) => Some(err),
            Self::Refused(..) | Self::Unreadable(..) => None,
        }
    }
}

impl Error {
    /// The status of an answer that said no.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(_, status, _) => Some(*status),
            _ => None,
        }
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
        secret => words.replace(secret, "[redacted]"),
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
        let secret = SecretString::from("hush".to_owned());
        let body = r#"{"error":"invalid_client","error_description":"bad client_secret=hush"}"#;
        assert_eq!(detail(body.as_bytes(), &[&secret]), "invalid_client: bad client_secret=[redacted]");
    }

    #[test]
    fn operations_count_under_their_own_label() {
        for (index, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(*operation as usize, index);
        }
    }
}
