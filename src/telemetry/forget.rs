//! What goes when a producer is configured no more: series of it that stay would look like a feed
//! that is down.

use super::{ByCause, ByEvent, ByProducer, ByReconnect, ByStatus, Telemetry, UNKNOWN};
use crate::ingest::event::{Action, PayloadType};
use crate::ingest::link::{Status, Verdict};
use crate::ingest::session::Reason;
use crate::reject::RetireCause;

impl Telemetry {
    /// Takes out every series of a producer.
    pub fn forget(&self, producer_id: &str) {
        let producer = || producer_id.to_owned();
        let by_producer = ByProducer { measure_producer_id: producer() };
        for gauges in [&self.feed_up, &self.feed_snapshot_complete, &self.rows, &self.series] {
            gauges.remove(&by_producer);
        }
        for gauges in [&self.feed_last_event, &self.feed_ping, &self.subscription_expiry] {
            gauges.remove(&by_producer);
        }
        self.events_applied.remove(&by_producer);
        self.feed_faults.remove(&by_producer);
        for status in Status::ALL {
            let labels = ByStatus { measure_producer_id: producer(), status: status.label() };
            self.subscription_status.remove(&labels);
        }
        for verdict in Verdict::ALL {
            let labels = ByStatus { measure_producer_id: producer(), status: verdict.label() };
            self.authentications.remove(&labels);
        }
        for reason in Reason::ALL {
            let labels = ByReconnect { measure_producer_id: producer(), reason: reason.label() };
            self.reconnects.remove(&labels);
        }
        for cause in RetireCause::ALL {
            let labels = ByCause { measure_producer_id: producer(), cause: cause.label() };
            self.rows_retired.remove(&labels);
        }
        let kinds = PayloadType::ALL
            .iter()
            .flat_map(|payload| Action::ALL.map(|action| (payload.label(), action.label())));
        for (payload_type, event_action) in kinds.chain([(UNKNOWN, UNKNOWN)]) {
            self.events.remove(&ByEvent { measure_producer_id: producer(), payload_type, event_action });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_producer_and_all_of_the_others() {
        let telemetry = Telemetry::new(7);
        let page = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, telemetry.registry()).unwrap();
            text
        };
        for id in ["Q_1", "A_1"] {
            let _ = telemetry.pipeline(id);
            let _ = telemetry.feed(id);
            telemetry.set_held(id, 1, 2);
        }
        let count = |id: &str| page().lines().filter(|line| line.contains(id)).count();
        let before = count("A_1");
        assert_eq!(count("Q_1"), before);
        telemetry.forget("Q_1");
        assert_eq!((count("Q_1"), count("A_1")), (0, before));
        // A rendering that began before ends now.
        telemetry.set_held("Q_1", 1, 2);
        assert_eq!(count("Q_1"), 0);
    }
}
