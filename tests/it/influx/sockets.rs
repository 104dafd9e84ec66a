//! TCP, Unix sockets and UDP, with peers that come and go.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axp_exporter::sink::influx::Pace;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, UdpSocket, UnixListener, UnixStream};

use super::bench::{Bench, Books, PACE, line, wait_for};

/// More lines than the buffers of a connection hold, and fewer than the queue.
const COUNT: usize = 220_000;

/// Reads so many lines.
async fn read_lines(stream: impl AsyncRead + Unpin, count: usize) -> Vec<String> {
    let mut lines = BufReader::new(stream).lines();
    let mut read = Vec::new();
    while read.len() < count {
        let next =
            tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await.expect("a line in time");
        read.push(next.unwrap().expect("a whole line") + "\n");
    }
    read
}

/// Reads whole lines until the connection ends, maybe by force and with half a line, or so many
/// were seen.
async fn read_whole(stream: impl AsyncRead + Unpin, seen: &mut BTreeSet<String>, count: usize) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let ends = |err: std::io::Error| {
        assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset);
        Ok(0)
    };
    while seen.len() < count && within(async { stream.read_line(&mut line).await.or_else(ends) }).await > 0 {
        let whole = std::mem::take(&mut line);
        if whole.ends_with('\n') {
            seen.insert(whole);
        }
    }
}

/// Waits for it, but not for ever.
async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it comes in time").unwrap()
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(line).collect()
}

#[tokio::test]
async fn a_tcp_peer_gets_every_line_and_one_that_comes_back_gets_them_again_from_where_it_is_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let spool = tempfile::tempdir().unwrap();
    let keys = format!("target = \"tcp\"\naddress = \"{address}\"\nspool_dir = {:?}", spool.path());
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..100);
    let (mut stream, _) = within(listener.accept()).await;
    assert_eq!(read_lines(&mut stream, 100).await, lines(0..100));
    assert_eq!((bench.settled().await, bench.metrics.up.get()), (Books::all_written(100), 1));
    // It ends between two batches: the next goes to a new connection, the doubtful one before it.
    drop(stream);
    bench.send_all(100..200);
    let (mut stream, _) = within(listener.accept()).await;
    let read = read_lines(&mut stream, 200).await;
    assert_eq!(read.iter().collect::<BTreeSet<_>>().len(), 200);
    assert_eq!(read[100..], lines(100..200));
    // It is away altogether.
    drop((stream, listener));
    bench.send_all(200..300);
    bench.up(0).await;
    let books = bench.books().await;
    assert_eq!((books.made, books.written + books.waiting, books.dropped), (300, 300, 0));
    let listener = TcpListener::bind(address).await.unwrap();
    let (mut stream, _) = within(listener.accept()).await;
    let mut seen = BTreeSet::new();
    let mut read = BufReader::new(&mut stream).lines();
    while !lines(200..300).iter().all(|line| seen.contains(line)) {
        seen.insert(within(read.next_line()).await.unwrap() + "\n");
    }
    assert_eq!(bench.settled().await, Books::all_written(300));
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_line_costs_no_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut bench = Bench::start(&format!("target = \"tcp\"\naddress = \"{address}\"")).await;
    // More than the buffers between us hold.
    let count = 100_000;
    bench.send_all(0..count);
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let (mut stream, _) = within(listener.accept()).await;
        let mut bytes = vec![0; 100_003];
        within(stream.read_exact(&mut bytes)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text.lines().next().map(|first| first.starts_with("queue_itd,")),
            Some(true),
            "it begins with a line"
        );
        let whole = text.rsplit_once('\n').unwrap().0;
        seen.extend(whole.lines().map(|line| format!("{line}\n")));
    }
    let (stream, _) = within(listener.accept()).await;
    let mut rest = BufReader::new(stream).lines();
    while seen.len() < usize::try_from(count).unwrap() {
        seen.insert(within(rest.next_line()).await.expect("all lines come") + "\n");
    }
    assert_eq!(seen, (0..count).map(line).collect());
    assert_eq!(bench.settled().await, Books::all_written(count));
}

#[tokio::test]
async fn a_tcp_peer_that_does_not_read_is_left_after_a_while_and_holds_up_nobody_else() {
    let (slow, quick) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let keys = |listener: &TcpListener| {
        format!("target = \"tcp\"\naddress = \"{}\"\ntimeout = \"300ms\"", listener.local_addr().unwrap())
    };
    let (mut to_slow, mut to_quick) = (Bench::start(&keys(&slow)).await, Bench::start(&keys(&quick)).await);

    to_slow.send_all(0..COUNT as u64);
    to_quick.send_all(0..100);
    let (stuck, accepted) = (within(slow.accept()).await, within(quick.accept()).await);
    assert_eq!(read_lines(accepted.0, 100).await, lines(0..100));
    assert_eq!(to_quick.settled().await, Books::all_written(100));
    let (next, _) = within(slow.accept()).await;
    // What its system took is there when it reads at last; that and the rest come on the next connection.
    let mut seen = BTreeSet::new();
    read_whole(stuck.0, &mut seen, COUNT).await;
    let accepting = tokio::spawn(async move {
        let mut next = Some(next);
        while seen.len() < COUNT {
            let stream = match next.take() {
                Some(stream) => stream,
                None => within(slow.accept()).await.0,
            };
            read_whole(stream, &mut seen, COUNT).await;
        }
        seen
    });
    assert_eq!(to_slow.settled().await, Books::all_written(COUNT as u64));
    assert_eq!(accepting.await.unwrap(), (0..COUNT as u64).map(line).collect());
}

#[tokio::test]
async fn a_peer_that_hangs_and_goes_on_gets_each_line_once_on_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut bench = Bench::start(&format!("target = \"unix\"\npath = {path:?}\ntimeout = \"100ms\"")).await;
    bench.send_all(0..COUNT as u64);
    let (stream, _) = within(listener.accept()).await;
    let (mut reader, mut read) = (BufReader::new(stream).lines(), Vec::new());
    // It hangs three times, maybe in the middle of a line, and takes what there is between.
    for _ in 0..3 {
        bench.up(0).await;
        let taken = bench.metrics.written.get();
        while (read.len() as u64) + 1 < taken {
            read.push(within(reader.next_line()).await.expect("a whole line") + "\n");
        }
        wait_for("more to be taken", || bench.metrics.written.get() > taken).await;
    }
    while read.len() < COUNT {
        read.push(within(reader.next_line()).await.expect("a whole line") + "\n");
    }
    assert_eq!(read, lines(0..COUNT as u64));
    assert_eq!(bench.settled().await, Books::all_written(COUNT as u64));
    let again = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(again.is_err(), "nobody has connected again");
}

/// A line that no socket takes at once is half out; its peer reads nothing, and no other follows.
async fn half_out(folder: &Path, pace: Pace) -> (Bench, UnixStream, String) {
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let keys = format!("target = \"unix\"\npath = \"{}\"\ntimeout = \"100ms\"", path.display());
    let mut bench = Bench::start_at(pace, &keys).await;
    let line = format!("queue_itd text=\"{}\" 1\n", "x".repeat(2 << 20));
    bench.send(&line);
    let (stream, _) = within(listener.accept()).await;
    wait_for("a part to be taken", || bench.metrics.written.get() == 1).await;
    (bench, stream, line)
}

#[tokio::test]
async fn the_rest_of_the_last_line_is_written_when_its_peer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (bench, stream, line) = half_out(folder.path(), PACE).await;
    assert!(read_lines(stream, 1).await == [line], "the whole line");
    bench.up(1).await;
}

#[tokio::test]
async fn the_rest_of_the_last_line_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    // It is not tried again before.
    let pace = Pace { retry_min: hour, retry_max: hour, last: Duration::from_secs(20), ..PACE };
    let (bench, stream, line) = half_out(folder.path(), pace).await;
    let reading = tokio::spawn(read_lines(stream, 1));
    bench.end().await;
    assert!(reading.await.unwrap() == [line], "the whole line");
}

/// What takes connections for a peer.
trait Listen {
    async fn stream(&self) -> Box<dyn AsyncRead + Unpin>;
}

impl Listen for TcpListener {
    async fn stream(&self) -> Box<dyn AsyncRead + Unpin> {
        Box::new(within(self.accept()).await.0)
    }
}

impl Listen for UnixListener {
    async fn stream(&self) -> Box<dyn AsyncRead + Unpin> {
        Box::new(within(self.accept()).await.0)
    }
}

/// A peer reads some lines, then nothing more, and is killed; another takes its place.
async fn hang_and_die<L: Listen>(keys: &str, listen: impl AsyncFn() -> L) {
    let listener = listen().await;
    let mut bench = Bench::start(&format!("{keys}\ntimeout = \"300ms\"")).await;
    bench.send_all(0..10);
    let mut stream = listener.stream().await;
    let mut seen: BTreeSet<String> = read_lines(&mut stream, 10).await.into_iter().collect();
    bench.settled().await;
    bench.send_all(10..COUNT as u64);
    bench.up(0).await;
    let written = bench.metrics.written.get();
    assert!(written > 1000 && written < COUNT as u64, "{written} lines are on the way, for all we know");
    drop((stream, listener));
    let listener = listen().await;
    while seen.len() < COUNT {
        read_whole(listener.stream().await, &mut seen, COUNT).await;
    }
    assert_eq!(seen, (0..COUNT as u64).map(line).collect());
    assert_eq!(bench.settled().await, Books::all_written(COUNT as u64));
}

#[tokio::test]
async fn a_tcp_peer_that_hangs_and_is_killed_costs_no_line() {
    // A port that is free now, and again after the peer was killed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let keys = format!("target = \"tcp\"\naddress = \"{address}\"");
    hang_and_die(&keys, async || TcpListener::bind(address).await.unwrap()).await;
}

#[tokio::test]
async fn a_unix_peer_that_hangs_and_is_killed_costs_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    hang_and_die(&format!("target = \"unix\"\npath = {path:?}"), async || {
        let _ = std::fs::remove_file(&path);
        UnixListener::bind(&path).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_that_is_replaced_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let keys = format!("target = \"unix\"\npath = {path:?}");
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..10);
    bench.up(0).await;
    assert_eq!(bench.books().await.waiting, 10, "nobody listens yet");
    for round in 0..3 {
        let listener = UnixListener::bind(&path).unwrap();
        let (begin, end) = (round * 10, round * 10 + 10);
        if round > 0 {
            bench.send_all(begin..end);
        }
        let (mut stream, _) = within(listener.accept()).await;
        let mut read = BufReader::new(&mut stream).lines();
        let mut seen = BTreeSet::new();
        while !seen.contains(&line(end - 1)) {
            seen.insert(within(read.next_line()).await.unwrap() + "\n");
        }
        assert!(lines(begin..end).iter().all(|line| seen.contains(line)));
        assert_eq!(bench.settled().await, Books::all_written(end));
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn datagrams_hold_whole_lines_and_one_that_is_too_long_is_dropped() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut bench =
        Bench::start(&format!("target = \"udp\"\naddress = \"{}\"", peer.local_addr().unwrap())).await;
    let long = format!("queue_itd text=\"{}\" 1\n", "x".repeat(5000));
    bench.send_all(0..50);
    bench.send(&long);
    bench.send(&format!("queue_itd text=\"{}\" 1\n", "x".repeat(70_000)));
    bench.send_all(50..100);
    let (mut bytes, mut read) = (vec![0; 1 << 16], String::new());
    while !read.contains(&line(99)) {
        let length =
            tokio::time::timeout(Duration::from_secs(20), peer.recv(&mut bytes)).await.unwrap().unwrap();
        let text = str::from_utf8(&bytes[..length]).unwrap();
        assert!(text.ends_with('\n') && (length <= 1400 || text == long), "{length} bytes");
        read.push_str(text);
    }
    let expected: String = lines(0..50).into_iter().chain([long]).chain(lines(50..100)).collect();
    assert_eq!(read, expected);
    let settled = bench.settled().await;
    assert_eq!(settled, Books { made: 102, written: 101, rejected: 0, dropped: 1, waiting: 0 });
    assert_eq!(bench.metrics.up.get(), 0);
    bench.send_all(100..101);
    bench.up(1).await;
}

#[tokio::test]
async fn nobody_at_the_other_end_of_udp_costs_lines_and_nothing_else() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = peer.local_addr().unwrap();
    drop(peer);
    let mut bench = Bench::start(&format!("target = \"udp\"\naddress = \"{address}\"")).await;
    let mut number = 0;
    while bench.books().await.dropped == 0 {
        bench.send(&line(number));
        number += 1;
        let books = bench.settled().await;
        assert_eq!(books.written + books.dropped, number);
        assert!(number < 1000, "the system says at last that nobody is there");
    }
    let peer = UdpSocket::bind(address).await.unwrap();
    let dropped = bench.books().await.dropped;
    bench.send(&line(7));
    let mut bytes = [0; 1000];
    let length = tokio::time::timeout(Duration::from_secs(20), peer.recv(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes[..length], line(7).as_bytes());
    wait_for("up", || bench.metrics.up.get() == 1).await;
    assert_eq!(bench.settled().await.dropped, dropped);
}
