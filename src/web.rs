//! The HTTP side: `/metrics`, `/-/healthy`, `/-/ready`, and the status page with its JSON.
//!
//! [`server`] accepts at each [`listener`], [`tls`] begins and [`connection`] carries one client,
//! which [`patient`] waits for; [`door`] lets a request in as [`config`] has it ([`auth`],
//! [`bucket`]), in the [`timeout`] that its client has; [`routes`] answers it. A scrape is
//! negotiated ([`accept`]), its [`wish`] rendered ([`rendering`], [`part`]) and shared
//! ([`sharing`]) in one of few [`places`], and read ([`body`], [`readers`]). What the page shows is
//! made by [`status`].

pub mod accept;
pub mod auth;
pub mod body;
pub mod bucket;
pub mod config;
pub mod connection;
pub mod door;
pub mod listener;
pub mod part;
pub mod patient;
pub mod places;
pub mod readers;
pub mod rendering;
pub mod routes;
pub mod scrape;
pub mod server;
pub mod sharing;
pub mod status;
pub mod timeout;
pub mod tls;
pub mod wish;

#[cfg(test)]
mod tests;
