//! What renderings cost that scrapers share: how long they are kept, and for whom.

use std::time::Duration;

use futures_util::future::AbortHandle;
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::table::pick::Pick;
use crate::web::accept::{Coding, Dialect, Escaping};
use crate::web::rendering::Rendering;
use crate::web::sharing::{Failed, Sharing};
use crate::web::wish::Wish;

const TEXT: Wish = Wish::new(Dialect::Text0, Coding::Identity);

fn sharing(bench: &Bench, places: &Places) -> Sharing {
    let feeds = Arc::new(Feeds::new(Limits::new(1000)));
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

#[tokio::test]
async fn who_comes_during_a_rendering_shares_one_that_began_after() {
    let bench = Bench::new(10);
    let sharing = Arc::new(sharing(&bench, &Places::default()));
    let scrape = || {
        let sharing = Arc::clone(&sharing);
        tokio::spawn(async move { render(&sharing, TEXT).await.unwrap() })
    };
    let hold = bench.hold();
    let first = scrape();
    tokio::task::yield_now().await;
    // The first is under way now.
    let later = [scrape(), scrape(), scrape()];
    tokio::task::yield_now().await;
    drop(hold);
    let first = first.await.unwrap();
    let mut shared = Vec::new();
    for scrape in later {
        shared.push(scrape.await.unwrap());
    }
    assert!(shared.iter().all(|one| !Arc::ptr_eq(one, &first)), "what began before they came is not theirs");
    assert!(shared.iter().all(|one| Arc::ptr_eq(one, &shared[0])), "one for all who waited");
    let alone = render(&sharing, TEXT).await.unwrap();
    assert!(!Arc::ptr_eq(&alone, &shared[0]), "who comes after its end gets another");
}

#[tokio::test(start_paused = true)]
async fn with_every_place_taken_unchanged_wishes_are_there_and_a_new_one_waits() {
    let bench = Bench::new(10);
    let places = Places::default();
    let sharing = sharing(&bench, &places);
    let wishes = [Dialect::Text0, Dialect::OpenMetrics0]
        .into_iter()
        .flat_map(|dialect| [Coding::Identity, Coding::Gzip].map(|coding| Wish::new(dialect, coding)));
    let wishes: Vec<Wish> = wishes.collect();
    let mut read = Vec::new();
    for wish in &wishes {
        read.push(render(&sharing, *wish).await.unwrap());
    }
    let taken: Vec<_> = std::iter::from_fn(|| places.try_take()).collect();
    assert!(!places.has_one());
    for (wish, read) in wishes.iter().zip(&read) {
        let again = timeout(Duration::from_secs(1), render(&sharing, *wish)).await.unwrap().unwrap();
        assert_eq!(again.page(1).unwrap().as_ptr(), read.page(1).unwrap().as_ptr(), "{wish:?}");
    }
    let other = Wish::new(Dialect::Text1(Escaping::Dots), Coding::Identity);
    assert!(timeout(Duration::from_secs(60), render(&sharing, other)).await.is_err());
    drop(taken);
    assert!(render(&sharing, other).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_patient_scraper_has_slow_readers_cut_off_in_its_own_time() {
    let bench = Bench::new(10);
    let places = Places::new(1, 8);
    let sharing = Arc::new(sharing(&bench, &places));
    let place = places.try_take().unwrap();
    let (reader, connection) = (place.readers().enter(8_000_000), AbortHandle::new_pair().0);
    reader.carried_by(&connection);
    advance(Duration::from_secs(2)).await;
    // Fourteen seconds more: what one who waits for ten minutes bears, and one for ten seconds does not.
    reader.take(1_000_000);
    let scrape = |seconds: &'static str| {
        let sharing = Arc::clone(&sharing);
        let headers = [("x-prometheus-scrape-timeout-seconds", seconds)];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let timeout = Timeout::of(&HeaderMap::from_iter(headers));
        tokio::spawn(async move { sharing.render(TEXT, Pick::default(), timeout).await.unwrap() })
    };
    let patient = scrape("600");
    sleep(Duration::from_secs(1)).await;
    assert!(!connection.is_aborted(), "it can wait");
    let hurried = scrape("10");
    sleep(Duration::from_secs(1)).await;
    assert!(connection.is_aborted(), "whoever comes first");
    drop((place, reader));
    assert!(patient.await.unwrap().bytes() > 0 && hurried.await.unwrap().bytes() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_renderings_are_under_way_at_most() {
    let bench = Bench::new(10);
    let sharing = Arc::new(sharing(&bench, &Places::default()));
    let hold = bench.hold();
    // Each under way knows the table.
    let idle = Arc::strong_count(&bench.table);
    let scrapes: Vec<_> = (0..12)
        .map(|number| {
            let sharing = Arc::clone(&sharing);
            let pick = Pick::new(["axp_queue_itd_state".to_owned(), number.to_string()]);
            tokio::spawn(
                async move { sharing.render(TEXT, pick, Timeout::of(&HeaderMap::new())).await.unwrap() },
            )
        })
        .collect();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while Arc::strong_count(&bench.table) < idle + 4 {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    // More would have come by now.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        assert!(Arc::strong_count(&bench.table) <= idle + 4);
    }
    drop(hold);
    for scrape in scrapes {
        assert!(scrape.await.unwrap().bytes() > 0);
    }
}
