//! The sink of line protocol against its targets: stand-ins that answer and fail as they are
//! told, files, sockets, and real servers.

mod bench;
mod disks;
mod ends;
mod files;
mod http;
mod outage;
pub(crate) mod servers;
mod slow;
mod sockets;
pub(crate) mod stand_in;
mod trust;
