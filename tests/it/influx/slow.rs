//! Peers and disks that are slow, or hang: new lines go on, to the target or to the spool.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axp_exporter::sink::influx::Pace;
use axp_exporter::sink::queue::QUEUE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, UnixListener};

use super::bench::{Bench, Books, PACE, line, once, spooled, wait_for};
use super::stand_in::{StandIn, status};
use crate::hang::Hang;

/// How much of the queue may be taken before a test lets it be emptied.
const MUCH: usize = QUEUE_BYTES_MAX / 4 * 3;

/// A line of some 4 KiB.
fn long(number: u64) -> String {
    line(number).replace("a b", &"x".repeat(4000))
}

/// Sends so many MiB of such lines, and goes on as a feed does while the queue is emptied.
async fn press(bench: &mut Bench, mib: u64) {
    let end = bench.made() + mib * ((1 << 20) / long(0).len() as u64);
    while bench.made() < end {
        bench.send(&long(bench.made()));
        if bench.queue.bytes() >= MUCH {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_no_line_while_the_spool_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = format!("{}timeout = \"300s\"", spooled(&url, folder.path()));
    let mut bench = Bench::start(&keys).await;
    press(&mut bench, 40).await;
    let books = bench.books().await;
    assert_eq!((books.dropped, books.waiting), (0, bench.made()));
    assert!(bench.metrics.spool_bytes.get() > 20 << 20);
}

/// Reads a little at a time, until it is told to hurry; then all of so many lines.
async fn trickle(mut stream: impl AsyncRead + Unpin, hurry: Arc<AtomicBool>, count: u64) -> String {
    let mut read = Vec::new();
    let mut lines = 0;
    let mut bytes = vec![0; 64 << 10];
    while lines < count {
        let at_once = if hurry.load(Ordering::Relaxed) {
            bytes.len()
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            500
        };
        let taken = stream.read(&mut bytes[..at_once]).await.unwrap();
        assert!(taken > 0, "the connection is kept");
        lines += bytes[..taken].split(|byte| *byte == b'\n').count() as u64 - 1;
        read.extend_from_slice(&bytes[..taken]);
    }
    String::from_utf8(read).unwrap()
}

/// A peer takes far less than comes, though always something.
async fn trickling<S: AsyncRead + Unpin + Send + 'static>(
    keys: &str,
    spool: &Path,
    accept: impl AsyncFnOnce() -> S,
) {
    const MIB: u64 = 40;
    let mut bench =
        Bench::start(&format!("{keys}\ntimeout = \"300s\"\nspool_dir = \"{}\"", spool.display())).await;
    bench.send(&long(0));
    let stream = accept().await;
    wait_for("the first line", || bench.metrics.written.get() == 1).await;
    let hurry = Arc::new(AtomicBool::new(false));
    // `press` sends as many whole lines, and the first was sent before.
    let count = 1 + MIB * ((1 << 20) / long(0).len() as u64);
    let reading = tokio::spawn(trickle(stream, Arc::clone(&hurry), count));
    press(&mut bench, MIB).await;
    assert_eq!(bench.made(), count);
    assert_eq!(bench.metrics.dropped.get(), 0);
    assert!(bench.metrics.spool_bytes.get() > 10 << 20, "{} bytes", bench.metrics.spool_bytes.get());
    assert!(bench.metrics.written.get() > 0);
    hurry.store(true, Ordering::Relaxed);
    let read =
        tokio::time::timeout(Duration::from_secs(120), reading).await.expect("all of it comes").unwrap();
    let mut seen = BTreeMap::new();
    read.split_inclusive('\n').for_each(|line| *seen.entry(line).or_insert(0) += 1);
    let expected: Vec<String> = (0..count).map(long).collect();
    assert!(seen == expected.iter().map(|line| (line.as_str(), 1)).collect(), "each line whole, and once");
    assert_eq!(bench.settled().await, Books::all_written(count));
}

#[tokio::test]
async fn a_unix_peer_that_trickles_costs_no_line_while_the_spool_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let keys = format!("target = \"unix\"\npath = {path:?}");
    trickling(&keys, &folder.path().join("spool"), async || listener.accept().await.unwrap().0).await;
}

#[tokio::test]
async fn a_tcp_peer_that_trickles_costs_no_line_while_the_spool_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = format!("target = \"tcp\"\naddress = \"{}\"", listener.local_addr().unwrap());
    trickling(&keys, &folder.path().join("spool"), async || listener.accept().await.unwrap().0).await;
}

#[tokio::test]
async fn a_peer_that_trickles_is_given_up_in_time_though_the_queue_is_not_crowded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let keys = format!(
        "target = \"unix\"\npath = {path:?}\ntimeout = \"300ms\"\nspool_dir = {:?}",
        folder.path().join("spool")
    );
    let mut bench = Bench::start(&keys).await;
    // Less than makes a queue crowded, and more than trickles in a time-out.
    (0..1000).for_each(|number| bench.send(&long(number)));
    let (stream, _) = listener.accept().await.unwrap();
    let hurry = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(trickle(stream, Arc::clone(&hurry), 1000));
    bench.up(0).await;
    wait_for("lines in the spool", || bench.metrics.spool_bytes.get() > 0).await;
    hurry.store(true, Ordering::Relaxed);
    let read = reading.await.unwrap();
    assert!(read.split_inclusive('\n').collect::<std::collections::BTreeSet<_>>().len() == 1000, "each once");
    assert_eq!(bench.settled().await, Books::all_written(1000));
}

#[tokio::test]
async fn a_target_that_is_back_is_tried_though_the_queue_is_crowded_and_the_spool_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let server = StandIn::start(|_| status(503)).await;
    let mut bench = Bench::start(&spooled(&server.url(), &spool)).await;
    std::fs::remove_dir_all(&spool).unwrap();
    // A small batch is under way, and all the others wait behind it.
    (0..100).for_each(|number| bench.send(&long(number)));
    wait_for("the spool to be found away", || bench.metrics.spool().up.get() == 0).await;
    let lines = (MUCH / long(0).len()) as u64 + 100;
    (100..lines).for_each(|number| bench.send(&long(number)));
    let expected = Books { made: lines, written: 0, rejected: 0, dropped: 0, waiting: lines };
    assert_eq!(bench.books().await, expected);
    server.answer_by(|_| status(204));
    assert_eq!(bench.settled().await, Books::all_written(lines));
}

/// A sink at this pace whose server takes nothing, with a hundred lines of the run before on a disk
/// that hangs.
async fn stuck(folder: &Path, server: &StandIn, pace: Pace) -> (Bench, Hang) {
    let spool = folder.join("spool");
    let keys = spooled(&server.url(), &spool);
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..100);
    assert_eq!(bench.end().await.waiting, 100);
    let bench = Bench::start_at(pace, &keys).await;
    (bench, Hang::instead_of(&spool.join("0000000000000001.spool")))
}

#[tokio::test]
async fn a_disk_that_hangs_with_the_backlog_holds_up_no_new_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let (mut bench, hang) = stuck(folder.path(), &server, PACE).await;
    wait_for("the disk to be given up", || bench.metrics.spool().up.get() == 0).await;
    server.answer_by(|_| status(204));
    for number in 100..103 {
        bench.send(&line(number));
        wait_for("a new line", || server.stored().contains_key(&line(number))).await;
    }
    wait_for("them to be counted", || bench.metrics.written.get() == 3).await;
    assert_eq!(bench.metrics.spool().up.get(), 0);
    // Nor do lines that have to wait hold up those after them, when the server is back first.
    server.answer_by(|_| status(503));
    bench.send_all(103..104);
    bench.up(0).await;
    server.answer_by(|_| status(204));
    bench.send_all(104..105);
    wait_for("a new line", || server.stored().contains_key(&line(104))).await;
    wait_for("the other to wait", || bench.metrics.written.get() == 4 && bench.queue.lines() == 1).await;
    // It goes on.
    drop(hang);
    let expected = Books { made: 5, written: 105, rejected: 0, dropped: 0, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    assert_eq!(server.stored(), once(0..105));
    wait_for("the spool", || bench.metrics.spool().up.get() == 1).await;
}

#[tokio::test]
async fn a_disk_that_hangs_with_the_backlog_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(503)).await;
    let pace = Pace { disk: Duration::from_secs(3600), ..PACE };
    let (mut bench, hang) = stuck(folder.path(), &server, pace).await;
    // Lines of the spool are tried many times in this time, unless the disk hangs.
    let mut asked = usize::MAX;
    while asked != server.seen().len() {
        asked = server.seen().len();
        tokio::time::sleep(PACE.retry_max * 20).await;
    }
    bench.send_all(100..110);
    bench.stop().await;
    drop(hang);
    let expected = Books { made: 10, written: 0, rejected: 0, dropped: 10, waiting: 100 };
    assert_eq!(bench.books().await, expected);
}

#[tokio::test]
async fn a_disk_that_hangs_at_the_start_stops_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = StandIn::start(|_| status(204)).await;
    let hang = Hang::at(&folder.path().join("lock"));
    let mut bench = Bench::start(&spooled(&server.url(), folder.path())).await;
    assert_eq!(bench.metrics.spool().up.get(), 0);
    bench.send_all(0..10);
    assert_eq!(bench.settled().await, Books::all_written(10));
    drop(hang);
    wait_for("the spool", || bench.metrics.spool().up.get() == 1).await;
}
