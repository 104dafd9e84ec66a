//! Passwords that take long to check, and those who wait for that.

use std::io::ErrorKind;

use super::*;

/// Users of whom one has a hash that takes longer than any test: whoever gives that name occupies the
/// door for good.
fn busy_house() -> (House, Running) {
    let endless = "$2y$18$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    let (ann, eve) = (hash("ann's"), hash("eve's"));
    let house = House::new();
    let running = house.open(&format!("basic_auth_users: {{ann: {ann}, bob: {endless}, eve: {eve}}}\n"));
    assert_eq!(running.get("/-/healthy", &password("ann", "ann's")).status, 200);
    (house, running)
}

/// A request that is sent and not answered yet.
fn send(running: &Running, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn busy_count(running: &Running) -> String {
    let body = running.get("/metrics", &password("ann", "ann's")).body;
    let mut lines = body.lines();
    let count =
        lines.find_map(|line| line.strip_prefix(r#"axp_exporter_http_refused_total{reason="busy"} "#));
    count.unwrap().to_owned()
}

#[test]
fn more_passwords_than_can_be_checked_are_sent_away_and_known_ones_pass_by() {
    let (_house, running) = busy_house();
    let mut waiting: Vec<TcpStream> = (0..17).map(|_| send(&running, &password("bob", "?"))).collect();
    // One of them, whichever was the last to come in.
    let answered = wait_for("answer", PATIENCE, || {
        let is_answered = |stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let is_answered = stream.peek(&mut [0]).is_ok();
            stream.set_nonblocking(false).unwrap();
            is_answered
        };
        waiting.iter().position(is_answered).ok_or_else(|| "nobody is sent away".to_owned())
    });
    let mut text = String::new();
    waiting.remove(answered).read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 503") && text.ends_with("\r\n\r\ntoo many passwords to check\n"),
        "{text}"
    );
    assert!(text.to_ascii_lowercase().contains("\r\nretry-after: 1\r\n"), "{text}");
    assert_eq!(busy_count(&running), "1");
    for stream in waiting {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the others wait");
    }
}

#[test]
fn who_waits_for_a_password_to_be_checked_is_told_before_its_time_is_over() {
    let (_house, running) = busy_house();
    let _occupies = send(&running, &password("bob", "?"));
    let headers = password("eve", "?") + "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n";
    let mut text = String::new();
    wait_for("busy door", PATIENCE, || {
        text.clear();
        send(&running, &headers).read_to_string(&mut text).unwrap();
        // The other may come in a moment later.
        if text.starts_with("HTTP/1.1 503") { Ok(()) } else { Err(text.clone()) }
    });
    assert!(text.ends_with("\r\n\r\ntoo many passwords to check\n"), "{text}");
    assert_eq!(busy_count(&running), "1");
}
