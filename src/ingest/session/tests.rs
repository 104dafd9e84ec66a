//! The session under test: what it makes of answers, how one link takes over from the
//! other, and how it comes out of any faults.

use super::*;

mod carrier;
mod connection;
mod fault;
mod schedules;
mod subscription;
mod takeover;
mod verdict;
mod world;
