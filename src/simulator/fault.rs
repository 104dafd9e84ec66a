//! A fault: something that can go wrong with AXP, made to go wrong on request.
//!
//! Some act at once on open sockets, the others wait for the next request or socket they fit and are used up after
//! `times` of them (`null`: never). Their JSON is `{"fault": "<name>", …}`; unknown names and fields, and values that
//! cannot be acted on, are refused with what would be right.

use std::{collections::BTreeMap, fmt};

use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{faults::FAULTS_MAX, measures::Producer, operation::Operation};

/// Longest delay or silence that is not for ever, in seconds.
const SECONDS_MAX: f64 = 86_400.0;

/// Something to go wrong. `producer` limits it to sockets of one producer, absent means all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// At once: closes sockets with a close frame.
    Close {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
        /// Close code, 1000 to 4999 without those that are never sent.
        #[serde(default = "going_away")]
        code: u16,
        /// Close reason, at most 123 bytes.
        #[serde(default)]
        reason: String,
    },
    /// At once: resets the TCP connections of sockets.
    Reset {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
    },
    /// At once: sockets stay open and say nothing more, not even pong; what would have been said is lost.
    Silence {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
        /// For how long; absent means for ever.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// At once: sends a frame of any content.
    Frame {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
        /// The content as text.
        #[serde(default)]
        text: Option<String>,
        /// The content as hexadecimal digits.
        #[serde(default)]
        hex: Option<String>,
        /// Whether the frame says it is binary.
        #[serde(default)]
        binary: bool,
    },
    /// At once: sets subscriptions to INACTIVE.
    Expire {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
        /// Whether their sockets are closed too.
        #[serde(default = "yes")]
        close: bool,
    },
    /// At once: no token issued so far is valid any more.
    RevokeTokens {},
    /// At once: forgets the faults that wait.
    Clear {},
    /// Answers an operation with this, whatever was asked.
    Answer {
        /// Which operation.
        operation: Operation,
        /// HTTP status.
        status: u16,
        /// Headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Body.
        #[serde(default)]
        body: String,
        /// Whether the operation is carried out nevertheless.
        #[serde(default)]
        perform: bool,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Closes the connection instead of answering.
    DropAnswer {
        /// Which operation.
        operation: Operation,
        /// Whether the operation is carried out nevertheless.
        #[serde(default)]
        perform: bool,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Answers late.
    Delay {
        /// Which operation.
        operation: Operation,
        /// How late.
        seconds: f64,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Changes one place of a JSON answer.
    Rewrite {
        /// Which operation.
        operation: Operation,
        /// The place, as a JSON pointer such as `/transport/pingInterval`.
        pointer: String,
        /// What stands there instead, any JSON; absent takes the place away.
        #[serde(default, deserialize_with = "present")]
        value: Option<Value>,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Tells another endpoint in the answers that carry a subscription.
    Endpoint {
        /// The endpoint, `{path}` in it being the path of its own; `null` or absent leaves it out.
        #[serde(default)]
        endpoint: Option<String>,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Subscriptions created from now on are PENDING.
    Pending {
        /// For this many GETs; `null` or absent means for ever.
        #[serde(default)]
        polls: Option<u32>,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Answers the authentication of a socket with this status and closes it.
    RefuseAuthentication {
        /// The status, a documented one or any other text.
        status: String,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Sends the snapshot otherwise.
    Snapshot {
        /// Id of the producer.
        #[serde(default)]
        producer: Option<String>,
        /// Sends only that many rows: 0 for none.
        #[serde(default)]
        rows: Option<usize>,
        /// Waits before each row.
        #[serde(default)]
        seconds_per_row: f64,
        /// Closes the socket after the last row.
        #[serde(default)]
        then_close: bool,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
    /// Accepts and then closes.
    AcceptThenClose {
        /// A TCP connection or an upgraded socket.
        at: At,
        /// Whether by a reset.
        #[serde(default)]
        reset: bool,
        /// How often.
        #[serde(default = "once")]
        times: Option<u32>,
    },
}

/// Where [`Fault::AcceptThenClose`] closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Before a byte of HTTP is read.
    Connection,
    /// After the upgrade to a websocket, before authentication.
    Upgrade,
}

/// A fault that cannot be injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultError {
    /// A field is out of range.
    Field {
        /// Its name.
        field: &'static str,
        /// What was found.
        found: String,
        /// What would be right.
        right: &'static str,
    },
    /// Too many faults wait already.
    TooMany,
}

impl fmt::Display for FaultError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { field, found, right } => write!(formatter, "{field} is {found}, expected {right}"),
            Self::TooMany => write!(formatter, "{FAULTS_MAX} faults wait already, clear them first"),
        }
    }
}

impl std::error::Error for FaultError {}

fn going_away() -> u16 {
    1001
}

fn yes() -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u32> {
    Some(1)
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Fault {
    /// Refuses values that could not be acted on.
    ///
    /// # Errors
    /// Names the field, what was found and what would be right.
    pub fn check(&self) -> Result<(), FaultError> {
        let refuse = |field, found: &dyn fmt::Display, right| {
            Err(FaultError::Field { field, found: found.to_string(), right })
        };
        if let Some(id) = self.producer()
            && Producer::from_id(id).is_none()
        {
            return refuse("producer", &id, "the id of a listed producer such as Queue_itd_1.0.0");
        }
        let seconds = |seconds: &f64| (0.0..=SECONDS_MAX).contains(seconds);
        match self {
            Self::Close { code, .. }
                if !(1000..5000).contains(code) || matches!(code, 1004..=1006 | 1015) =>
            {
                refuse("code", code, "1000 to 4999 without 1004, 1005, 1006 and 1015")
            }
            Self::Close { reason, .. } if reason.len() > 123 => {
                refuse("reason", &reason.len(), "at most 123 bytes")
            }
            Self::Silence { seconds: Some(span), .. }
            | Self::Delay { seconds: span, .. }
            | Self::Snapshot { seconds_per_row: span, .. }
                if !seconds(span) =>
            {
                refuse("seconds", span, "0 to 86400")
            }
            Self::Frame { text, hex, .. } if text.is_some() == hex.is_some() => {
                refuse("frame", &"neither or both of text and hex", "one of them")
            }
            Self::Frame { hex: Some(hex), .. } if bytes(hex).is_none() => {
                refuse("hex", hex, "an even number of hexadecimal digits")
            }
            Self::Answer { status, .. } if !(200..1000).contains(status) => {
                refuse("status", status, "200 to 999")
            }
            Self::Answer { headers, .. } => {
                let bad = headers.iter().find(|(name, value)| {
                    HeaderName::try_from(name.as_str()).is_err()
                        || HeaderValue::try_from(value.as_str()).is_err()
                });
                bad.map_or(Ok(()), |(name, _)| refuse("headers", name, "legal names and values"))
            }
            Self::Rewrite { pointer, .. } if !pointer.starts_with('/') => {
                refuse("pointer", pointer, "a JSON pointer such as /transport/pingInterval")
            }
            _ => Ok(()),
        }
    }

    /// The producer it is limited to.
    pub(super) fn producer(&self) -> Option<&str> {
        match self {
            Self::Close { producer, .. }
            | Self::Reset { producer }
            | Self::Silence { producer, .. }
            | Self::Frame { producer, .. }
            | Self::Expire { producer, .. }
            | Self::Snapshot { producer, .. } => producer.as_deref(),
            _ => None,
        }
    }

    /// How many requests or sockets it is for, `None` for all to come.
    pub(super) fn times(&self) -> Option<u32> {
        match self {
            Self::Answer { times, .. }
            | Self::DropAnswer { times, .. }
            | Self::Delay { times, .. }
            | Self::Rewrite { times, .. }
            | Self::Endpoint { times, .. }
            | Self::Pending { times, .. }
            | Self::RefuseAuthentication { times, .. }
            | Self::Snapshot { times, .. }
            | Self::AcceptThenClose { times, .. } => *times,
            _ => Some(1),
        }
    }

    /// The operation it waits for.
    pub(super) fn operation(&self) -> Option<Operation> {
        match self {
            Self::Answer { operation, .. }
            | Self::DropAnswer { operation, .. }
            | Self::Delay { operation, .. }
            | Self::Rewrite { operation, .. } => Some(*operation),
            _ => None,
        }
    }
}

/// The bytes of hexadecimal digits.
pub(super) fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digits = |at| hex.get(at..at + 2).and_then(|pair: &str| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(digits).collect()
}
