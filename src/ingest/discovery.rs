//! Which producers there are, where the configuration names none.
//!
//! Without a list there is no feed at all. So it is asked for as long as it takes: every
//! five minutes where AXP refuses it, since a permission may yet be granted. The log says
//! which one, and how to do without; `axp_exporter_api_requests_total{operation="producers"}`
//! counts on, and `/-/ready` says what is waited for.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::failure::describe;
use crate::ingest::api::{Api, Error};
use crate::ingest::link::{REFUSED_PAUSE, RETRY_AFTER_MAX, Trouble};
use crate::ingest::pause::Pauses;

/// Most producers that are taken where the configuration names none. AXP has about ten.
pub(crate) const PRODUCERS_MAX: usize = 64;
/// Most bytes of a producer's id, by AXP's own interface.
const ID_BYTES_MAX: usize = 36;

/// Asks AXP for its interval-to-date producers until it names some.
pub async fn producers(api: &Api, mut pauses: Pauses) -> Vec<String> {
    let (mut said, mut anew) = (String::new(), false);
    loop {
        let mut pause = pauses.after_failure();
        match list(api).await {
            Ok(ids) if ids.is_empty() => warn!("AXP lists no interval-to-date producer for this account"),
            Ok(ids) => {
                info!(producers = ids.join(", "), "AXP lists producers");
                return ids;
            }
            // A token that is not taken is replaced at once, but once.
            Err(err) if err.trouble() == Trouble::Unauthorized && !anew => {
                anew = true;
                api.forget_token(Instant::now()).await;
                continue;
            }
            Err(err) => {
                anew = false;
                let (words, trouble) = (describe(&err), err.trouble());
                pause = pause.max(patience(trouble));
                if words != said {
                    let hint = format!("{}{}", err.hint(), way_without(trouble));
                    warn!(err = words, wait_seconds = pause.as_secs(), "no list of producers{hint}");
                }
                said = words;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Asks AXP once for its interval-to-date producers, of which at most 64 are taken, the first by name.
///
/// # Errors
/// What kept AXP from naming them.
pub async fn list(api: &Api) -> Result<Vec<String>, Error> {
    api.producers().await.map(usable).map(bounded)
}

fn bounded(mut ids: Vec<String>) -> Vec<String> {
    if ids.len() > PRODUCERS_MAX {
        warn!(
            producers = ids.len(),
            taken = PRODUCERS_MAX,
            "AXP lists more producers than are taken; [[producer]] blocks say which"
        );
        ids.truncate(PRODUCERS_MAX);
    }
    ids
}

/// What does without the list, to follow what went wrong.
fn way_without(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Refused | Trouble::Gone | Trouble::Conflict => {
            "; [[producer]] blocks in the configuration do without the list"
        }
        _ => "",
    }
}

/// How long a failure asks to wait at least: minutes where trying again changes nothing.
fn patience(trouble: Trouble) -> Duration {
    match trouble {
        Trouble::Refused | Trouble::Unauthorized | Trouble::Gone | Trouble::Conflict => REFUSED_PAUSE,
        Trouble::Later(after) | Trouble::NoToken(after) => after.unwrap_or_default().min(RETRY_AFTER_MAX),
        Trouble::NotSent | Trouble::Unknown => Duration::ZERO,
    }
}

/// Each id once, and only what can be one: two feeds of one producer would show every
/// series twice.
pub fn usable(ids: Vec<String>) -> Vec<String> {
    ids.into_iter().filter(|id| is_usable(id)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// True if this can be the id of a producer.
pub fn is_usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trying_again_does_not_change_is_not_tried_again_soon() {
        for trouble in [Trouble::NoToken(Some(REFUSED_PAUSE)), Trouble::Refused, Trouble::Gone] {
            assert_eq!(patience(trouble), REFUSED_PAUSE);
        }
        assert_eq!(patience(Trouble::Later(Some(Duration::from_secs(7)))), Duration::from_secs(7));
        assert_eq!(patience(Trouble::NoToken(Some(Duration::MAX))), RETRY_AFTER_MAX);
        assert_eq!(patience(Trouble::Unknown), Duration::ZERO);
    }

    #[test]
    fn each_id_is_taken_once_and_only_if_it_is_one() {
        let ids = ["Queue_itd_1.0.0", "", "Queue_itd_1.0.0", "a b", "Agent_itd_1.0.0", &"x".repeat(37)];
        assert_eq!(usable(ids.map(str::to_owned).into()), ["Agent_itd_1.0.0", "Queue_itd_1.0.0"]);
    }

    #[test]
    fn a_list_without_end_does_not_begin_as_many_feeds() {
        let listed = |count: usize| (0..count).map(|number| number.to_string()).collect();
        assert_eq!(bounded(listed(PRODUCERS_MAX)).len(), PRODUCERS_MAX);
        assert_eq!(bounded(listed(30_000)), listed(PRODUCERS_MAX));
    }
}
