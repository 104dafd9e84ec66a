//! Where values go: the exposition that a scrape reads, and lines for InfluxDB.

pub mod exposition;
pub mod gauge;
pub mod influx;
pub mod line;
pub mod queue;
