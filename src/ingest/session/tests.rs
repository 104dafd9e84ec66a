//! The session under test: what it makes of answers, how one link takes over from the
//! other, and how it comes out of any faults.

use super::*;

mod carrier;
mod fault;
mod schedules;
mod takeover;
mod verdict;
mod world;
