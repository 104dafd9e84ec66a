//! Recordings: what the feeds told their pipelines, to be told again later.
//!
//! ```text
//! feed ─► pipeline ─► tap ─► queue ─► writer ─► file, file.1, file.2 …
//!            ▲                                      │
//!            └───────────── player ◄── reader ──────┘
//! ```
//!
//! A recording is a gzip file of JSON objects, one a line, each a [`Record`]: when it was, by both
//! clocks, and what a pipeline was told: that a session begins or is lost, what AXP says of the
//! measures, an event. A pipeline is a function of that ([`crate::pipeline`]), so the same told again
//! gives the same rows, series and lines, at whatever speed.
//!
//! **Privacy holds before anything is written** (`recording/clean.rs`): an event is written anew from
//! what was read of it, with personal values dropped or hashed as `[privacy]` says at that time. What
//! could not be read as an event is recorded as the reason for which it was refused, and nothing of it.
//! The header says how values were treated, so that a replay neither hashes them again nor shows what
//! stands for a dropped key.
//!
//! In reading order: `record` (a line), `clean` (an event in it), `tap` (where pipelines tell),
//! `writer` with `parts` (the files), `reader`, `order` (of several files), `player` with `track` (what
//! pipelines are told again), and `replay`, which keeps its pace.

mod clean;
mod order;
mod parts;
mod player;
mod reader;
mod record;
mod replay;
mod tap;
mod track;
mod writer;

pub use order::in_order;
pub use player::{Player, Stage, Tally};
pub use reader::{Error, Reader};
pub use record::{Entry, Header, Record, Told};
pub use replay::{End, Progress, Replay, Speed};
pub use tap::{Recorder, Tap};
pub use writer::{OpenError, Writer};

#[cfg(test)]
mod tests;
