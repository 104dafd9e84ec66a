//! What goes in comes out, or is counted as dropped; who waits is woken.

use super::*;

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn lines_come_out_in_order_and_the_end_is_seen() {
    let (sender, receiver) = lines(1 << 20, Counter::default());
    let other = sender.clone();
    sender.send(b"a\n");
    other.send(b"b\n");
    let mut batch = Batch::default();
    assert!(receiver.receive(&mut batch, LONG).await);
    assert_eq!((batch.bytes.as_slice(), batch.lines), (b"a\nb\n".as_slice(), 2));
    drop(sender);
    other.send(b"c\n");
    drop(other);
    batch.bytes.clear();
    assert!(receiver.receive(&mut batch, LONG).await);
    assert_eq!(batch.bytes, b"c\n");
    receiver.ended().await;
    batch.bytes.clear();
    assert!(!receiver.receive(&mut batch, LONG).await);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_taken_when_it_is_full_or_the_time_is_up() {
    let (sender, receiver) = lines(4, Counter::default());
    let begin = Instant::now();
    let mut batch = Batch::default();
    sender.send(b"a\n");
    assert!(receiver.receive(&mut batch, LONG).await);
    assert_eq!(begin.elapsed(), LONG);
    batch.bytes.clear();
    sender.send(b"a\n");
    sender.send(b"b\n");
    assert!(receiver.receive(&mut batch, LONG).await);
    assert_eq!((begin.elapsed(), batch.lines), (LONG, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_and_taken_up_again_is_not_longer() {
    let (sender, receiver) = lines(1 << 20, Counter::default());
    let begin = Instant::now();
    sender.send(b"a\n");
    let mut batch = Batch::default();
    while tokio::time::timeout(LONG / 10, receiver.receive(&mut batch, LONG)).await.is_err() {}
    assert_eq!((begin.elapsed(), batch.lines), (LONG, 1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_queue_is_taken_before_lines_are_dropped() {
    let dropped = Counter::default();
    let (sender, receiver) = lines(usize::MAX, dropped.clone());
    let begin = Instant::now();
    let line = vec![b'x'; QUEUE_BYTES_MAX / 4];
    let mut batch = Batch::default();
    for _ in 0..4 {
        sender.send(&line);
        sender.send(&line);
        assert!(receiver.receive(&mut batch, LONG).await);
        batch.bytes.clear();
    }
    assert_eq!((dropped.get(), begin.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_goes_on_once_what_was_taken_is_settled() {
    let (sender, receiver) = lines(1 << 20, Counter::default());
    assert!(!sender.room(0).await);
    sender.send(b"abc\n");
    assert!(!sender.room(4).await);
    let mut batch = Batch::default();
    assert!(receiver.receive(&mut batch, LONG).await);
    assert!(tokio::time::timeout(LONG, sender.room(3)).await.is_err(), "it is not settled");
    batch.bytes.clear();
    let more = receiver.receive(&mut batch, LONG);
    assert_eq!(
        tokio::select! { biased; waited = sender.room(3) => Some(waited), _ = more => None },
        Some(true)
    );
    sender.send(b"abc\n");
    receiver.take(&mut batch);
    assert!(!sender.room(0).await);
}

#[tokio::test]
async fn what_a_sink_holds_takes_room_and_waits_until_it_says_otherwise() {
    let (sender, receiver) = lines(1, Counter::default());
    let mut batch = Batch::default();
    sender.send(b"abc\n");
    assert!(receiver.receive(&mut batch, LONG).await);
    receiver.hold(4, 1);
    batch.bytes.clear();
    sender.send(b"d\n");
    assert!(receiver.receive(&mut batch, LONG).await);
    assert_eq!((receiver.gauge().bytes(), receiver.gauge().lines()), (6, 2));
    receiver.hold(0, 0);
    assert_eq!((receiver.gauge().bytes(), receiver.gauge().lines()), (0, 0));
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_what_was_taken_takes_room_until_it_is_settled() {
    let dropped = Counter::default();
    let (sender, receiver) = lines(1 << 20, dropped.clone());
    let half = vec![b'x'; QUEUE_BYTES_MAX / 2];
    sender.send(&half);
    let mut batch = Batch::default();
    assert!(receiver.receive(&mut batch, LONG).await);
    sender.send(&half);
    sender.send(b"y\n");
    assert_eq!((dropped.get(), receiver.gauge().bytes()), (1, QUEUE_BYTES_MAX));
    assert_eq!((receiver.gauge().lines(), receiver.has_more()), (2, true));
    batch.bytes.clear();
    assert!(receiver.receive(&mut batch, LONG).await);
    sender.send(b"y\n");
    assert_eq!((dropped.get(), receiver.gauge().bytes()), (1, QUEUE_BYTES_MAX / 2 + 2));
}

#[test]
fn what_matters_less_leaves_a_quarter_of_the_queue_and_who_can_wait_loses_nothing() {
    let dropped = Counter::default();
    let (sender, receiver) = bounded(1, 8, dropped.clone());
    sender.send_leaving_room(b"12345\n");
    sender.send_leaving_room(b"\n");
    sender.send(b"7\n");
    sender.send(b"\n");
    assert!(!sender.try_send(b"\n"));
    assert_eq!((dropped.get(), sender.bytes()), (2, 8));
    sender.lose_nothing();
    sender.send(b"9\n");
    assert!(sender.is_nearly_full());
    assert_eq!((dropped.get(), receiver.bytes()), (2, 10));
}

#[tokio::test]
async fn a_queue_is_crowded_by_what_comes_while_a_batch_is_under_way_not_by_that_batch() {
    const QUARTER: usize = QUEUE_BYTES_MAX / 4;
    let (sender, receiver) = lines(1 << 20, Counter::default());
    let is_crowded = || futures_util::FutureExt::now_or_never(receiver.crowded()).is_some();
    let mut batch = Batch::default();
    // What a sink found that had been busy elsewhere.
    sender.send(&vec![b'x'; 3 * QUARTER]);
    assert!(is_crowded());
    assert!(receiver.receive(&mut batch, LONG).await);
    assert!(!is_crowded());
    sender.send(&vec![b'x'; QUARTER / 2]);
    assert!(is_crowded());
    batch.bytes.clear();
    assert!(receiver.receive(&mut batch, LONG).await);
    assert!(!is_crowded());
    // After a small batch there is as much room as ever.
    sender.send(&vec![b'x'; 2 * QUARTER]);
    assert!(!is_crowded());
    sender.send(&vec![b'x'; QUARTER]);
    assert!(is_crowded());
}
