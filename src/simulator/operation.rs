//! The operations a client may ask for: a closed set, for counting and for faults.

use serde::{Deserialize, Serialize};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Asks for a token.
    Token,
    /// Creates a subscription.
    Create,
    /// Lists subscriptions.
    List,
    /// Gets one subscription.
    Get,
    /// Renews a subscription.
    Renew,
    /// Deletes a subscription.
    Delete,
    /// Lists measure producers.
    Producers,
    /// Gets one measure producer.
    Producer,
    /// Lists the locales of a producer's dictionaries.
    Locales,
    /// Gets a dictionary.
    Dictionary,
    /// Opens a websocket.
    Upgrade,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Token,
        Self::Create,
        Self::List,
        Self::Get,
        Self::Renew,
        Self::Delete,
        Self::Producers,
        Self::Producer,
        Self::Locales,
        Self::Dictionary,
        Self::Upgrade,
    ];

    /// The word used in faults and counts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Create => "create",
            Self::List => "list",
            Self::Get => "get",
            Self::Renew => "renew",
            Self::Delete => "delete",
            Self::Producers => "producers",
            Self::Producer => "producer",
            Self::Locales => "locales",
            Self::Dictionary => "dictionary",
            Self::Upgrade => "upgrade",
        }
    }
}
