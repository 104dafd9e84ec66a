//! What renderings cost that scrapers share: how long they are kept, and for whom.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::sink::exposition::Pick;
use crate::web::accept::{Coding, Dialect};
use crate::web::rendering::{Source, Wish};
use crate::web::sharing::Sharing;

const TEXT: Wish = Wish::new(Dialect::Text0, Coding::Identity);

fn sharing(bench: &Bench) -> Sharing {
    let feeds = Arc::new(Feeds::default());
    feeds.add(Arc::new(FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(&bench.table)).0));
    Sharing::new(Arc::new(Source::new(feeds, Arc::clone(&bench.telemetry), Vec::new())))
}

/// Measures in memory: each knows its table, weakly.
fn measures(bench: &Bench) -> usize {
    Arc::weak_count(&bench.table)
}

#[tokio::test(start_paused = true)]
async fn a_rendering_goes_on_when_its_client_has_left_and_is_kept_no_longer_than_others() {
    let bench = Bench::new(10);
    let sharing = sharing(&bench);
    let hold = bench.hold();
    let left = timeout(Duration::ZERO, sharing.render(TEXT, Pick::default())).await;
    assert!(left.is_err() && measures(&bench) == 0);
    drop(hold);
    while measures(&bench) == 0 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_secs(6)).await;
    assert_eq!(measures(&bench), 0, "nobody has it, and its time is over");
}
