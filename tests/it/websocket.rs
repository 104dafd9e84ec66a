//! What a websocket's server may do, over real sockets, and what the exporter makes of it: answers instead of an
//! upgrade, silence, floods, frames that are wrong, and what it is told at the end.

use std::time::{Duration, Instant, SystemTime};

use axp_exporter::simulator::Operation;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use crate::front::{Front, Socket, authenticated, closed, confirm};
use crate::rig::{AGENTS, PATIENCE, Rig, wait_for};

/// An event of an agent who has completed so many contacts.
fn event(rig: &Rig, payload_type: &str, agent: &str, completed: usize, padding: &str) -> Message {
    let account = &rig.account_id;
    Message::text(format!(
        r#"{{"accountId":"{account}","keys":{{"agentId":"{agent}"}},"eventAction":"UPSERT","eventSourceId":"IXCC_1.0.0","measureProducerId":"Agent_itd_1.0.0","payloadType":"{payload_type}","measures":{{"completed":"{completed}"}}}}{padding}"#
    ))
}

impl Rig {
    /// What `/metrics` shows of who has completed how many contacts.
    async fn completed(&self, agent: &str) -> Option<f64> {
        let samples = self.samples("axp_agent_itd_completed{").await;
        let of_agent = format!("agent_id=\"{agent}\"");
        let sample = samples.iter().find(|sample| sample.contains(&of_agent))?;
        sample.rsplit(' ').next()?.parse().ok()
    }
}

/// The status line and headers of an answer without a body.
fn answer(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{headers}\r\n")
}

#[tokio::test]
async fn an_upgrade_that_is_answered_otherwise_has_the_way_out_of_its_status() {
    for (status, tokens, gets) in [(401, 2, 1), (404, 1, 1), (500, 1, 1), (302, 1, 1)] {
        let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
        let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let location = format!("Location: ws://{}/ws/\r\n", stranger.local_addr().unwrap());
        front.answer(&answer(status, &location)).await;
        let _socket = front.let_in().await;
        wait_for("the feed", || async { rig.of_agents("feed_up", "").await == 1.0 }).await;
        assert_eq!(rig.reconnects("connect").await, 1.0, "{status}");
        let made =
            [Operation::Token, Operation::Get, Operation::Create].map(|made| rig.simulator.requests()[&made]);
        assert_eq!(made, [tokens, gets, 1], "{status}");
        let called = tokio::time::timeout(Duration::ZERO, stranger.accept()).await;
        assert!(called.is_err(), "nobody goes where an answer points");
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_forbids_the_websocket_is_not_asked_again_for_a_while() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    front.answer(&answer(403, "")).await;
    wait_for("the end of the attempt", || async { rig.reconnects("connect").await == 1.0 }).await;
    // A pause is of two seconds at most.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rig.simulator.requests()[&Operation::Get], 0);
    assert_eq!(rig.simulator.subscriptions().len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_says_when_to_come_again_is_left_alone_until_then() {
    const PATIENCE: Duration = Duration::from_secs(4);
    for (status, by_date) in [(429, false), (503, true)] {
        let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
        let began = Instant::now();
        // A date has whole seconds, so that it may be one earlier.
        let date = httpdate::fmt_http_date(SystemTime::now() + PATIENCE + Duration::from_secs(1));
        let asked = if by_date { date } else { PATIENCE.as_secs().to_string() };
        front.answer(&answer(status, &format!("Retry-After: {asked}\r\n"))).await;
        drop(front.request().await);
        assert!(began.elapsed() >= PATIENCE, "{status}: {:?}", began.elapsed());
        rig.stop().await;
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut stream = front.request().await;
    let (head, chunk) = ("HTTP/1.1 500 X\r\nContent-Length: 1000000000\r\n\r\n", vec![b'x'; 64 << 10]);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut written = 0;
    while tokio::time::timeout(PATIENCE, stream.write_all(&chunk)).await.unwrap().is_ok() {
        written += chunk.len();
    }
    println!("answer without end: {written} bytes went out");
    assert!(written < 64 << 20, "{written}");
    wait_for("the end of the attempt", || async { rig.reconnects("connect").await == 1.0 }).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_authentication_is_left_with_1008() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut socket = front.open().await;
    authenticated(&mut socket).await;
    let began = Instant::now();
    assert_eq!(closed(&mut socket).await, CloseCode::Policy);
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    wait_for("the count", || async { rig.reconnects("authentication").await == 1.0 }).await;
    assert_eq!(rig.of_agents("feed_up", "").await, 0.0);
    rig.stop().await;
}

#[tokio::test]
async fn what_comes_before_the_answer_to_authentication_changes_no_row_and_is_counted() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut socket = front.open().await;
    socket.send(event(&rig, "LIVE", "early", 1, "")).await.unwrap();
    authenticated(&mut socket).await;
    socket.send(event(&rig, "INITIALIZING", "early", 2, "")).await.unwrap();
    confirm(&mut socket).await;
    socket.send(event(&rig, "LIVE", "known", 3, "")).await.unwrap();
    wait_for("the event", || async { rig.completed("known").await == Some(3.0) }).await;
    assert_eq!(rig.completed("early").await, None);
    assert_eq!(rig.value(r#"axp_exporter_events_rejected_total{reason="early"}"#).await, 2.0);
    rig.stop().await;
}

/// Sends pings and an event now and then; gives the payloads of the pongs.
async fn flood(rig: &Rig, socket: &mut Socket, pings: usize, reads: bool) -> Vec<Vec<u8>> {
    let payload = |number: usize| format!("{number:0>100}").into_bytes();
    let (mut sender, mut receiver) = socket.split();
    let mut answers = Vec::new();
    let mut receive = async |last| {
        while answers.last() != Some(&last) {
            if let Message::Pong(payload) = receiver.next().await.unwrap().unwrap() {
                answers.push(payload.to_vec());
            }
        }
    };
    let flood = async {
        let send = async {
            for number in 1..=pings {
                sender.feed(Message::Ping(payload(number).into())).await.unwrap();
                if number % 1000 == 0 {
                    sender.send(event(rig, "LIVE", "known", number, "")).await.unwrap();
                }
            }
        };
        if reads {
            tokio::join!(send, receive(payload(pings)));
            return;
        }
        send.await;
        // The last one, until its pong is found behind those that were not read.
        let last = async {
            loop {
                sender.send(Message::Ping(payload(pings + 1).into())).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = receive(payload(pings + 1)) => {}
            () = last => {}
        }
    };
    tokio::time::timeout(2 * PATIENCE, flood).await.expect("the last ping is answered");
    answers
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_and_holds_up_no_event() {
    for (pings, reads) in [(50_000, true), (200_000, false)] {
        let (mut rig, mut front) = Front::start(AGENTS, &[("AXP_EXPORTER_AXP__PING_INTERVAL", "60s")]).await;
        let mut socket = front.let_in().await;
        let began = Instant::now();
        let pongs = flood(&rig, &mut socket, pings, reads).await;
        println!(
            "{pings} pings, pongs read meanwhile: {reads}: {} pongs in {:?}",
            pongs.len(),
            began.elapsed()
        );
        assert!(
            pongs.windows(2).all(|pair| pair[0] < pair[1]),
            "each ping is answered once at most, in order"
        );
        // A server that does not read finds what the systems' buffers hold, and the last.
        assert!(reads || pongs.len() < pings, "{}", pongs.len());
        wait_for("the last event", || async { rig.completed("known").await == Some(pings as f64) }).await;
        assert_eq!(rig.reconnects("closed").await, 0.0);
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_reads_nothing_does_not_keep_a_stop_from_ending_the_subscription() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut socket = front.let_in().await;
    // Pongs fill the way out, and then a ping of ours is stuck: nothing more is read.
    let ping = Message::Ping(vec![b'x'; 100].into());
    while tokio::time::timeout(Duration::from_millis(500), socket.send(ping.clone())).await.is_ok() {}
    let began = Instant::now();
    rig.stop_app().await;
    println!("stopped after {:?}", began.elapsed());
    assert!(rig.simulator.subscriptions().is_empty());
    assert_eq!(rig.requests(Operation::Delete), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_breaks_the_protocol_or_the_limit_is_answered_with_its_own_code() {
    let limit = format!("{AGENTS}[limits]\nframe_bytes = \"64KiB\"\n");
    let frame = |payload: &[u8], code, is_final| {
        Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(code), is_final))
    };
    // So long that most of it is still under way when it is refused.
    let long = frame("x".repeat(8 << 20).as_bytes(), Data::Text, true);
    let half = [
        frame("x".repeat(40_000).as_bytes(), Data::Text, false),
        frame("x".repeat(40_000).as_bytes(), Data::Continue, true),
    ];
    let no_text = frame(&[b'"', 0xff], Data::Text, true);
    let out_of_turn = frame(b"x", Data::Continue, true);
    let mut reserved = Frame::message(&b"x"[..], OpCode::Data(Data::Text), true);
    reserved.header_mut().rsv1 = true;
    for (frames, code, reason) in [
        (&[long][..], CloseCode::Size, "oversized"),
        (&half[..], CloseCode::Size, "oversized"),
        (&[no_text], CloseCode::Invalid, "protocol"),
        (&[out_of_turn], CloseCode::Protocol, "protocol"),
        (&[Message::Frame(reserved)], CloseCode::Protocol, "protocol"),
    ] {
        let (mut rig, mut front) = Front::start(&limit, &[]).await;
        let mut socket = front.let_in().await;
        socket.send(event(&rig, "LIVE", "known", 1, "")).await.unwrap();
        wait_for("the event", || async { rig.completed("known").await == Some(1.0) }).await;
        for frame in frames {
            socket.send(frame.clone()).await.unwrap();
        }
        assert_eq!(closed(&mut socket).await, code);
        wait_for("the count", || async { rig.reconnects(reason).await == 1.0 }).await;
        drop(socket);
        // Back on the same subscription, and the row is still there.
        let _socket = front.let_in().await;
        assert_eq!(rig.completed("known").await, Some(1.0));
        assert_eq!(rig.simulator.requests()[&Operation::Create], 1);
        rig.stop().await;
    }
}

#[tokio::test]
async fn events_that_come_faster_than_they_are_applied_wait_in_the_server() {
    const EVENTS: usize = 200_000;
    /// More than the buffers of two sockets hold.
    const UNDER_WAY_BYTES_MAX: usize = 24 << 20;
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut socket = front.let_in().await;
    // JSON may end in blanks: long, and quickly made and read.
    let padding = " ".repeat(500);
    let bytes = event(&rig, "LIVE", "known", EVENTS, &padding).len();
    let (mut most, began) = (0.0, Instant::now());
    for number in 1..=EVENTS {
        socket.feed(event(&rig, "LIVE", "known", number, &padding)).await.unwrap();
        if number % 5_000 == 0 {
            let applied = rig.of_agents("events_applied_total", "").await;
            most = f64::max(most, number as f64 - applied);
        }
    }
    socket.flush().await.unwrap();
    let sent_after = began.elapsed();
    wait_for("the last event", || async { rig.completed("known").await == Some(EVENTS as f64) }).await;
    let under_way = most * bytes as f64;
    println!(
        "{EVENTS} events of {bytes} bytes: sent in {sent_after:?}, applied in {:?}, at most {under_way} bytes under way",
        began.elapsed()
    );
    assert!(under_way < UNDER_WAY_BYTES_MAX as f64, "{under_way}");
    assert_eq!(rig.of_agents("events_applied_total", "").await, EVENTS as f64);
    rig.stop().await;
}

#[tokio::test]
async fn pongs_that_answer_no_ping_are_a_sign_of_life_and_no_more() {
    let (mut rig, mut front) = Front::start(AGENTS, &[]).await;
    let mut socket = front.let_in().await;
    let (mut pings, began) = (0, Instant::now());
    while pings < 4 {
        let read = tokio::time::timeout(Duration::from_millis(50), socket.next()).await;
        pings += usize::from(matches!(read, Ok(Some(Ok(Message::Ping(_))))));
        // After a ping it takes the place of the pong that would answer it.
        socket.send(Message::Pong("nobody asked".into())).await.unwrap();
        assert!(began.elapsed() < PATIENCE, "pings are not put off: {pings}");
    }
    assert_eq!(rig.of_agents("feed_ping_seconds", "").await, 0.0, "nothing was measured");
    assert_eq!((rig.of_agents("feed_up", "").await, rig.reconnects("ping").await), (1.0, 0.0));
    rig.stop().await;
}

#[tokio::test]
async fn what_tls_refuses_is_counted_for_rest_and_for_the_websocket() {
    let refused = r#"axp_exporter_tls_errors_total{reason="protocol"}"#;
    // The simulator speaks no TLS.
    let simulator = crate::rig::simulator().await;
    let address = simulator.local_addr();
    let api_url = format!("https://{address}");
    let mut rig = Rig::start_on(simulator, AGENTS, &[], &[("AXP_EXPORTER_AXP__API_URL", &api_url)]).await;
    wait_for("REST to be refused", || async { rig.value(refused).await >= 1.0 }).await;
    rig.stop().await;

    let simulator = crate::rig::simulator().await;
    let endpoint = format!(
        r#"{{"fault":"endpoint","endpoint":"wss://{}{{path}}","times":null}}"#,
        simulator.local_addr()
    );
    let mut rig = Rig::start_on(simulator, AGENTS, &[&endpoint], &[]).await;
    wait_for("the websocket to be refused", || async { rig.value(refused).await >= 1.0 }).await;
    assert!(rig.reconnects("connect").await >= 1.0);
    rig.stop().await;
}
