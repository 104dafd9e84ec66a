//! The exporter as its users meet it: over sockets, through the program, beside its peers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "a test that finds something else than it expects is to stop right there"
)]

mod autobahn;
mod boards;
mod browser;
mod canary;
mod commands;
mod customer;
mod demo;
mod docs;
mod door;
mod examples;
mod explain;
mod feed;
mod filter;
mod front;
mod hang;
mod influx;
mod legal;
mod link;
mod memory;
mod packages;
mod peers;
mod process;
mod producers;
mod record;
mod reload;
mod rig;
mod scrape;
mod server;
mod session;
mod soak;
mod status;
mod subscription;
mod support;
mod systemd;
mod telegraf;
mod token;
mod websocket;
