//! Ends, good and bad, of the program and of connections: what was not sent yet is, by the next
//! run if need be.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpListener;

use super::bench::{Bench, Books, beside, line, spooled};
use super::files::{Writer, read, size};
use super::stand_in::{StandIn, status};
use crate::support::{PATIENCE, Process, exporter, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_when_the_program_is_told_to_stop_is_sent_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    // It takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}");
    let writer = Writer::start("", &beside(&url, &spool));
    wait_for("lines that wait", PATIENCE, || {
        let waits = writer.value_of("http", "queue_bytes", "") > 0 && size(&writer.path("lines")) > 0;
        if waits { Ok(()) } else { Err(writer.exporter.stderr()) }
    });
    let written = writer.stop();
    let lines = read(&[written.path().join("lines")]);
    drop(listener);
    let server = StandIn::start_on(address, |_| status(204)).await;
    let bench = Bench::start(&spooled(&url, &spool)).await;
    let books = bench.settled().await;
    let count = lines.len() as u64;
    assert_eq!(books, Books { made: 0, written: count, rejected: 0, dropped: 0, waiting: 0 });
    assert!(count > 0 && server.lines() == lines && server.stored().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_the_spool_when_the_program_was_killed_is_sent_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let server = StandIn::start(|_| status(503)).await;
    let mut writer = Writer::start("", &beside(&server.url(), &spool));
    let config = writer.path("config.toml");
    let mut expected = BTreeSet::new();
    for _ in 0..3 {
        let before = size(&writer.path("lines"));
        wait_for("lines", PATIENCE, || {
            if size(&writer.path("lines")) > before + 10_000 { Ok(()) } else { Err(writer.exporter.stderr()) }
        });
        let text = std::fs::read_to_string(writer.path("lines")).unwrap();
        let whole = text.rsplit_once('\n').unwrap().0;
        expected.extend(whole.lines().map(str::to_owned));
        wait_for("them in the spool", PATIENCE, || {
            let files =
                std::fs::read_dir(&spool).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
            let spooled = String::from_utf8_lossy(&files.collect::<Vec<_>>().concat()).into_owned();
            let missing = whole.lines().filter(|line| !spooled.contains(line)).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} missing")) }
        });
        writer.exporter.signal("KILL");
        wait_for("the end", PATIENCE, || writer.exporter.ended().ok_or_else(String::new));
        // Its metrics are elsewhere now.
        writer.exporter = Process::start(exporter(["run".as_ref(), "-c".as_ref(), config.as_os_str()]));
    }
    server.answer_by(|_| status(204));
    wait_for("the lines", PATIENCE, || {
        let missing = expected.difference(&server.lines()).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} missing", expected.len())) }
    });
    assert!(server.stored().values().all(|times| *times == 1), "each once");
    writer.stop();
}

#[tokio::test]
async fn lines_that_may_be_lost_are_sent_again_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bench =
        Bench::start(&format!("target = \"tcp\"\naddress = \"{}\"", listener.local_addr().unwrap())).await;
    bench.send_all(0..10);
    let (stream, _) = listener.accept().await.unwrap();
    assert_eq!(bench.settled().await, Books::all_written(10));
    // It goes, and has read nothing; no other line comes that would show it.
    drop(stream);
    let ending = tokio::spawn(bench.end());
    let (mut stream, _) =
        tokio::time::timeout(PATIENCE, listener.accept()).await.expect("it connects again").unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, (0..10).map(line).collect::<String>());
    drop(stream);
    assert_eq!(ending.await.unwrap(), Books::all_written(10));
}

#[tokio::test]
async fn lines_that_a_peer_has_lost_which_is_away_at_the_end_are_sent_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keys = format!("target = \"tcp\"\naddress = \"{address}\"\nspool_dir = {:?}", folder.path());
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..10);
    let (stream, _) = listener.accept().await.unwrap();
    assert_eq!(bench.settled().await, Books::all_written(10));
    // It has read nothing.
    drop((stream, listener));
    bench.stop().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let bench = Bench::start(&keys).await;
    let (mut stream, _) =
        tokio::time::timeout(PATIENCE, listener.accept()).await.expect("it connects again").unwrap();
    let expected: String = (0..10).map(line).collect();
    let mut read = vec![0; expected.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut read)).await.expect("all of it").unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), expected);
    let books = bench.settled().await;
    assert_eq!(books, Books { made: 0, written: 10, rejected: 0, dropped: 0, waiting: 0 });
}

#[tokio::test]
async fn the_last_lines_reach_a_peer_that_has_said_something_and_reads_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bench =
        Bench::start(&format!("target = \"tcp\"\naddress = \"{}\"", listener.local_addr().unwrap())).await;
    bench.send_all(0..10);
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(bench.settled().await, Books::all_written(10));
    stream.write_all(b"welcome\n").await.unwrap();
    let ending = tokio::spawn(bench.end());
    // It reads when it sees that nothing more comes.
    let is_over = async {
        while !stream.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_over).await.expect("it ends");
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, (0..10).map(line).collect::<String>());
    drop(stream);
    assert_eq!(ending.await.unwrap(), Books::all_written(10));
}
