//! The HTTP side: `/metrics`, `/-/healthy`, `/-/ready`, and the status page with its JSON.
//!
//! [`server`] accepts at each [`listener`], [`tls`] begins and [`connection`] carries one client,
//! [`door`] lets a request in as [`config`] has it ([`auth`], [`bucket`]), [`routes`] answers it; a
//! scrape is negotiated ([`accept`]), rendered ([`rendering`], [`part`]) and shared
//! ([`sharing`]). What the page shows is made by [`status`].

pub mod accept;
pub mod auth;
pub mod body;
pub mod bucket;
pub mod config;
pub mod connection;
pub mod door;
pub mod listener;
pub mod part;
pub mod places;
pub mod rendering;
pub mod routes;
pub mod scrape;
pub mod server;
pub mod sharing;
pub mod status;
pub mod tls;

#[cfg(test)]
mod tests;
