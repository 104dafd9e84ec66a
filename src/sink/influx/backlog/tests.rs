//! The backlog on disks that are quick, and on those that hang.

use std::path::Path;

use super::*;
use crate::telemetry::Telemetry;

const PATIENCE: Duration = Duration::from_secs(5);

/// A backlog in this folder.
async fn open(folder: &Path, patience: Duration) -> (Backlog, telemetry::Sink) {
    let metrics = Telemetry::new(1).sink("main");
    let config = Influx { spool_dir: folder.to_owned(), ..Influx::default() };
    (Backlog::open(&config, patience, metrics.clone()).await.unwrap(), metrics)
}

#[tokio::test]
async fn a_disk_that_hangs_is_waited_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut backlog, metrics) = open(folder.path(), Duration::from_millis(500)).await;
    let hang = backlog.spool.hang().await;
    let begun = Instant::now();
    let mut load = Load::new(b"a x=1 1\nb x=1 1\n".to_vec(), 8);
    for _ in 0..20 {
        assert!(backlog.take(100).await.is_none());
        backlog.store(&mut load).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((load.lines(), backlog.in_memory(), metrics.dropped.get()), (1, (8, 1), 0));
    drop(hang);
    while !load.is_empty() || backlog.in_memory().1 > 0 {
        backlog.store(&mut load).await;
    }
    assert_eq!(backlog.take(100).await.unwrap().load.lines(), 2);
}

#[tokio::test]
async fn a_disk_that_hangs_at_the_end_is_waited_for_no_longer_than_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let (mut backlog, metrics) = open(folder.path(), Duration::from_secs(3600)).await;
    let _hang = backlog.spool.hang().await;
    let mut load = Load::new(b"a x=1 1\nb x=1 1\n".to_vec(), 100);
    let stored = tokio::time::timeout(Duration::from_millis(10), backlog.store(&mut load)).await;
    assert!(stored.is_err() && load.is_empty());
    let closed =
        tokio::time::timeout(PATIENCE, backlog.close(Load::default(), Duration::from_millis(10))).await;
    assert!(closed.is_ok());
    assert_eq!((metrics.dropped.get(), backlog.in_memory()), (2, (0, 0)));
}

#[tokio::test]
async fn at_the_end_only_what_was_delivered_in_part_is_put_in_anew() {
    for (delivered, left) in [(0, ["a x=1 1", "b x=1 1"].as_slice()), (1, &["b x=1 1"])] {
        let folder = tempfile::tempdir().unwrap();
        let (mut backlog, _) = open(folder.path(), PATIENCE).await;
        backlog.store(&mut Load::new(b"a x=1 1\nb x=1 1\n".to_vec(), 100)).await;
        let mut taken = backlog.take(100).await.unwrap();
        // Of a refused load, cut to isolate lines, as many have gone their way.
        assert!(taken.load.halve());
        for _ in 0..delivered {
            taken.load.pop();
        }
        backlog.give_back(taken).await;
        let in_spool = || std::fs::read(folder.path().join("0000000000000001.spool")).unwrap();
        let before = in_spool();
        backlog.close(Load::default(), PATIENCE).await;
        assert_eq!(in_spool() == before, delivered == 0);
        drop(backlog);
        let (mut backlog, _) = open(folder.path(), PATIENCE).await;
        let taken = backlog.take(100).await.unwrap();
        assert_eq!(taken.load.pieces().concat().lines().collect::<Vec<_>>(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_on_the_disk_after_half_a_second_and_nothing_is_flushed_more_often() {
    let folder = tempfile::tempdir().unwrap();
    let (mut backlog, metrics) = open(folder.path(), PATIENCE).await;
    tokio::spawn(backlog.flushing());
    for _ in 0..3 {
        for _ in 0..4 {
            let mut load = Load::new(b"a x=1 1\n".to_vec(), 100);
            backlog.store(&mut load).await;
            assert!(load.is_empty());
            assert!(!backlog.spool.run(|spool| spool.is_flushed()).await.unwrap());
            tokio::time::sleep(SYNC_INTERVAL / 5).await;
        }
        tokio::time::sleep(SYNC_INTERVAL / 4).await;
        assert!(backlog.spool.run(|spool| spool.is_flushed()).await.unwrap());
    }
    assert_eq!(metrics.spool_bytes.get(), 16 + 12 * (16 + 8));
}

#[tokio::test]
async fn flushing_has_no_task_of_its_own_whose_end_nobody_would_notice() {
    let folder = tempfile::tempdir().unwrap();
    let (backlog, _) = open(folder.path(), PATIENCE).await;
    let _flushing = backlog.flushing();
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test]
async fn a_disk_that_hangs_while_it_is_flushed_is_said_to_until_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (mut backlog, metrics) = open(folder.path(), Duration::from_millis(50)).await;
    tokio::spawn(backlog.flushing());
    backlog.store(&mut Load::new(b"a x=1 1\n".to_vec(), 100)).await;
    let up = metrics.spool().up;
    assert_eq!(up.get(), 1);
    // Nobody else uses it; and it may have been flushed by now.
    let hang = backlog.spool.hang().await;
    backlog.changed.notify_one();
    let becomes = async |value| {
        while up.get() != value {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(4 * PATIENCE, becomes(0)).await.expect("it is said");
    drop(hang);
    tokio::time::timeout(4 * PATIENCE, becomes(1)).await.expect("it is over");
    assert!(backlog.spool.run(|spool| spool.is_flushed()).await.unwrap());
}
