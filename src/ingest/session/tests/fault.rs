//! What may go wrong in the world, and how often.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The credentials are refused.
    NoToken,
    /// The token endpoint asks for patience.
    NoTokenNow,
    /// A call is refused for good.
    Refused,
    /// A token that should do is not taken.
    Unauthorized,
    /// A call reaches nobody.
    NotSent,
    /// A call is to be made later.
    Later,
    /// A call is not done and fails.
    NotDone,
    /// A call is done and its answer lost.
    AnswerLost,
    /// An answer takes its time.
    SlowAnswer,
    /// There are too many subscriptions.
    Conflict,
    /// A new subscription is PENDING for some time.
    Pending,
    /// A new subscription's endpoint is a foreign one.
    Foreign,
    /// A renewal does not extend.
    NotExtended,
    /// A renewal does not revive.
    NotRevived,
    /// The websocket cannot be opened.
    NoSocket,
    /// The request for a websocket is answered otherwise.
    TurnedAway,
    /// The websocket refuses the token.
    InvalidToken,
    /// The websocket does not know the subscription.
    UnknownSubscription,
    /// The websocket is in trouble.
    ServerError,
    /// The websocket does not like our message.
    ConstraintViolation,
    /// The websocket does not answer to authentication.
    NoVerdict,
    /// The websocket is closed instead of an answer to authentication.
    ClosedAtOnce,
    /// The websocket is closed soon after it was accepted.
    ClosedSoon,
    /// The websocket falls silent some time.
    FallsSilent,
    /// The websocket holds up what is sent for a while.
    Stalls,
    /// No event comes, though pongs do.
    NoEvents,
    /// The snapshot takes its time.
    SlowSnapshot,
    /// All websockets are closed.
    CloseAll,
    /// What closes a websocket is the server's policy.
    Expelled,
    /// What closes a websocket is a message over the limit.
    Oversized,
    /// What closes a websocket is a frame that is not of the protocol.
    Protocol,
    /// The subscriptions vanish.
    Vanish,
    /// The subscriptions become INACTIVE.
    Deactivate,
    /// The machine sleeps.
    Sleep,
}

impl Fault {
    pub(super) const ALL: [Self; 34] = [
        Self::NoToken,
        Self::NoTokenNow,
        Self::Refused,
        Self::Unauthorized,
        Self::NotSent,
        Self::Later,
        Self::NotDone,
        Self::AnswerLost,
        Self::SlowAnswer,
        Self::Conflict,
        Self::Pending,
        Self::Foreign,
        Self::NotExtended,
        Self::NotRevived,
        Self::NoSocket,
        Self::TurnedAway,
        Self::InvalidToken,
        Self::UnknownSubscription,
        Self::ServerError,
        Self::ConstraintViolation,
        Self::NoVerdict,
        Self::ClosedAtOnce,
        Self::ClosedSoon,
        Self::FallsSilent,
        Self::Stalls,
        Self::NoEvents,
        Self::SlowSnapshot,
        Self::CloseAll,
        Self::Expelled,
        Self::Oversized,
        Self::Protocol,
        Self::Vanish,
        Self::Deactivate,
        Self::Sleep,
    ];
}

/// How likely each fault is at each occasion, percent. Most schedules know few faults, and
/// those well: a link that fails at its first call sees nothing of the rest.
#[derive(Debug)]
pub(super) struct Chances([u32; Fault::ALL.len()]);

impl Chances {
    pub(super) fn any(random: &mut StdRng) -> Self {
        let variety = one_of(&[1, 2, 6], random);
        Self(
            Fault::ALL.map(|_| {
                if random.random_ratio(variety, 20) { one_of(&[3, 15, 40, 100], random) } else { 0 }
            }),
        )
    }

    /// Those that have one session take over from another again and again, each at its own
    /// pace, and some of the new ones break.
    pub(super) fn of_takeovers(random: &mut StdRng) -> Self {
        let mut chances = Self::none();
        chances.0[Fault::Vanish as usize] = 100;
        for fault in [Fault::ClosedSoon, Fault::FallsSilent, Fault::SlowSnapshot, Fault::Stalls] {
            chances.0[fault as usize] = one_of(&[0, 15, 40, 100], random);
        }
        chances
    }

    pub(super) const fn none() -> Self {
        Self([0; Fault::ALL.len()])
    }

    pub(super) fn strikes(&self, fault: Fault, random: &mut StdRng) -> bool {
        let percent = self.0[fault as usize];
        percent > 0 && random.random_ratio(percent, 100)
    }
}

/// One of these.
pub(super) fn one_of<T: Copy>(choices: &[T], random: &mut impl Rng) -> T {
    choices[random.random_range(0..choices.len())]
}

/// A time up to this one.
pub(super) fn up_to(max: Duration, random: &mut impl Rng) -> Duration {
    random.random_range(Duration::ZERO..=max)
}
