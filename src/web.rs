//! The HTTP side: `/metrics`, `/-/healthy`, `/-/ready`.
//!
//! [`server`] accepts, [`connection`] carries one client, [`routes`] answers a request; a
//! scrape is negotiated ([`accept`]), rendered ([`rendering`], [`part`]) and shared
//! ([`sharing`]).

pub mod accept;
pub mod body;
pub mod connection;
pub mod part;
pub mod rendering;
pub mod routes;
pub mod scrape;
pub mod server;
pub mod sharing;

#[cfg(test)]
mod tests;
