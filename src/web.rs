//! The HTTP side: `/metrics`, `/-/healthy`, `/-/ready`, and the status page with its JSON.
//!
//! [`server`] accepts, [`connection`] carries one client, [`routes`] answers a request; a
//! scrape is negotiated ([`accept`]), rendered ([`rendering`], [`part`]) and shared
//! ([`sharing`]). What the page shows is made by [`status`].

pub mod accept;
pub mod body;
pub mod connection;
pub mod part;
pub mod rendering;
pub mod routes;
pub mod scrape;
pub mod server;
pub mod sharing;
pub mod status;

#[cfg(test)]
mod tests;
