//! Each fault, seen from the client.

use super::*;

const QUEUE: &str = "Queue_itd_1.0.0";

#[tokio::test]
async fn close_and_reset_end_the_sockets_of_one_producer() {
    let bench = Bench::start().await;
    let mut queue = bench.feed(QUEUE).await;
    let mut agent = bench.feed("Agent_itd_1.0.0").await;
    until(|| bench.handle.sockets() == 2).await;
    let hit = bench.fault(json!({ "fault": "close", "producer": QUEUE, "code": 4001, "reason": "so" })).await;
    assert_eq!(hit, json!({ "hit": 1 }));
    assert_eq!(close_code(&mut queue).await, Some(4001));
    assert_eq!(bench.fault(json!({ "fault": "reset" })).await, json!({ "hit": 1 }));
    let error = loop {
        match timeout(PATIENCE, agent.next()).await.unwrap() {
            Some(Ok(Message::Text(_))) => {}
            other => break other,
        }
    };
    assert!(matches!(error, Some(Err(_))), "no close frame, but an error: {error:?}");
}

#[tokio::test]
async fn silence_swallows_events_and_pongs_and_ends_when_it_is_to() {
    let bench = Bench::start().await;
    let mut client = bench.feed(QUEUE).await;
    until(|| bench.handle.sockets() == 1).await;
    bench.fault(json!({ "fault": "silence" })).await;
    // What was under way before is read off.
    let quiet = async |client: &mut Client| {
        let pause = Duration::from_millis(100);
        while timeout(pause, client.next()).await.is_ok() {}
    };
    quiet(&mut client).await;
    client.send(Message::Ping("lost".into())).await.unwrap();
    assert!(timeout(Duration::from_millis(100), client.next()).await.is_err(), "it says nothing for ever");
    bench.fault(json!({ "fault": "silence", "seconds": 0.02 })).await;
    let event = next_json(&mut client).await;
    assert_eq!(event["payloadType"], "LIVE", "framing is whole after the silence");
    client.send(Message::Ping("heard".into())).await.unwrap();
    loop {
        match next(&mut client).await.unwrap() {
            Message::Pong(payload) => break assert_eq!(payload, "heard"),
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_frame_of_any_content_is_sent() {
    let bench = Bench::start().await;
    bench.handle.pause();
    let mut client = bench.feed(QUEUE).await;
    until(|| bench.handle.sockets() == 1).await;
    bench.fault(json!({ "fault": "frame", "text": "<html>" })).await;
    bench.fault(json!({ "fault": "frame", "hex": "00ff", "binary": true })).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match next(&mut client).await.unwrap() {
            Message::Text(text) if text.contains("INITIALIZING") => {}
            message => seen.push(message),
        }
    }
    assert_eq!(seen, [Message::text("<html>"), Message::binary(vec![0, 0xff])]);
    // Text that is no UTF-8 is for the client to refuse.
    bench.fault(json!({ "fault": "frame", "hex": "ff" })).await;
    assert!(timeout(PATIENCE, client.next()).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn expire_makes_subscriptions_inactive_with_or_without_closing() {
    let bench = Bench::start().await;
    let (token, subscription) = bench.subscribe(QUEUE).await;
    let (mut client, _) = bench.authenticate(&token, &subscription).await;
    until(|| bench.handle.sockets() == 1).await;
    assert_eq!(bench.fault(json!({ "fault": "expire", "close": false })).await, json!({ "hit": 1 }));
    assert_eq!(bench.handle.subscriptions()[0].status, Status::Inactive);
    let (_, status) = bench.authenticate(&token, &subscription).await;
    assert_eq!(status, "CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION");
    next_json(&mut client).await;
    bench.fault(json!({ "fault": "expire", "producer": QUEUE })).await;
    assert_eq!(close_code(&mut client).await, Some(1000));
}

#[tokio::test]
async fn revoked_tokens_are_refused_everywhere() {
    let bench = Bench::start().await;
    let (token, subscription) = bench.subscribe(QUEUE).await;
    bench.fault(json!({ "fault": "revoke_tokens" })).await;
    assert_eq!(bench.api("GET", &bench.subscriptions(), &token, "").await.status, 401);
    assert_eq!(bench.authenticate(&token, &subscription).await.1, "CONNECTION_FAILED_INVALID_TOKEN");
}

#[tokio::test]
async fn an_operation_answers_as_told_so_many_times() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench
        .fault(json!({
            "fault": "answer", "operation": "list", "status": 429, "headers": { "Retry-After": "7" },
            "body": "slow down", "times": 2,
        }))
        .await;
    for _ in 0..2 {
        let answer = bench.api("GET", &bench.subscriptions(), &token, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (429, "slow down"));
        assert!(answer.head.contains("retry-after: 7"), "{}", answer.head);
    }
    assert_eq!(bench.api("GET", &bench.subscriptions(), &token, "").await.status, 200);
    assert_eq!(bench.handle.requests()[&Operation::List], 3);
}

#[tokio::test]
async fn an_upgrade_answers_as_told() {
    let bench = Bench::start().await;
    bench.fault(json!({ "fault": "answer", "operation": "upgrade", "status": 503 })).await;
    let refused = bench.connect(&bench.endpoint("any")).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(response) = refused else { panic!("{refused:?}") };
    assert_eq!(response.status(), 503);
    bench.connect(&bench.endpoint("any")).await.unwrap();
}

#[tokio::test]
async fn an_answer_may_be_lost_before_or_after_the_deed() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let create = async || {
        let bearer = format!("Bearer {token}");
        let headers = [("appkey", bench.known.app_key.as_str()), ("authorization", &bearer)];
        let body = json!({
            "family": "ANALYTICS", "events": ["ALL"], "transport": { "type": "WEBSOCKET" },
            "extensions": { "measureProducerId": QUEUE },
        });
        bench.try_request("POST", &bench.subscriptions(), &headers, &body.to_string()).await
    };
    bench.fault(json!({ "fault": "drop_answer", "operation": "create" })).await;
    assert!(create().await.is_none());
    assert_eq!(bench.handle.subscriptions().len(), 0);
    bench.fault(json!({ "fault": "drop_answer", "operation": "create", "perform": true })).await;
    assert!(create().await.is_none());
    assert_eq!(bench.handle.subscriptions().len(), 1);
    bench.fault(json!({ "fault": "answer", "operation": "create", "status": 500, "perform": true })).await;
    assert_eq!(create().await.unwrap().status, 500);
    assert_eq!(bench.handle.subscriptions().len(), 2);
}

#[tokio::test]
async fn an_answer_may_be_late() {
    let bench = Bench::start().await;
    bench.fault(json!({ "fault": "delay", "operation": "token", "seconds": 0.1 })).await;
    let began = std::time::Instant::now();
    bench.token().await;
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn any_place_of_an_answer_may_be_odd() {
    let bench = Bench::start().await;
    for (value, expected) in
        [(json!("900"), Some(json!("900"))), (json!(-1), Some(json!(-1))), (Value::Null, None)]
    {
        let mut fault = json!({ "fault": "rewrite", "operation": "token", "pointer": "/expires_in" });
        if expected.is_some() {
            fault["value"] = value;
        }
        bench.fault(fault).await;
        let answer = bench.ask_token(&bench.form(), &bench.known.app_key).await.json();
        assert_eq!(answer.get("expires_in"), expected.as_ref());
    }
    let token = bench.token().await;
    for (pointer, value) in [("/transport/pingInterval", json!(0)), ("/expiresIn", json!(null))] {
        bench
            .fault(json!({ "fault": "rewrite", "operation": "create", "pointer": pointer, "value": value }))
            .await;
    }
    let created = bench.create(&token, QUEUE).await.json();
    assert_eq!((&created["transport"]["pingInterval"], &created["expiresIn"]), (&json!(0), &json!(null)));
    assert!(created.as_object().unwrap().contains_key("expiresIn"));
}

#[tokio::test]
async fn another_endpoint_or_none_is_told() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.fault(json!({ "fault": "endpoint", "endpoint": "ws://169.254.169.254/x" })).await;
    let created = bench.create(&token, QUEUE).await.json();
    assert_eq!(created["transport"]["endpoint"], "ws://169.254.169.254/x");
    bench.fault(json!({ "fault": "endpoint" })).await;
    let created = bench.create(&token, QUEUE).await.json();
    assert!(!created["transport"].as_object().unwrap().contains_key("endpoint"));
}

#[tokio::test]
async fn a_subscription_may_be_pending_for_a_while() {
    let bench = Bench::start().await;
    bench.fault(json!({ "fault": "pending", "polls": 1 })).await;
    let (token, subscription) = bench.subscribe(QUEUE).await;
    assert_eq!(bench.authenticate(&token, &subscription).await.1, "CONNECTION_FAILED_UNKNOWN_SUBSCRIPTION");
    let path = format!("{}/{subscription}", bench.subscriptions());
    assert_eq!(bench.api("GET", &path, &token, "").await.json()["status"], "PENDING");
    assert_eq!(bench.api("GET", &path, &token, "").await.json()["status"], "ACTIVE");
    assert_eq!(bench.authenticate(&token, &subscription).await.1, "CONNECTION_CONFIRMED");
}

#[tokio::test]
async fn an_authentication_may_be_refused_with_any_status() {
    let bench = Bench::start().await;
    let (token, subscription) = bench.subscribe(QUEUE).await;
    bench
        .fault(json!({ "fault": "refuse_authentication", "status": "CONNECTION_FAILED_X", "times": 2 }))
        .await;
    for _ in 0..2 {
        let (mut client, status) = bench.authenticate(&token, &subscription).await;
        assert_eq!(status, "CONNECTION_FAILED_X");
        assert_eq!(close_code(&mut client).await, Some(1008));
    }
    assert_eq!(bench.authenticate(&token, &subscription).await.1, "CONNECTION_CONFIRMED");
}

#[tokio::test]
async fn a_snapshot_may_be_left_out_cut_short_or_slow() {
    let bench = Bench::start().await;
    bench.fault(json!({ "fault": "snapshot", "rows": 0 })).await;
    let mut client = bench.feed(QUEUE).await;
    assert_eq!(next_json(&mut client).await["payloadType"], "LIVE");

    bench.fault(json!({ "fault": "snapshot", "producer": QUEUE, "rows": 1, "then_close": true })).await;
    let mut client = bench.feed(QUEUE).await;
    assert_eq!(next_json(&mut client).await["payloadType"], "INITIALIZING");
    assert_eq!(close_code(&mut client).await, Some(1011));

    bench.fault(json!({ "fault": "snapshot", "seconds_per_row": 0.06 })).await;
    let began = std::time::Instant::now();
    let mut client = bench.feed(QUEUE).await;
    for _ in 0..2 {
        assert_eq!(next_json(&mut client).await["payloadType"], "INITIALIZING");
    }
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_connection_or_a_socket_may_be_accepted_and_closed() {
    let bench = Bench::start().await;
    for reset in [false, true] {
        bench.fault(json!({ "fault": "accept_then_close", "at": "connection", "reset": reset })).await;
        assert!(bench.try_request("GET", "/admin/state", &[], "").await.is_none());
        bench.fault(json!({ "fault": "accept_then_close", "at": "upgrade", "reset": reset })).await;
        let mut client = bench.connect(&bench.endpoint("any")).await.unwrap();
        assert_eq!(close_code(&mut client).await, (!reset).then_some(1011));
    }
    assert_eq!(bench.request("GET", "/admin/state", &[], "").await.status, 200);
}

#[tokio::test]
async fn waiting_faults_last_as_long_as_told_and_can_be_cleared() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    bench.fault(json!({ "fault": "answer", "operation": "list", "status": 500, "times": null })).await;
    for _ in 0..3 {
        assert_eq!(bench.api("GET", &bench.subscriptions(), &token, "").await.status, 500);
    }
    assert_eq!(bench.handle.faults_waiting(), 1);
    bench.fault(json!({ "fault": "clear" })).await;
    assert_eq!(bench.api("GET", &bench.subscriptions(), &token, "").await.status, 200);
}

#[tokio::test]
async fn a_fault_that_cannot_be_is_refused_with_what_would_be_right() {
    let bench = Bench::start().await;
    for (fault, words) in [
        (json!({ "fault": "clos" }), ["`clos`", "`close`"]),
        (json!({ "fault": "close", "cod": 1 }), ["`cod`", "`code`"]),
        (json!({ "fault": "clear", "x": 1 }), ["`x`", "no fields"]),
        (json!({ "operation": "list" }), ["missing", "`fault`"]),
        (json!({ "fault": "delay", "operation": "lst", "seconds": 1 }), ["`lst`", "`list`"]),
        (json!({ "fault": "delay", "operation": "list", "seconds": -1 }), ["seconds is -1", "0 to 86400"]),
        (json!({ "fault": "close", "code": 1006 }), ["code is 1006", "1000 to 4999"]),
        (json!({ "fault": "reset", "producer": "x" }), ["producer is x", "Queue_itd_1.0.0"]),
        (json!({ "fault": "frame" }), ["neither", "one of them"]),
        (json!({ "fault": "frame", "hex": "0g" }), ["hex is 0g", "hexadecimal"]),
        (json!({ "fault": "answer", "operation": "list", "status": 99 }), ["status is 99", "200 to 999"]),
        (
            json!({ "fault": "answer", "operation": "list", "status": 200, "headers": { "a b": "" } }),
            ["headers is a b", "legal"],
        ),
        (json!({ "fault": "rewrite", "operation": "get", "pointer": "x" }), ["pointer is x", "JSON pointer"]),
    ] {
        let refused = bench.admin("/admin/faults", &fault.to_string()).await;
        assert_eq!(refused.status, 400, "{fault}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(words.iter().all(|word| detail.contains(word)), "{fault}: {detail}");
    }
    let fault = json!({ "fault": "pending", "times": null }).to_string();
    let mut last = 0;
    for _ in 0..257 {
        last = bench.admin("/admin/faults", &fault).await.status;
    }
    assert_eq!(last, 409, "the list is bounded");
}
