//! The sink of line protocol against its targets: stand-ins that answer and fail as they are
//! told, files, sockets, and real servers.

mod bench;
mod files;
mod http;
mod outage;
mod servers;
mod sockets;
mod stand_in;
