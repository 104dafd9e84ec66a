//! Connections: who is served, who is cut off, and when. Time is the test's own.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Bench;
use crate::web::connection::{Error, serve};
use crate::web::door::Door;
use crate::web::patient::{Limits, Patient};

const REQUEST: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";
const HEALTH: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n";

/// A client's end of a connection, and what became of the server's.
fn connect(bench: &Bench) -> (DuplexStream, JoinHandle<Result<(), Error>>) {
    let (client, server) = tokio::io::duplex(4096);
    let door = Arc::new(Door::new(Arc::clone(&bench.site), None).unwrap());
    let serving = tokio::spawn(async move {
        // Where it goes, connections end.
        let graceful = GracefulShutdown::new();
        let patient = Patient::new(server, Limits::default());
        serve(patient, door, Limits::default(), || false, graceful.watcher()).await
    });
    (client, serving)
}

/// Reads one answer by its length; gives head and body.
async fn answer(client: &mut DuplexStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    client.read_exact(&mut body).await.unwrap();
    (head, body)
}

#[tokio::test(start_paused = true)]
async fn a_connection_serves_request_after_request_and_ends_when_idle() {
    let bench = Bench::new(10);
    let (mut client, server) = connect(&bench);
    for _ in 0..3 {
        client.write_all(HEALTH).await.unwrap();
        assert!(answer(&mut client).await.0.starts_with("HTTP/1.1 200"));
        sleep(Duration::from_secs(60)).await;
        assert!(!server.is_finished(), "a scrape interval of a minute is nothing unusual");
    }
    let began = Instant::now();
    assert!(server.await.unwrap().is_err());
    assert!(began.elapsed() <= Limits::default().idle);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_slowly_or_not_at_all_ends_the_connection() {
    let bench = Bench::new(1);
    let (_client, server) = connect(&bench);
    let began = Instant::now();
    let _ = server.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), Limits::default().head.as_secs());

    let (mut client, server) = connect(&bench);
    client.write_all(HEALTH).await.unwrap();
    answer(&mut client).await;
    sleep(Duration::from_secs(30)).await;
    // One byte a second: each is progress, and all of them are too slow.
    let began = Instant::now();
    for byte in HEALTH {
        if client.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let _ = server.await.unwrap();
    assert!(began.elapsed() < Limits::default().head + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_more_is_cut_off_in_the_middle() {
    let bench = Bench::new(2000);
    let (mut client, server) = connect(&bench);
    client.write_all(REQUEST).await.unwrap();
    let began = Instant::now();
    assert!(server.await.unwrap().is_err());
    assert!(began.elapsed() <= Limits::default().stall + Duration::from_secs(1), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    let text = String::from_utf8_lossy(&rest);
    let length: usize =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert!(rest.len() < length, "half an answer that says how long the whole is");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_byte_now_and_then_is_cut_off_too() {
    let bench = Bench::new(2000);
    let (mut client, server) = connect(&bench);
    client.write_all(REQUEST).await.unwrap();
    let began = Instant::now();
    while !server.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(600), "it is still served");
        let _ = client.read_u8().await;
        sleep(Duration::from_secs(5)).await;
    }
    assert!(server.await.unwrap().is_err());
    assert!(began.elapsed() <= Limits::default().answer + Duration::from_secs(5), "{:?}", began.elapsed());
    // The places of such clients are free again, so that a scrape works.
    assert_eq!(bench.get("/metrics", &[]).await.status, 200);
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let bench = Bench::new(1);
    let (mut client, _server) = connect(&bench);
    client.write_all(b"HEAD /-/healthy HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(text.contains("content-length: 8\r\n") && text.contains("content-type: text/plain"), "{text}");
}

#[tokio::test]
async fn head_of_a_scrape_tells_the_length_that_it_would_have_compressed() {
    let bench = Bench::new(2000);
    let (mut client, _server) = connect(&bench);
    let headers = "Host: test\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    client.write_all(format!("HEAD /metrics HTTP/1.1\r\n{headers}").as_bytes()).await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(text.contains("content-encoding: gzip\r\n"), "{text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let plain = bench.get("/metrics", &[]).await.body.len();
    assert!((1..plain / 2).contains(&length.parse().unwrap()), "{length} of {plain}");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let bench = Bench::new(1);
    let (mut client, server) = connect(&bench);
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    assert!(!bytes.contains(&0), "no frame of HTTP/2 comes back");
    let err = server.await.unwrap().unwrap_err();
    assert!(matches!(&err, Error::Http(err) if err.is_parse()), "{err}");
}

#[tokio::test]
async fn a_head_that_is_too_long_or_broken_is_refused() {
    let bench = Bench::new(1);
    for request in [
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
        "GET /\u{1} HTTP/1.1\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned() + &"x".repeat(200),
    ] {
        let (mut client, server) = connect(&bench);
        let _ = client.write_all(request.as_bytes()).await;
        let _ = client.shutdown().await;
        let mut text = Vec::new();
        let _ = client.read_to_end(&mut text).await;
        assert!(text.is_empty() || text.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&text));
        assert!(server.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let bench = Bench::new(100);
    let (mut client, _server) = connect(&bench);
    client.write_all(&[REQUEST, HEALTH, REQUEST].concat()).await.unwrap();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let (head, body) = answer(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        lengths.push(body.len());
    }
    assert_eq!(lengths[1], 8);
}

#[tokio::test]
async fn a_body_is_not_taken_in_and_ends_the_connection() {
    let bench = Bench::new(1);
    let (mut client, server) = connect(&bench);
    client
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: test\r\nContent-Length: 999999999\r\n\r\n")
        .await
        .unwrap();
    let mut sent = 0;
    while let Ok(bytes) = client.write(&[b'x'; 1000]).await {
        sent += bytes;
        assert!(sent < 1 << 20, "{sent} bytes were taken");
    }
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("healthy\n"), "{text}");
    server.await.unwrap().unwrap();
}
