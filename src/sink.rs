//! Where values go: the exposition that a scrape reads, and lines for InfluxDB.
//!
//! [`exposition`] renders what tables hold, for whoever scrapes. A [`line`](mod@line) is made of each
//! event, waits in the [`queue`] of each sink, and is delivered by the sink's task ([`influx`]), whose
//! [`gauge`] others look at, and whose alarm (`sink/alarm.rs`) says how its target fares. Recordings
//! share what disks ask for: to tell a mistake from what may pass (`sink/disk.rs`), to move full files
//! out of the way (`sink/rotation.rs`).

pub(crate) mod alarm;
pub(crate) mod disk;
pub mod exposition;
pub mod gauge;
pub mod influx;
pub mod line;
pub mod queue;
pub(crate) mod rotation;
