//! Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol.
