//! `/metrics` under scrapers of every kind: all dialects, crowds, and no file descriptor left.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use flate2::read::GzDecoder;

use crate::demo::Demo;
use crate::legal::{self, Syntax};
use crate::support::{PATIENCE, get, wait_for};

/// Scrapers that come at once, more than the exporter takes connections.
const CROWD: usize = 300;

/// What Prometheus 3 sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

/// An answer in bytes, as a client has it that compares the length.
#[derive(Debug)]
struct Raw {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// GETs a URL of `http://host:port/path`, over HTTP/1.1.
fn scrape(url: &str, headers: &[(&str, &str)]) -> std::io::Result<Raw> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(length.map(str::parse), Some(Ok(body.len())), "whole, or else no answer: {head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Raw { status, head, body })
}

impl Raw {
    fn inflated(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&*self.body).read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn what_prometheus_asks_for_comes_compressed_and_is_what_others_get_plain() {
    let demo = Demo::start(&["--seed", "4"]);
    demo.admin("pause", "");
    wait_for("equal answers of a paused centre", PATIENCE, || {
        let answer =
            scrape(&demo.metrics_url, &[("Accept", PROMETHEUS), ("Accept-Encoding", "gzip")]).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("content-encoding: gzip\r\n"), "{}", answer.head);
        let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8\r\n";
        assert!(answer.head.contains(content_type), "{}", answer.head);
        let compressed = legal::read(Syntax::OpenMetrics, &answer.inflated()).unwrap();
        assert!(answer.body.len() * 5 < answer.inflated().len(), "{} bytes", answer.body.len());
        let plain = String::from_utf8(scrape(&demo.metrics_url, &[]).unwrap().body).unwrap();
        let plain = legal::read(Syntax::Text, &plain).unwrap();
        let names = |series: &legal::Series| series.keys().cloned().collect::<BTreeSet<_>>();
        if names(&compressed) == names(&plain) { Ok(()) } else { Err("different series".to_owned()) }
    });
}

#[test]
fn a_crowd_of_scrapers_gets_whole_answers_or_is_sent_away() {
    let demo = Demo::start(&["--seed", "5"]);
    let url = &demo.metrics_url;
    let statuses: Vec<u16> = thread::scope(|scope| {
        let scrapers: Vec<_> = (0..CROWD)
            .map(|_| {
                scope.spawn(|| {
                    let answer = scrape(url, &[("Accept-Encoding", "gzip")]).unwrap();
                    match answer.status {
                        200 => drop(legal::read(Syntax::Text, &answer.inflated()).unwrap()),
                        503 => assert!(answer.head.contains("retry-after: 1\r\n"), "{}", answer.head),
                        _ => {}
                    }
                    answer.status
                })
            })
            .collect();
        scrapers.into_iter().map(|scraper| scraper.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 40, "{statuses:?}");
    let body = get(url).ok();
    let refused =
        body.lines().find(|line| line.starts_with(r#"axp_exporter_scrapes_refused_total{reason="busy"}"#));
    let sent_away = statuses.iter().filter(|status| **status == 503).count();
    assert!(refused.unwrap().ends_with(&format!(" {sent_away}")), "{refused:?}, {sent_away} counted here");
}

#[test]
fn without_a_file_descriptor_left_it_waits_and_then_goes_on() {
    let demo = Demo::start_with_files(64);
    assert!(get(&demo.metrics_url).ok().contains("process_max_fds 64"));
    // The simulator shares the process and takes what there is.
    let address = demo.simulator_url.strip_prefix("http://").unwrap();
    let held: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let (mut scrapers, began) = (Vec::new(), Instant::now());
    wait_for("failure to accept", PATIENCE, || {
        // Some may still get in, before the simulator has taken the last.
        let metrics = demo.metrics_url.clone();
        scrapers.push(thread::spawn(move || scrape(&metrics, &[]).unwrap()));
        let said = demo.process.stderr();
        if said.contains("cannot accept connections") { Ok(()) } else { Err(said) }
    });
    drop(held);
    for scraper in scrapers {
        assert_eq!(scraper.join().unwrap().status, 200, "a scrape that had to wait");
    }
    assert_eq!(demo.process.stderr().matches("cannot accept connections").count(), 1, "said once");
    let body = get(&demo.metrics_url).ok();
    let mut lines = body.lines();
    let counted =
        lines.find_map(|line| line.strip_prefix(r#"axp_exporter_http_refused_total{reason="accept"} "#));
    let failures: u128 = counted.unwrap().parse().unwrap();
    // It waits a tenth of a second after each.
    let most = 2 + began.elapsed().as_millis() / 100;
    assert!((1..=most).contains(&failures), "{failures} failures, and {most} at most");
}

#[test]
fn scrapers_leave_half_of_the_file_descriptors_to_others() {
    let demo = Demo::start_with_files(80);
    let address = demo.metrics_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let held: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    // The simulator accepts in the same process: it could not if scrapers had taken all.
    demo.admin("pause", "");
    assert!(!demo.process.stderr().contains("cannot accept"), "{}", demo.process.stderr());
    drop(held);
    assert_eq!(get(&demo.metrics_url).status, 200);
}

#[test]
fn more_scrapers_that_stay_connected_than_there_are_places_are_all_answered() {
    // Half of them are for scrapers.
    let demo = Demo::start_with_files(80);
    let address = demo.metrics_url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut kept = Vec::new();
    for number in 0..60 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: axp\r\n\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap_or_else(|err| panic!("scraper {number}: {err}"));
        assert_eq!(&start, b"HTTP/1.1 200");
        kept.push(stream);
    }
}
