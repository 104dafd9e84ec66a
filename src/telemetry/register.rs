//! Registering: what each family is called, and what it says of itself.

use prometheus_client::registry::Registry;

use super::{ByFormat, ByOutcome, ByReason, Telemetry};
use crate::reject::{EventReject, ReadingReject, RowReject};

impl Telemetry {
    pub(super) fn register_feeds(&self, registry: &mut Registry) {
        registry.register(
            "axp_exporter_feed_up",
            "1 while the feed is connected and authenticated",
            self.feed_up.clone(),
        );
        registry.register(
            "axp_exporter_feed_last_event_timestamp_seconds",
            "When the last event came, 0 before the first",
            self.feed_last_event.clone(),
        );
        registry.register(
            "axp_exporter_feed_snapshot_complete",
            "1 once a snapshot of the current session has closed",
            self.feed_snapshot_complete.clone(),
        );
        registry.register(
            "axp_exporter_feed_ping_seconds",
            "How long the last answered ping took",
            self.feed_ping.clone(),
        );
        registry.register(
            "axp_exporter_subscription_expiry_timestamp_seconds",
            "When the subscription ends unless renewed, 0 without one",
            self.subscription_expiry.clone(),
        );
        registry.register(
            "axp_exporter_subscription_status",
            "1 for how AXP said last that the subscription stands, 0 for all without one",
            self.subscription_status.clone(),
        );
        registry.register(
            "axp_exporter_authentications",
            "Answers to authentication on the websocket",
            self.authentications.clone(),
        );
        registry.register(
            "axp_exporter_token_expiry_timestamp_seconds",
            "When the access token ends, 0 without one",
            self.token_expiry.clone(),
        );
        registry.register(
            "axp_exporter_reconnects",
            "Sessions that ended, by what ended them",
            self.reconnects.clone(),
        );
        registry.register(
            "axp_exporter_feed_faults",
            "Times a fault of the exporter's own ended the feed, which then began anew",
            self.feed_faults.clone(),
        );
        registry.register(
            "axp_exporter_api_requests",
            "Requests to AXP's REST interfaces",
            self.api_requests.clone(),
        );
        registry.register(
            "axp_exporter_tls_errors",
            "Connections to AXP that TLS kept from being made",
            self.tls_errors.clone(),
        );
    }

    pub(super) fn register_events(&self, registry: &mut Registry) {
        registry.register("axp_exporter_events", "Events received", self.events.clone());
        registry.register(
            "axp_exporter_events_applied",
            "Events that took effect",
            self.events_applied.clone(),
        );
        registry.register("axp_exporter_events_rejected", "Events refused", self.events_rejected.clone());
        registry.register(
            "axp_exporter_readings",
            "Values of measures received in events that were read",
            self.readings.clone(),
        );
        registry.register(
            "axp_exporter_readings_rejected",
            "Values of measures refused",
            self.readings_rejected.clone(),
        );
        registry.register("axp_exporter_rows", "Rows held", self.rows.clone());
        registry.register("axp_exporter_series", "Series shown", self.series.clone());
        registry.register("axp_exporter_rows_retired", "Rows removed", self.rows_retired.clone());
        registry.register(
            "axp_exporter_rows_refused",
            "Rows not shown when they came",
            self.rows_refused.clone(),
        );
    }

    pub(super) fn register_outputs(&self, registry: &mut Registry) {
        registry.register("axp_exporter_scrapes", "Scrapes let in", self.scrapes.clone());
        registry.register(
            "axp_exporter_scrapes_refused",
            "Scrapes answered with 503, as too many at once or not done in the scraper's time, or read too slowly",
            self.scrapes_refused.clone(),
        );
        registry.register(
            "axp_exporter_http_refused",
            "Connections that could not be accepted, and requests turned away at the door, by the reason",
            self.http_refused.clone(),
        );
        registry.register(
            "axp_exporter_scrape_duration_seconds",
            "How long a scrape took until its answer was there",
            self.scrape_duration.clone(),
        );
        self.influx.register(registry);
        self.recording.register(registry);
    }

    /// Creates the series whose labels are known beforehand.
    pub(super) fn prepare(&self) {
        for reason in EventReject::ALL {
            let _ = self.events_rejected.get_or_create(&ByReason { reason: reason.label() });
        }
        for reason in ReadingReject::ALL {
            let _ = self.readings_rejected.get_or_create(&ByReason { reason: reason.label() });
        }
        for reason in RowReject::ALL {
            let _ = self.rows_refused.get_or_create(&ByReason { reason: reason.label() });
        }
        for outcome in ["applied", "absent", "denied", "rejected"] {
            let _ = self.readings.get_or_create(&ByOutcome { outcome });
        }
        for reason in ["busy", "slow", "timeout"] {
            let _ = self.scrapes_refused.get_or_create(&ByReason { reason });
        }
        for reason in ["accept", "busy", "rate", "unauthorized"] {
            let _ = self.http_refused.get_or_create(&ByReason { reason });
        }
        for format in ["text", "openmetrics"] {
            let _ = self.scrapes.get_or_create(&ByFormat { format });
        }
    }
}
