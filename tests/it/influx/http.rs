//! HTTP: each API's way, every answer, and which lines are left out.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::bench::{Bench, Books, PACE, line, once, wait_for};
use super::stand_in::{Reply, Seen, StandIn, json, status};

/// The keys of each API.
const APIS: [&str; 3] = [
    "api = \"v1\"\ndatabase = \"axp\"",
    "api = \"v2\"\norg = \"contact centre\"\nbucket = \"axp\"\ntoken = \"t0k&n\"",
    "api = \"v3\"\ndatabase = \"axp\"",
];

fn keys(server: &StandIn, api: &str) -> String {
    format!("url = {:?}\n{api}", server.url())
}

#[tokio::test]
async fn each_api_is_spoken_to_in_its_own_way() {
    for (keys_of_api, target, authorization) in [
        (
            "api = \"v1\"\ndatabase = \"axp\"\nretention_policy = \"a week\"",
            "/write?db=axp&rp=a+week&precision=ns",
            "",
        ),
        (
            "api = \"v1\"\ndatabase = \"axp\"\nusername = \"user\"\npassword = \"pass:word\"",
            "/write?db=axp&precision=ns",
            "Basic dXNlcjpwYXNzOndvcmQ=",
        ),
        (APIS[1], "/api/v2/write?org=contact+centre&bucket=axp&precision=ns", "Token t0k&n"),
        (APIS[2], "/api/v3/write_lp?db=axp&precision=nanosecond&accept_partial=true", ""),
        (
            "api = \"v3\"\ndatabase = \"axp\"\ntoken = \"t0k&n\"",
            "/api/v3/write_lp?db=axp&precision=nanosecond&accept_partial=true",
            "Bearer t0k&n",
        ),
    ] {
        for gzip in [true, false] {
            let server = StandIn::start(|_| status(204)).await;
            let mut bench = Bench::start(&format!("{}\ngzip = {gzip}", keys(&server, keys_of_api))).await;
            bench.send_all(0..100);
            assert_eq!(bench.settled().await, Books::all_written(100));
            assert_eq!(bench.metrics.up.get(), 1);
            assert_eq!(server.stored(), once(0..100));
            let seen = server.seen().remove(0);
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", target));
            assert_eq!(seen.header("authorization"), authorization);
            assert_eq!(seen.header("content-type"), "text/plain; charset=utf-8");
            assert_eq!(seen.header("content-encoding"), if gzip { "gzip" } else { "" });
            assert_eq!(seen.bytes < seen.lines.len() / 2, gzip);
            assert!(seen.header("user-agent").starts_with("axp-exporter/"));
        }
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_is_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let write = |token: &str| {
        let mut file =
            std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, token.as_bytes()).unwrap();
    };
    write("old\n");
    let server =
        StandIn::start(|seen| status(if seen.header("authorization") == "Token new" { 204 } else { 401 }))
            .await;
    let api = format!("api = \"v2\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = {path:?}");
    let mut bench = Bench::start(&keys(&server, &api)).await;
    bench.send_all(0..10);
    wait_for("a refusal", || !server.seen().is_empty()).await;
    bench.up(0).await;
    // Not readable for a while: that is no reason to lose anything either.
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(2 * PACE.rare).await;
    assert_eq!(bench.books().await.waiting, 10);
    write("new\n");
    assert_eq!(bench.settled().await, Books::all_written(10));
    assert_eq!(server.stored(), once(0..10));
}

#[tokio::test]
async fn every_answer_that_settles_nothing_keeps_the_lines_and_they_are_sent_again() {
    for api in APIS {
        for (code, is_rare) in [
            (301, true),
            (401, true),
            (403, true),
            (404, true),
            (405, true),
            (408, false),
            (429, false),
            (500, false),
            (502, false),
            (503, false),
            (504, false),
        ] {
            let mut answers = vec![status(204), json(code, r#"{"error":"not now"}"#.to_owned())];
            let server = StandIn::start(move |_| answers.pop().unwrap_or_else(|| status(204))).await;
            let mut bench = Bench::start(&keys(&server, api)).await;
            bench.send_all(0..10);
            assert_eq!(bench.settled().await, Books::all_written(10), "{code}");
            assert_eq!(server.stored(), once(0..10), "{code}");
            let seen = server.seen();
            assert_eq!((seen.len(), &seen[0].lines), (2, &seen[1].lines), "{code}");
            let pause = seen[1].at - seen[0].at;
            assert!(!is_rare || pause >= PACE.rare, "{code} after {pause:?}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_as_seconds_and_as_a_date() {
    let date = || httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(2));
    for (code, seconds) in [(429, Some("1")), (503, Some("1")), (503, None)] {
        let value = seconds.map_or_else(date, str::to_owned);
        let mut answers =
            vec![Reply { status: code, headers: vec![("retry-after", value)], ..Reply::default() }];
        let server = StandIn::start(move |_| answers.pop().unwrap_or_else(|| status(204))).await;
        let mut bench = Bench::start(&keys(&server, APIS[1])).await;
        bench.send_all(0..10);
        bench.up(0).await;
        assert_eq!(bench.books().await.waiting, 10);
        assert_eq!(bench.settled().await, Books::all_written(10));
        let seen = server.seen();
        let pause = seen[1].at - seen[0].at;
        assert!(pause > Duration::from_millis(900), "{code} after {pause:?}");
        assert_eq!((seen.len(), server.stored()), (2, once(0..10)));
    }
}

fn is_poison(line: &str) -> bool {
    line.contains("n=1000007,") || line.contains("n=1000300,") || line.contains("n=1000301,")
}

/// A server that takes all or nothing and does not say why.
fn all_or_nothing(code: u16) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        if seen.lines.lines().any(is_poison) {
            json(code, r#"{"code":"invalid","message":"no"}"#.to_owned())
        } else {
            status(204)
        }
    }
}

#[tokio::test]
async fn lines_that_are_refused_without_a_name_are_found_and_left_out_alone() {
    for (api, code) in [(APIS[0], 400), (APIS[1], 400), (APIS[1], 422), (APIS[2], 400)] {
        let server = StandIn::start(all_or_nothing(code)).await;
        let mut bench = Bench::start(&keys(&server, api)).await;
        bench.send_all(0..500);
        let expected = Books { made: 500, written: 497, rejected: 3, dropped: 0, waiting: 0 };
        assert_eq!(bench.settled().await, expected);
        assert_eq!(
            server.stored(),
            once((0..500).filter(|number| ![7, 300, 301].contains(number))),
            "each once"
        );
        assert_eq!(bench.metrics.up.get(), 1, "the server is well");
        assert!(server.seen().len() < 70, "{} requests", server.seen().len());
    }
}

#[tokio::test]
async fn a_server_that_stores_the_good_lines_and_counts_the_others_is_believed() {
    for (api, code, key) in [(APIS[0], 400, "error"), (APIS[1], 422, "message")] {
        let server = StandIn::start(|_| status(500)).await;
        let store = server.store();
        // Two thirds are refused: to single them out would take a thousand requests.
        server.answer_by(move |seen| {
            let (good, bad): (Vec<_>, Vec<_>) =
                seen.lines.lines().enumerate().partition(|(index, _)| index % 3 == 0);
            for (_, line) in good {
                store(&format!("{line}\n"));
            }
            if bad.is_empty() {
                return status(204);
            }
            json(code, format!(r#"{{"{key}":"partial write: field type conflict dropped={}"}}"#, bad.len()))
        });
        let mut bench = Bench::start(&keys(&server, api)).await;
        bench.send_all(0..3000);
        let books = bench.settled().await;
        assert_eq!((books.made, books.dropped), (3000, 0));
        assert_eq!(books.written + books.rejected, 3000);
        assert!(
            books.rejected > 0 && server.seen().len() < 600,
            "{books:?}, {} requests",
            server.seen().len()
        );
    }
}

#[tokio::test]
async fn lines_that_influxdb_3_names_are_left_out_and_the_rest_is_stored() {
    let server = StandIn::start(|_| status(500)).await;
    let store = server.store();
    // Every fifth line, a hundred of them a time at most.
    server.answer_by(move |seen| {
        let mut named = String::new();
        for (index, line) in seen.lines.lines().enumerate() {
            let number: u64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            if !number.is_multiple_of(5) {
                store(&format!("{line}\n"));
            } else if named.matches("line_number").count() < 100 {
                let comma = if named.is_empty() { "" } else { "," };
                write!(
                    named,
                    r#"{comma}{{"original_line":{line:?},"line_number":{},"error_message":"no"}}"#,
                    index + 1
                )
                .unwrap();
            }
        }
        if named.is_empty() {
            return Reply { status: 299, ..Reply::default() };
        }
        json(400, format!(r#"{{"error":"partial write of line protocol occurred","data":[{named}]}}"#))
    });
    let mut bench = Bench::start(&keys(&server, APIS[2])).await;
    bench.send_all(0..1000);
    let expected = Books { made: 1000, written: 800, rejected: 200, dropped: 0, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    let stored: BTreeSet<_> = server.stored().into_keys().collect();
    let good: BTreeSet<_> = (0..1000).filter(|number: &u64| !number.is_multiple_of(5)).map(line).collect();
    assert_eq!(stored, good);
    assert!(server.seen().len() <= 8, "{} requests", server.seen().len());
}

#[tokio::test]
async fn lines_that_are_named_one_at_a_time_are_counted_however_many_they_are() {
    let server = StandIn::start(|_| status(500)).await;
    let store = server.store();
    server.answer_by(move |seen| {
        let named = seen.lines.lines().position(|line| line.contains("n=1000"));
        let good = seen.lines.lines().filter(|line| !line.contains("n=1000"));
        good.for_each(|line| store(&format!("{line}\n")));
        match named {
            None => Reply { status: 299, ..Reply::default() },
            Some(index) => {
                json(400, format!(r#"{{"error":"partial write","data":[{{"line_number":{}}}]}}"#, index + 1))
            }
        }
    });
    // Of hundreds of requests the stand-in, which is not optimised, would take long to inflate the lines.
    let mut bench = Bench::start(&format!("{}\ngzip = false", keys(&server, APIS[2]))).await;
    bench.send_all(700..1300);
    let expected = Books { made: 600, written: 300, rejected: 300, dropped: 0, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    assert_eq!(server.stored().into_keys().collect::<BTreeSet<_>>(), (1000..1300).map(line).collect());
}

#[tokio::test]
async fn what_is_too_large_is_halved_and_a_line_that_is_too_large_alone_is_dropped() {
    let server = StandIn::start(|seen| status(if seen.lines.len() > 1000 { 413 } else { 204 })).await;
    let mut bench = Bench::start(&keys(&server, APIS[1])).await;
    bench.send_all(0..300);
    bench.send(&format!("queue_itd text=\"{}\" 1\n", "x".repeat(2000)));
    bench.send_all(300..600);
    let expected = Books { made: 601, written: 600, rejected: 0, dropped: 1, waiting: 0 };
    assert_eq!(bench.settled().await, expected);
    assert_eq!(server.stored(), once(0..600));
}

#[tokio::test]
async fn batches_keep_to_their_size() {
    let server = StandIn::start(|_| status(204)).await;
    let mut bench = Bench::start(&format!("{}\nbatch_bytes = \"1KiB\"", keys(&server, APIS[0]))).await;
    bench.send_all(0..500);
    assert_eq!(bench.settled().await, Books::all_written(500));
    assert!(server.seen().iter().all(|seen| seen.lines.len() <= 1024 && seen.lines.ends_with('\n')));
    assert_eq!(server.stored(), once(0..500));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = StandIn::start(|_| status(204)).await;
    let elsewhere = other.url();
    for code in [301, 302, 303, 307, 308] {
        let to = elsewhere.clone();
        let server = StandIn::start(move |_| Reply {
            status: code,
            headers: vec![("location", to.clone())],
            ..Reply::default()
        })
        .await;
        let mut bench = Bench::start(&keys(&server, APIS[1])).await;
        bench.send_all(0..10);
        bench.up(0).await;
        wait_for("a request", || !server.seen().is_empty()).await;
        assert_eq!(bench.books().await.waiting, 10, "{code}");
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn an_answer_that_stays_away_or_ends_half_way_is_none() {
    // The first connection gets no answer, the second half of one, the third a whole one.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in
            ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 204 No Content\r\n\r\n"]
        {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let mut request = String::new();
            while !request.ends_with("1000000009\n") {
                let read = stream.read(&mut bytes).await.unwrap();
                request.push_str(str::from_utf8(&bytes[..read]).unwrap());
            }
            requests.push(request.split_once("\r\n\r\n").unwrap().1.to_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                assert_eq!(stream.read(&mut bytes).await.unwrap_or(0), 0, "given up");
            }
        }
        requests
    });
    let keys = format!("url = {url:?}\n{}\ngzip = false\ntimeout = \"200ms\"", APIS[0]);
    let mut bench = Bench::start(&keys).await;
    bench.send_all(0..10);
    assert_eq!(bench.settled().await, Books::all_written(10));
    let requests = serving.await.unwrap();
    assert_eq!(requests, vec![(0..10).map(line).collect::<String>(); 3]);
}
