//! The HTTP side: `/metrics`, `/-/healthy`, `/-/ready`.

pub mod accept;
pub mod routes;
pub mod server;
