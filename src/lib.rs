//! Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol.

pub mod config;
pub mod ingest;
pub mod label;
pub mod parse;
pub mod pipeline;
pub mod reject;
pub mod sink;
pub mod table;
pub mod telemetry;
