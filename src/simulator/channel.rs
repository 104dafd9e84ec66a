//! The channels of the simulated centre, and how contacts on them differ: calls are many and impatient, e-mails take
//! long and wait long. Four of them, constant.

/// A way for contacts to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Channel {
    Voice,
    Chat,
    Email,
    Messaging,
}

/// How many channels there are.
pub(super) const CHANNELS: usize = 4;

impl Channel {
    /// All of them, in the order of [`Channel::index`].
    pub(super) const ALL: [Self; CHANNELS] = [Self::Voice, Self::Chat, Self::Email, Self::Messaging];

    /// The value of `channelId`.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Voice => "Voice",
            Self::Chat => "Chat",
            Self::Email => "Email",
            Self::Messaging => "Messaging",
        }
    }

    /// The place of this channel in an array of [`CHANNELS`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// How much of a queue's traffic comes this way.
    pub(super) const fn weight(self) -> f64 {
        match self {
            Self::Voice => 5.0,
            Self::Chat => 2.0,
            Self::Email | Self::Messaging => 1.5,
        }
    }

    /// How long handling takes, relative to the mean.
    pub(super) const fn handling(self) -> f64 {
        match self {
            Self::Voice => 1.0,
            Self::Chat => 0.9,
            Self::Email => 1.4,
            Self::Messaging => 0.7,
        }
    }

    /// How long contacts wait before they give up, relative to the mean.
    pub(super) const fn patience(self) -> f64 {
        match self {
            Self::Voice => 1.0,
            Self::Chat => 1.5,
            Self::Email => 6.0,
            Self::Messaging => 4.0,
        }
    }
}
