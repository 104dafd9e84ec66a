//! Sessions: from the token to the DELETE, and how they end.

use super::*;

#[tokio::test]
async fn a_client_gets_every_row_then_what_changes_then_the_delete_of_who_leaves() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let rows = bench.handle.rows("Agent_itd_1.0.0");
    assert!(!rows.is_empty());
    let mut client = bench.feed("Agent_itd_1.0.0").await;
    for (keys, measures) in &rows {
        let event = next_json(&mut client).await;
        assert_eq!(event["payloadType"], "INITIALIZING");
        assert_eq!(event["accountId"], "EZCLTR");
        assert_eq!(event["keys"]["agentId"].as_str(), Some(keys[0].1.as_str()));
        let sent = event["measures"].as_object().unwrap();
        assert_eq!(sent.len(), measures.len());
        assert!(measures.iter().all(|(name, value)| sent[name].as_str() == Some(value)), "{sent:?}");
    }
    bench.handle.resume();
    let event = next_json(&mut client).await;
    assert_eq!(
        (event["payloadType"].as_str(), event["eventAction"].as_str()),
        (Some("LIVE"), Some("UPSERT"))
    );
    assert!(event["measures"].as_object().unwrap().len() < rows[0].1.len(), "only what changed: {event}");

    let mut with_measures = Vec::new();
    for _ in 0..2 {
        let id = bench.handle.log_out(None).unwrap();
        let event = loop {
            let event = next_json(&mut client).await;
            if event["eventAction"] == "DELETE" {
                break event;
            }
        };
        assert_eq!(event["keys"]["agentId"].as_str(), Some(id.as_str()));
        with_measures.push(event.get("measures").cloned());
        bench.handle.log_in(Some(&id)).unwrap();
    }
    with_measures.sort_by_key(Option::is_some);
    assert_eq!(with_measures, [None, Some(json!({}))], "absent and empty by turns");
}

#[tokio::test]
async fn all_producers_together_give_well_over_a_thousand_numbers_within_a_second() {
    let bench = Bench::with(SimulatorOptions { seed: Some(2), ..SimulatorOptions::default() }).await;
    let mut numbers = 0;
    let began = std::time::Instant::now();
    for producer in measures::Producer::REALTIME {
        let rows = bench.handle.rows(producer.id()).len();
        let mut client = bench.feed(producer.id()).await;
        for _ in 0..rows {
            let event = next_json(&mut client).await;
            let measures = event["measures"].as_object().unwrap();
            numbers +=
                measures.values().filter(|value| value.as_str().unwrap().parse::<f64>().is_ok()).count();
        }
    }
    assert!(numbers > 2_000, "{numbers}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn two_sockets_of_one_subscription_see_the_same_events() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let (token, subscription) = bench.subscribe("Queue_itd_1.0.0").await;
    let (mut one, _) = bench.authenticate(&token, &subscription).await;
    let (mut two, _) = bench.authenticate(&token, &subscription).await;
    bench.handle.resume();
    for _ in 0..20 {
        assert_eq!(next_json(&mut one).await, next_json(&mut two).await);
    }
    assert_eq!(bench.handle.subscriptions()[0].sockets, 2);
}

#[tokio::test]
async fn each_wrong_authentication_gets_its_status_and_the_end() {
    let bench = Bench::start().await;
    let (token, subscription) = bench.subscribe("Queue_itd_1.0.0").await;
    let (mut client, status) = bench.authenticate("no token", &subscription).await;
    assert_eq!(status, "CONNECTION_FAILED_INVALID_TOKEN");
    assert_eq!(close_code(&mut client).await, Some(1008));
    let (_, status) = bench.authenticate(&token, "no-subscription").await;
    assert_eq!(status, "CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION");

    let mut client = bench.connect(&bench.endpoint(&subscription)).await.unwrap();
    client.send(Message::text(r#"{"event":"authentication"}"#)).await.unwrap();
    assert_eq!(next_json(&mut client).await["status"], "CONNECTION_FAILED_CONSTRAINT_VIOLATION");

    for frame in [Message::text("hello"), Message::text(r#"{"event":"other"}"#), Message::binary(vec![1])] {
        let mut client = bench.connect(&bench.endpoint(&subscription)).await.unwrap();
        client.send(frame).await.unwrap();
        assert_eq!(close_code(&mut client).await, Some(1008));
    }
}

#[tokio::test]
async fn both_spellings_of_the_answer_occur_unless_one_is_chosen() {
    let spelled = async |spelling| {
        let bench = Bench::with(SimulatorOptions { spelling, ..options() }).await;
        let (token, subscription) = bench.subscribe("Queue_itd_1.0.0").await;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..12 {
            let mut client = bench.connect(&bench.endpoint(&subscription)).await.unwrap();
            let frame = json!({ "event": "authentication", "subscriptionId": subscription, "token": token });
            client.send(Message::text(frame.to_string())).await.unwrap();
            seen.insert(next_json(&mut client).await["event"].as_str().unwrap().to_owned());
        }
        seen.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(spelled(Spelling::Documented).await, ["authenticationResponse"]);
    assert_eq!(spelled(Spelling::Real).await, ["AUTHENTICATION_RESPONSE"]);
    assert_eq!(spelled(Spelling::Mixed).await, ["AUTHENTICATION_RESPONSE", "authenticationResponse"]);
}

#[tokio::test]
async fn a_socket_that_does_not_authenticate_in_time_is_closed() {
    let bench =
        Bench::with(SimulatorOptions { authentication_timeout: Duration::from_millis(30), ..options() })
            .await;
    let mut client = bench.connect(&bench.endpoint("any")).await.unwrap();
    assert_eq!(close_code(&mut client).await, Some(1008));
}

#[tokio::test]
async fn pings_are_answered_and_their_absence_ends_socket_and_subscription() {
    let bench =
        Bench::with(SimulatorOptions { ping_interval: Duration::from_millis(300), ..options() }).await;
    bench.handle.pause();
    let mut client = bench.feed("Queue_itd_1.0.0").await;
    // Together longer than the interval: each ping gives it anew.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(Message::Ping("hi".into())).await.unwrap();
        loop {
            match next(&mut client).await.unwrap() {
                Message::Pong(payload) => break assert_eq!(payload, "hi"),
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(close_code(&mut client).await, Some(1001));
    assert_eq!(bench.handle.subscriptions()[0].status, Status::Inactive);
}

#[tokio::test]
async fn an_expired_subscription_closes_its_socket_and_a_renewal_prevents_that() {
    let bench = Bench::with(SimulatorOptions { token_life: Duration::from_millis(300), ..options() }).await;
    let began = std::time::Instant::now();
    let (token, subscription) = bench.subscribe("Queue_itd_1.0.0").await;
    let (mut client, _) = bench.authenticate(&token, &subscription).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let renew = format!("{}/{subscription}:renew", bench.subscriptions());
    let fresh = bench.token().await;
    assert_eq!(bench.api("POST", &renew, &fresh, "").await.status, 200);
    assert_eq!(close_code(&mut client).await, Some(1000));
    assert!(began.elapsed() >= Duration::from_millis(440), "{:?}", began.elapsed());
    assert_eq!(bench.handle.subscriptions()[0].status, Status::Inactive);
    let fresh = bench.token().await;
    assert_eq!(bench.api("POST", &renew, &fresh, "").await.json()["status"], "ACTIVE", "renewing revives it");
}

#[tokio::test]
async fn deleting_a_subscription_closes_its_socket() {
    let bench = Bench::start().await;
    let (token, subscription) = bench.subscribe("Queue_itd_1.0.0").await;
    let (mut client, _) = bench.authenticate(&token, &subscription).await;
    until(|| bench.handle.sockets() == 1).await;
    let path = format!("{}/{subscription}", bench.subscriptions());
    assert_eq!(bench.api("DELETE", &path, &token, "").await.status, 204);
    assert_eq!(close_code(&mut client).await, Some(1000));
    assert_eq!(bench.api("GET", &path, &token, "").await.status, 404);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_no_other() {
    let mut fast = options();
    fast.centre.events_per_second = 20_000.0;
    let bench = Bench::with(SimulatorOptions { socket_queue_events: 1_000, ..fast }).await;
    let slow = bench.feed("Agent_itd_1.0.0").await;
    let mut quick = bench.feed("Agent_itd_1.0.0").await;
    let reads = tokio::spawn(async move { while next(&mut quick).await.is_some() {} });
    until(|| bench.handle.overruns() == 1).await;
    assert_eq!(bench.handle.sockets(), 1);
    assert!(!reads.is_finished());
    drop(slow);
}

#[tokio::test]
async fn a_high_rate_is_made_by_sending_rows_again() {
    let mut fast = options();
    fast.centre.events_per_second = 4_000.0;
    let bench = Bench::with(fast).await;
    let mut client = bench.feed("AgentByChannel_itd_1.0.0").await;
    let began = std::time::Instant::now();
    let mut live = 0;
    while began.elapsed() < Duration::from_millis(300) {
        live += u32::from(next_json(&mut client).await["payloadType"] == "LIVE");
    }
    assert!(live > 200, "{live} events of one producer of four in 0.3 s");
}

#[tokio::test]
async fn a_reset_interval_is_told_to_the_sockets() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let mut client = bench.feed("Queue_itd_1.0.0").await;
    assert_eq!(bench.admin("/admin/interval/reset", "").await.status, 200);
    let event = loop {
        let event = next_json(&mut client).await;
        if event["payloadType"] == "LIVE" {
            break event;
        }
    };
    assert_eq!(event["measures"]["Offered"], "0");
}

#[tokio::test]
async fn a_paused_model_is_still_and_a_handle_sees_what_the_sockets_were_told() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let before = bench.handle.rows("QueueByChannel_itd_1.0.0");
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(bench.handle.rows("QueueByChannel_itd_1.0.0"), before);
    bench.handle.resume();
    until(|| bench.handle.rows("QueueByChannel_itd_1.0.0") != before).await;
    assert_eq!(bench.handle.rows("no producer"), []);
}

#[tokio::test]
async fn a_raw_text_reaches_every_socket_of_its_producer_in_line() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let mut client = bench.feed("Queue_itd_1.0.0").await;
    until(|| bench.handle.sockets() == 1).await;
    assert_eq!(bench.handle.emit("not json", "Agent_itd_1.0.0"), 0);
    assert_eq!(bench.handle.emit("not json", "Queue_itd_1.0.0"), 1);
    loop {
        match next(&mut client).await.unwrap() {
            Message::Text(text) if text == "not json" => break,
            Message::Text(text) => assert!(text.contains("INITIALIZING")),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_shutdown_closes_every_socket_and_ends() {
    let mut bench = Bench::start().await;
    let mut client = bench.feed("Queue_itd_1.0.0").await;
    until(|| bench.handle.sockets() == 1).await;
    let idle = TcpStream::connect(bench.address).await.unwrap();
    let closing = tokio::spawn(async move { close_code(&mut client).await });
    bench.stop().await;
    assert_eq!(closing.await.unwrap(), Some(1001));
    assert!(TcpStream::connect(bench.address).await.is_err());
    drop(idle);
}
