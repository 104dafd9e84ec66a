//! Outages: lines wait in memory or on disk, within bounds, and none is lost or comes twice.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axp_exporter::sink::influx::Pace;
use axp_exporter::sink::queue::QUEUE_BYTES_MAX;

use super::bench::{Bench, Books, PACE, line, once, wait_for};
use super::stand_in::{Reply, Seen, StandIn, json, status};

fn keys(server: &StandIn, more: &str) -> String {
    format!("url = {:?}\napi = \"v1\"\ndatabase = \"axp\"\ntimeout = \"2s\"\n{more}", server.url())
}

fn spool(folder: &Path) -> String {
    format!("spool_dir = \"{}\"", folder.join("spool").display())
}

#[tokio::test]
async fn without_a_spool_lines_wait_in_memory_within_its_bound() {
    // Long lines, so that fewer fill the queue.
    let long = |number| line(number).replace("a b", &"x".repeat(4000));
    let length = long(0).len() as u64;
    let room = QUEUE_BYTES_MAX as u64 / length;
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, "gzip = false")).await;
    (0..100).for_each(|number| bench.send(&long(number)));
    wait_for("a refusal", || !server.seen().is_empty()).await;
    assert_eq!(bench.books().await, Books { made: 100, written: 0, rejected: 0, dropped: 0, waiting: 100 });
    assert_eq!((bench.queue.bytes() as u64, bench.metrics.up.get()), (100 * length, 0));
    (100..room + 500).for_each(|number| bench.send(&long(number)));
    assert_eq!(
        bench.books().await,
        Books { made: room + 500, written: 0, rejected: 0, dropped: 500, waiting: room }
    );
    assert!(bench.queue.bytes() <= QUEUE_BYTES_MAX);
    server.answer_by(|_| status(204));
    let expected = Books { made: room + 500, written: room, rejected: 0, dropped: 500, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    assert_eq!(server.stored(), (0..room).map(|number| (long(number), 1)).collect());
    wait_for("an empty queue", || bench.queue.bytes() == 0).await;
}

#[tokio::test]
async fn with_a_spool_lines_wait_on_disk_and_come_back_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    for begin in (0..5000).step_by(100) {
        bench.send_all(begin..begin + 100);
        wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    }
    assert_eq!(bench.books().await, Books { made: 5000, written: 0, rejected: 0, dropped: 0, waiting: 5000 });
    let bytes = 5000 * line(0).len();
    let on_disk = usize::try_from(bench.metrics.spool_bytes.get()).unwrap();
    assert!((bytes..bytes + bytes / 10).contains(&on_disk), "{on_disk} for {bytes}");
    server.answer_by(|_| status(204));
    assert_eq!(bench.settled().await, Books::all_written(5000));
    assert_eq!((server.stored(), bench.metrics.up.get()), (once(0..5000), 1));
    wait_for("an empty spool", || bench.metrics.spool_bytes.get() == 0).await;
}

#[tokio::test]
async fn a_backlog_that_the_target_does_not_take_holds_up_no_new_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let keys = keys(&server, &spool(folder.path()));
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..10);
    assert_eq!(bench.end().await.waiting, 10);
    let is_tried = Arc::new(AtomicBool::new(false));
    let tried = Arc::clone(&is_tried);
    server.answer_by(move |seen| {
        let is_old = seen.lines.contains(&line(0));
        tried.fetch_or(is_old, Ordering::Relaxed);
        status(if is_old { 503 } else { 204 })
    });
    let hour = Duration::from_secs(3600);
    let mut bench = Bench::start_at(Pace { retry_min: hour, retry_max: hour, ..PACE }, &keys).await;
    wait_for("the backlog to be tried", || is_tried.load(Ordering::Relaxed)).await;
    bench.send_all(10..20);
    wait_for("new lines", || bench.metrics.written.get() == 10).await;
    assert_eq!(server.stored(), once(10..20));
}

#[tokio::test]
async fn the_spool_survives_crashes_and_clean_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let address = server.address;
    let keys = keys(&server, &spool(folder.path()));
    // Nobody is there.
    server.stop().await;
    for begin in (0..1000).step_by(100) {
        let mut bench = Bench::start(&keys).await;
        bench.send_all(begin..begin + 50);
        wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
        bench.send_all(begin + 50..begin + 100);
        if begin % 200 == 0 {
            // What is in memory still is put in the spool at the end.
            assert_eq!(bench.end().await.waiting, begin + 100);
        } else {
            wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
            bench.crash().await;
        }
    }
    let bench = Bench::start(&keys).await;
    assert!(bench.metrics.spool_bytes.get() > 0);
    let server = StandIn::start_on(address, |_| status(204)).await;
    wait_for("an empty spool", || bench.metrics.spool_bytes.get() == 0).await;
    assert_eq!(server.stored(), once(0..1000));
    assert_eq!(bench.metrics.written.get(), 1000);
}

#[tokio::test]
async fn the_spool_keeps_to_its_bounds_and_drops_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench =
        Bench::start(&keys(&server, &format!("{}\nspool_bytes = \"1MiB\"", spool(folder.path())))).await;
    for begin in (0..50_000).step_by(1000) {
        bench.send_all(begin..begin + 1000);
        wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
        assert!(bench.metrics.spool_bytes.get() <= 1 << 20);
    }
    let away = bench.books().await;
    assert!(away.dropped > 25_000 && away.waiting > 10_000, "{away:?}");
    server.answer_by(|_| status(204));
    let back = bench.settled().await;
    assert_eq!((back.dropped, back.written), (away.dropped, away.waiting));
    assert_eq!(server.stored(), once(away.dropped..50_000), "the newest");
}

#[tokio::test]
async fn lines_that_waited_too_long_on_disk_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench =
        Bench::start(&keys(&server, &format!("{}\nspool_age = \"1s\"", spool(folder.path())))).await;
    bench.send_all(0..100);
    wait_for("expiry", || bench.metrics.dropped.get() == 100).await;
    server.answer_by(|_| status(204));
    bench.send_all(100..200);
    assert_eq!(
        bench.settled().await,
        Books { made: 200, written: 100, rejected: 0, dropped: 100, waiting: 0 }
    );
    assert_eq!(server.stored(), once(100..200));
}

#[tokio::test]
async fn after_an_outage_new_lines_do_not_wait_for_old_ones_and_these_come_at_a_bounded_rate() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let more = format!("{}\nbatch_bytes = \"1KiB\"", spool(folder.path()));
    let pace = Pace { drain: Duration::from_millis(50), ..PACE };
    let mut bench = Bench::start_at(pace, &keys(&server, &more)).await;
    bench.send_all(0..1000);
    wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    server.answer_by(|_| status(204));
    let begun = Instant::now();
    wait_for("a first old line", || !server.stored().is_empty()).await;
    for number in 1_000_000..1_000_010 {
        bench.send(&line(number));
        wait_for("a new line", || server.stored().contains_key(&line(number))).await;
    }
    assert!(!server.stored().contains_key(&line(999)), "the new lines overtook old ones");
    assert_eq!(bench.settled().await, Books::all_written(1010));
    let requests = server.seen().iter().filter(|seen| !seen.lines.contains("n=2000")).count();
    let least = pace.drain * u32::try_from(requests).unwrap() / 2;
    assert!(requests > 20 && begun.elapsed() > least, "{requests} requests in {:?}", begun.elapsed());
    let stored = server.stored();
    assert!(stored.len() == 1010 && stored.values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_backlog_with_poison_in_it_is_delivered_but_for_the_poison() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    bench.send_all(0..1000);
    wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    // It fails again and again while the poison is looked for.
    let mut requests = 0;
    server.answer_by(move |seen| {
        requests += 1;
        if requests % 4 == 0 {
            status(503)
        } else if seen.lines.contains("n=1000500,") {
            json(400, String::new())
        } else {
            status(204)
        }
    });
    assert_eq!(
        bench.settled().await,
        Books { made: 1000, written: 999, rejected: 1, dropped: 0, waiting: 0 }
    );
    let stored = server.stored();
    assert!(stored.len() == 999 && stored.values().all(|times| *times == 1), "{}", stored.len());
}

/// A server that does not want lines of these numbers, and does not say which it means.
fn unwilling(bad: std::ops::Range<u64>) -> impl Fn(&Seen) -> Reply {
    let bad: BTreeSet<String> = bad.map(line).collect();
    move |seen| {
        let is_bad = seen.lines.split_inclusive('\n').any(|line| bad.contains(line));
        if is_bad { json(400, String::new()) } else { status(204) }
    }
}

#[tokio::test]
async fn a_poisoned_backlog_holds_up_new_lines_for_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    bench.send_all(0..1000);
    wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    server.answer_by(unwilling(0..1000));
    bench.up(1).await;
    for number in 1000..1020 {
        let before = server.seen().len();
        bench.send(&line(number));
        wait_for("the new line", || server.stored().contains_key(&line(number))).await;
        // While it is gathered for, the backlog goes on; then at most one answer is waited for.
        let seen = server.seen();
        let new = seen.iter().position(|seen| seen.lines == line(number)).unwrap();
        let gathered = seen[before].at + Duration::from_millis(10);
        let late = seen[before..new].iter().filter(|seen| seen.at > gathered).count();
        assert!(late <= 2, "{late} requests of the backlog before line {number}");
        assert!(bench.metrics.rejected.get() < 1000, "the search is not at its end");
    }
    let expected = Books { made: 1020, written: 20, rejected: 1000, dropped: 0, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
}

#[tokio::test]
async fn a_search_for_poison_in_the_backlog_is_bounded_though_the_server_fails_between() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    bench.send_all(0..1000);
    wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    let away = server.seen().len();
    let (unwilling, mut requests) = (unwilling(0..1000), 0);
    server.answer_by(move |seen| {
        requests += 1;
        if requests % 2 == 0 { status(503) } else { unwilling(seen) }
    });
    let expected = Books { made: 1000, written: 0, rejected: 1000, dropped: 0, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    let requests = server.seen().len() - away;
    assert!(requests < 4 * 256, "{requests} requests");
}

#[tokio::test]
async fn a_spool_whose_disk_comes_back_takes_the_lines_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let (path, away) = (folder.path().join("spool"), folder.path().join("away"));
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    let up = bench.metrics.spool().up;
    bench.send_all(0..100);
    assert_eq!((bench.books().await.waiting, up.get()), (100, 1));
    wait_for("the lines to be on disk", || bench.queue.bytes() == 0).await;
    std::fs::rename(&path, &away).unwrap();
    // What is open is written to still: another file has to be begun.
    for begin in (100..).step_by(1000) {
        bench.send_all(begin..begin + 1000);
        if up.get() == 0 {
            break;
        }
        wait_for("room, or none", || bench.queue.bytes() == 0 || up.get() == 0).await;
    }
    let made = bench.made();
    bench.send_all(made..made + 100);
    std::fs::rename(&away, &path).unwrap();
    wait_for("the spool", || up.get() == 1 && bench.queue.bytes() == 0).await;
    let lines = made + 100;
    let expected = Books { made: lines, written: 0, rejected: 0, dropped: 0, waiting: lines };
    assert_eq!(bench.books().await, expected);
    server.answer_by(|_| status(204));
    assert_eq!(bench.settled().await, Books::all_written(lines));
    assert_eq!(server.stored(), once(0..lines));
}

#[tokio::test]
async fn at_the_end_lines_that_nobody_takes_are_counted() {
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, "")).await;
    bench.send_all(0..10);
    bench.up(0).await;
    bench.send_all(10..20);
    assert_eq!(bench.end().await, Books { made: 20, written: 0, rejected: 0, dropped: 20, waiting: 0 });
    // A server that does not answer holds the end up for no longer than the pace says.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut bench = Bench::start(&format!("url = {url:?}\napi = \"v3\"\ndatabase = \"axp\"")).await;
    bench.send_all(0..10);
    let begun = Instant::now();
    assert_eq!(bench.end().await, Books { made: 10, written: 0, rejected: 0, dropped: 10, waiting: 0 });
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_leaves_lines_in_memory_until_the_server_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
    bench.send_all(0..100);
    bench.up(0).await;
    wait_for("the spool to be found away", || bench.metrics.spool().up.get() == 0).await;
    assert_eq!(bench.books().await.waiting, 100);
    server.answer_by(|_| status(204));
    assert_eq!(bench.settled().await, Books::all_written(100));
    assert_eq!(server.stored(), once(0..100));
}

#[tokio::test]
async fn files_that_are_set_aside_are_counted_at_the_start_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(204)).await;
    std::fs::create_dir(folder.path().join("spool")).unwrap();
    std::fs::write(folder.path().join("spool/0000000000000007.spool"), "axpspl99 of a later version")
        .unwrap();
    let bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    assert_eq!((bench.metrics.spool().set_aside.get(), bench.metrics.dropped.get()), (1, 0));
    assert!(folder.path().join("spool/0000000000000007.spool.aside").exists());
}

#[tokio::test]
async fn lines_in_files_that_somebody_removes_from_the_spool_are_dropped_and_the_others_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&keys(&server, &spool(folder.path()))).await;
    bench.send_all(0..100);
    wait_for("the queue to be emptied", || bench.queue.bytes() == 0).await;
    for file in std::fs::read_dir(folder.path().join("spool")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    bench.send_all(100..200);
    wait_for("the loss to be noticed", || bench.metrics.dropped.get() > 0).await;
    let expected = Books { made: 200, written: 0, rejected: 0, dropped: 100, waiting: 100 };
    assert_eq!(bench.books().await, expected);
    assert!(folder.path().join("spool/lock").exists(), "it is locked again");
    server.answer_by(|_| status(204));
    assert_eq!(bench.settled().await, Books { written: 100, waiting: 0, ..expected });
    assert_eq!(server.stored(), once(100..200));
}
