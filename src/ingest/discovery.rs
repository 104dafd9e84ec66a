//! Which producers there are, where the configuration names none.

use tracing::{info, warn};

use crate::failure::describe;
use crate::ingest::api::Api;
use crate::ingest::pause::Pauses;

/// Asks AXP for its interval-to-date producers until it answers.
pub async fn producers(api: &Api, mut pauses: Pauses) -> Vec<String> {
    loop {
        match api.producers().await {
            Ok(ids) if ids.is_empty() => {
                warn!("AXP lists no interval-to-date producer for this account");
            }
            Ok(ids) => {
                info!(producers = ids.join(", "), "AXP lists producers");
                return ids;
            }
            Err(err) => warn!(err = describe(&err), "no list of producers"),
        }
        tokio::time::sleep(pauses.after_failure()).await;
    }
}
