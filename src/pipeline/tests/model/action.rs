//! What is done to a pipeline: events as AXP sends them and as it does not, sessions that come and go,
//! time, and configurations.

use std::fmt::Write;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::super::harness::{QUIET, STALE};
use super::settings::{Settings, pick};

/// Which row: its queue, and perhaps who logged in to it.
pub(super) type Key = (&'static str, Option<&'static str>);
/// A measure and its value, as text; none is `null`.
pub(super) type Sent = (&'static str, Option<&'static str>);

/// What each measure may come with.
const VALUES: [(&str, &[Option<&str>]); 8] = [
    ("answered", &[Some("0"), Some("1"), Some("17"), Some("x"), Some(""), None]),
    ("Answered", &[Some("3"), Some("4")]),
    ("activeDuration", &[Some("5"), Some("1500.5"), Some("1e400"), Some("N/A")]),
    ("agentState", &[Some("READY"), Some("AWAY"), Some("BUSY"), Some("N/A")]),
    ("queueName", &[Some("North"), Some("North"), Some("So\"u, th=\u{e9}"), Some("N/A")]),
    ("level", &[Some("3"), Some("true"), Some("false"), Some("High"), Some("")]),
    ("timeInState", &[Some("1643645393849"), Some("0"), Some("x")]),
    ("agentFirstName", &[Some("Ann"), Some("Bob"), Some("")]),
];
const QUEUES: [&str; 4] = ["a", "b", "c", "d"];

/// An event.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Of the session that is being replaced.
    pub(super) is_outgoing: bool,
    pub(super) is_live: bool,
    pub(super) is_delete: bool,
    pub(super) key: Key,
    pub(super) measures: Vec<Sent>,
}

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Event(Told),
    /// A frame that is no event.
    Junk,
    /// Another session begins, beside the one before it if that is still there.
    Open,
    /// The session breaks: the one that takes over, if there are two.
    Break,
    /// The session that is being replaced breaks.
    OutgoingBreaks,
    /// The session is believed to have no rows.
    AcceptEmpty,
    /// Nothing could be taken for this time.
    Postpone(Duration),
    Pass(Duration),
    /// The wall clock is set, seconds forward or back.
    SetWall(i64),
    Reload(Settings),
    /// The sink that is away takes what waits for it.
    Drain,
    /// Somebody scrapes in every format.
    Scrape,
}

/// What is likely to come next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prospect {
    /// Sessions come and go.
    pub(super) is_restless: bool,
    /// Events of a snapshot are to be expected.
    pub(super) is_snapshot: bool,
    /// There are two sessions.
    pub(super) has_two: bool,
}

impl Action {
    pub(super) fn any(random: &mut StdRng, prospect: Prospect) -> Self {
        let kinds = if prospect.is_restless && random.random_bool(0.3) { 59..86 } else { 0..100 };
        match random.random_range(kinds) {
            0..58 => Self::Event(Told::any(random, prospect)),
            58 => Self::Junk,
            59..65 => Self::Open,
            65..69 => Self::Break,
            69 => Self::OutgoingBreaks,
            70 => Self::AcceptEmpty,
            71 => Self::Postpone(QUIET / 2),
            72..86 => {
                let times = [QUIET / 10, QUIET / 10, QUIET / 2, QUIET, QUIET, STALE / 2, STALE];
                Self::Pass(pick(&times, random))
            }
            86 => Self::SetWall(pick(&[-3600, 3600], random)),
            87..92 => Self::Reload(Settings::any(random)),
            92..96 => Self::Drain,
            _ => Self::Scrape,
        }
    }
}

impl Told {
    fn any(random: &mut StdRng, Prospect { is_snapshot, has_two, .. }: Prospect) -> Self {
        let count = random.random_range(0..=4);
        let mut measures = Vec::new();
        for _ in 0..count {
            let (name, values) = pick(&VALUES, random);
            // Twice in one event a measure comes seldom.
            if random.random_bool(0.05) || measures.iter().all(|(known, _)| *known != name) {
                measures.push((name, pick(values, random)));
            }
        }
        let logins = [None, None, None, Some("joe")];
        Self {
            is_outgoing: random.random_bool(if has_two { 0.4 } else { 0.02 }),
            is_live: !random.random_bool(if is_snapshot { 0.8 } else { 0.1 }),
            is_delete: random.random_bool(0.12),
            key: (pick(&QUEUES, random), pick(&logins, random)),
            measures,
        }
    }

    /// The frame.
    pub(super) fn frame(&self) -> String {
        let phase = if self.is_live { "LIVE" } else { "INITIALIZING" };
        let action = if self.is_delete { "DELETE" } else { "UPSERT" };
        let login = self.key.1.map_or(String::new(), |login| format!(r#","agentLoginId":"{login}""#));
        let mut frame = format!(
            r#"{{"keys":{{"queueId":"{}"{login}}},"payloadType":"{phase}","eventAction":"{action}","measures":{{"#,
            self.key.0
        );
        for (index, (name, value)) in self.measures.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let value = serde_json::to_string(value).unwrap();
            write!(frame, "{comma}\"{name}\":{value}").unwrap();
        }
        frame + "}}"
    }
}
