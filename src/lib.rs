//! Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol.
//!
//! Modules in the order in which to read them. First what is asked for and put together,
//! then an event on its way from the socket to the two sinks, then what watches over it and what all share.

pub mod command;
pub mod config;

pub mod app;

pub mod ingest;
pub mod pipeline;
pub mod recording;

pub mod parse;

pub mod label;

pub mod table;

pub mod sink;

pub mod web;

pub(crate) mod blocking;
pub mod failure;
pub mod logging;
pub mod notify;
pub mod pulse;
pub mod reject;
pub mod reload;
pub mod signals;
pub mod telemetry;

pub mod simulator;

#[cfg(test)]
extern crate self as axp_exporter;
#[cfg(test)]
#[expect(dead_code, reason = "tests of the whole use more of it")]
#[path = "../tests/it/hang.rs"]
mod hang;
#[cfg(test)]
#[path = "../tests/it/legal.rs"]
mod legal;
#[cfg(test)]
#[path = "../fuzz/replay.rs"]
mod replay;
