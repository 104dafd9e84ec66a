//! What a link is told, and what it asks for.

use std::time::Duration;

use crate::ingest::session::Reason;

/// A call to AXP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Make a subscription.
    Create,
    /// Look for a subscription that this program made and does not know of.
    Find,
    /// See how the subscription stands.
    Get,
    /// Give the subscription more life, with a token asked for now.
    Renew,
    /// Get a token to authenticate with.
    Token,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can be connected to.
    Active,
    /// It cannot yet.
    Pending,
    /// It has ended and may be revived.
    Inactive,
    /// AXP says something that is not known: as if it were pending.
    Other,
}

impl Status {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Active, Self::Pending, Self::Inactive, Self::Other];

    /// The value of the `status` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Inactive => "inactive",
            Self::Other => "other",
        }
    }

    /// Reads what AXP says.
    #[must_use]
    pub fn read(word: &str) -> Self {
        let said = |status: &Self| status.label().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(said).unwrap_or(Self::Other)
    }
}

/// A subscription, as an answer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub status: Status,
    /// How long it will live.
    pub life: Option<Duration>,
    /// The longest time between pings that the server allows.
    pub ping_interval: Option<Duration>,
    /// True if a token may go to its endpoint.
    pub endpoint_allowed: bool,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No token, and how long asking again is pointless, where that is known.
    NoToken(Option<Duration>),
    /// Nobody was reached: nothing was done.
    NotSent,
    /// The token is not taken (401).
    Unauthorized,
    /// Refused for good (400, 403 and the like).
    Refused,
    /// There is no such subscription (404).
    Gone,
    /// There are too many subscriptions (409).
    Conflict,
    /// Not now; the server may have asked for patience (429, 503).
    Later(Option<Duration>),
    /// Nobody knows whether it was done (other 5xx, no answer, an answer without sense).
    Unknown,
}

/// What the answer to authentication says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Events may come.
    Confirmed,
    /// The token is not taken.
    InvalidToken,
    /// There is no such subscription, or no longer.
    UnknownSubscription,
    /// The server is in trouble.
    ServerError,
    /// The message was wrong.
    ConstraintViolation,
    /// Something that is not known: as if the server were in trouble.
    Other,
}

impl Verdict {
    /// Every verdict, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Confirmed,
        Self::InvalidToken,
        Self::UnknownSubscription,
        Self::ServerError,
        Self::ConstraintViolation,
        Self::Other,
    ];

    /// The value of the `status` label: as AXP writes it, without what all have in common.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::InvalidToken => "invalid_token",
            Self::UnknownSubscription => "unknown_subscription",
            Self::ServerError => "internal_server_error",
            Self::ConstraintViolation => "constraint_violation",
            Self::Other => "other",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The call under way brought the subscription; with [`Call::Find`], there is one.
    Subscription(Standing),
    /// [`Call::Find`] found none.
    NotFound,
    /// [`Call::Token`] brought one.
    Token,
    /// The call under way brought nothing.
    Trouble(Trouble),
    /// The websocket is open.
    Opened,
    /// A server answered the request for a websocket otherwise: what that means.
    TurnedAway(Trouble),
    /// The answer to authentication came.
    Authentication(Verdict),
    /// An event of the producer came.
    Event,
    /// Another frame came: a sign of life and no more.
    Frame,
    /// A pong came.
    Pong,
    /// The websocket is gone, or could not be opened, for this reason.
    Broken(Reason),
    /// The server closed the websocket over its policy (1008), as some do where a token is not
    /// taken.
    Expelled,
    /// A snapshot of this session closed.
    SnapshotClosed,
    /// The machine slept: nothing that was up can be trusted.
    Woke,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Make a call; its end is to be reported.
    Call(Call),
    /// Forget the token in use, then make the call.
    CallAnew(Call),
    /// Open the websocket.
    Connect,
    /// Send the authentication message.
    Authenticate,
    /// Events follow.
    Begin,
    /// Send a ping.
    Ping,
    /// Nothing came in two sessions: the producer has no rows.
    AcceptEmpty,
    /// Close the websocket, if there is one: the session is over for this reason.
    Close(Reason),
    /// The same, and end the subscription: it is of no use.
    Abandon(Reason),
    /// The subscription is lost though the websocket works: another link is to take over.
    Replace,
}
