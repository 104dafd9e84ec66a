//! Where values go: the exposition that a scrape reads, and lines for InfluxDB.

pub(crate) mod alarm;
pub(crate) mod blocking;
pub(crate) mod disk;
pub mod exposition;
pub mod gauge;
pub mod influx;
pub mod line;
pub mod queue;
pub(crate) mod rotation;
