//! Where events come from: AXP's REST interfaces, the websocket, and the session that
//! holds both together.
//!
//! Modules in reading order: whether we may go there ([`endpoint`]) and how ([`dial`]),
//! what we ask ([`api`], [`discovery`]) and what we hold
//! ([`ledger`]), what to do when ([`session`] with its links ([`link`]) and
//! their [`pause`], no I/O), who carries it ([`feed`]), how all feeds stand ([`feeds`]), what
//! one tells who asks ([`report`]) and what a reload makes of it ([`renewal`]), what comes of it
//! ([`event`]), who is kept for which producer where events come without feeds (`roster`), what a
//! server's answer means (`status`), and how its words look in a log (`words`).

pub mod api;
pub mod dial;
pub mod discovery;
pub mod endpoint;
pub mod event;
pub mod feed;
pub mod feeds;
pub mod ledger;
pub mod link;
pub mod pause;
pub mod renewal;
pub mod report;
pub(crate) mod roster;
pub mod session;
pub(crate) mod status;
pub(crate) mod words;
