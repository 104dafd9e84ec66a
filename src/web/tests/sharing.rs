//! What renderings cost that scrapers share: how long they are kept, and for whom.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::*;
use crate::table::pick::Pick;
use crate::web::accept::{Coding, Dialect};
use crate::web::rendering::Rendering;
use crate::web::sharing::{Failed, Sharing};
use crate::web::wish::Wish;

const TEXT: Wish = Wish::new(Dialect::Text0, Coding::Identity);

fn sharing(bench: &Bench, places: &Places) -> Sharing {
    let feeds = Arc::new(Feeds::default());
    feeds.add(Arc::new(FeedState::new("Queue_itd_1.0.0".to_owned(), Arc::clone(&bench.table)).0));
    Sharing::new(Arc::new(Source::new(feeds, Arc::clone(&bench.telemetry), Vec::new())), places.clone())
}

/// A scrape of everything that comes now.
fn render(sharing: &Sharing, wish: Wish) -> impl Future<Output = Result<Arc<Rendering>, Failed>> {
    sharing.render(wish, Pick::default(), Timeout::of(&HeaderMap::new()))
}

/// Measures in memory: each knows its table, weakly.
fn measures(bench: &Bench) -> usize {
    Arc::weak_count(&bench.table)
}

#[tokio::test(start_paused = true)]
async fn a_rendering_goes_on_when_its_client_has_left_and_is_kept_no_longer_than_others() {
    let bench = Bench::new(10);
    let sharing = sharing(&bench, &Places::default());
    let hold = bench.hold();
    let left = timeout(Duration::ZERO, render(&sharing, TEXT)).await;
    assert!(left.is_err() && measures(&bench) == 0);
    drop(hold);
    while measures(&bench) == 0 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_secs(6)).await;
    assert_eq!(measures(&bench), 0, "nobody has it, and its time is over");
}

#[tokio::test]
async fn readers_of_many_moments_who_never_end_keep_nobody_from_another() {
    let bench = Bench::new(1000);
    let sharing = sharing(&bench, &Places::default());
    let mut read = Vec::new();
    for moment in 0_u8..40 {
        bench.set_wait(f64::from(moment));
        let rendering = timeout(Duration::from_secs(20), render(&sharing, TEXT)).await;
        read.push(rendering.expect("there is room").unwrap());
    }
    assert!(measures(&bench) >= 40, "each is another's");
}

#[tokio::test(start_paused = true)]
async fn without_a_place_what_has_not_changed_is_there_and_what_has_waits() {
    let bench = Bench::new(10);
    let places = Places::default();
    let sharing = sharing(&bench, &places);
    let read = render(&sharing, TEXT).await.unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
    assert_eq!(taken.len(), 3, "the fourth is not whole");
    let again = render(&sharing, TEXT).await.unwrap();
    assert_eq!(again.page(1).unwrap().as_ptr(), read.page(1).unwrap().as_ptr());
    bench.set_wait(7.0);
    let waits = timeout(Duration::from_secs(60), render(&sharing, TEXT)).await;
    assert!(waits.is_err());
    drop(taken);
    assert!(render(&sharing, TEXT).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_only_kept_makes_room() {
    let bench = Bench::new(10);
    let places = Places::default();
    let sharing = sharing(&bench, &places);
    drop(render(&sharing, TEXT).await.unwrap());
    let _taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
    assert_eq!(measures(&bench), 1, "kept for the next");
    let gzip = Wish::new(Dialect::Text0, Coding::Gzip);
    let began = tokio::time::Instant::now();
    render(&sharing, gzip).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "it did not wait for the end of its time");
    assert_eq!(measures(&bench), 0, "and the last place is not for keeping");
}
