//! Who owns which metric name, over all producers.
//!
//! Two measures, or two producers, may fall on one name. The first keeps it for as long as the
//! configuration holds; the other is refused, so that no family and no field ever has two
//! sources or changes its type.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Names that begin so belong to the exporter itself.
pub const RESERVED_PREFIX: &str = "axp_exporter_";

/// The metric names taken so far. Locked only when a measure is seen for the first time.
#[derive(Debug, Default)]
pub struct Names {
    owners: Mutex<HashMap<String, (String, String)>>,
}

impl Names {
    /// Takes `metric` for a producer's measure; true if it is theirs, now or already.
    pub fn claim(&self, metric: &str, producer_id: &str, measure: &str) -> bool {
        if metric.starts_with(RESERVED_PREFIX) {
            return false;
        }
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let owner =
            owners.entry(metric.to_owned()).or_insert_with(|| (producer_id.to_owned(), measure.to_owned()));
        owner.0 == producer_id && owner.1 == measure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keeps_a_name() {
        let names = Names::default();
        assert!(names.claim("axp_queue_itd_answered", "Queue_itd_1.0.0", "Answered"));
        assert!(names.claim("axp_queue_itd_answered", "Queue_itd_1.0.0", "Answered"));
        assert!(!names.claim("axp_queue_itd_answered", "Queue_itd_1.0.0", "answered"));
        assert!(!names.claim("axp_queue_itd_answered", "Queue_itd_2.0.0", "Answered"));
    }

    #[test]
    fn the_exporters_own_names_are_taken() {
        assert!(!Names::default().claim("axp_exporter_rows", "Exporter_itd", "rows"));
    }
}
