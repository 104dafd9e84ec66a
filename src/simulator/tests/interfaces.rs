//! The REST interfaces: what they answer, and what they refuse with which words.

use super::*;

#[tokio::test]
async fn a_token_comes_with_the_usual_company() {
    let bench = Bench::start().await;
    let answer = bench.ask_token(&bench.form(), &bench.known.app_key).await.json();
    assert!(answer["access_token"].as_str().unwrap().starts_with("eyJ"));
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(bench.handle.requests()[&Operation::Token], 1);
}

#[tokio::test]
async fn a_token_is_refused_in_the_words_of_who_refuses_it() {
    let bench = Bench::start().await;
    let (key, form) = (bench.known.app_key.clone(), bench.form());
    let refused = bench.ask_token(&form, "wrong").await;
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("application/problem+json"), "{}", refused.head);
    assert!(refused.json()["detail"].as_str().unwrap().ends_with("(Appkey)"));

    let refused = bench.ask_token(&form.replace("secret=", "secret=not"), &key).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (401, Some("invalid_client")));

    for (grant, error) in
        [("refresh_token", "invalid_grant"), ("password", "unsupported_grant_type"), ("", "invalid_request")]
    {
        let refused = bench.ask_token(&form.replace("client_credentials", grant), &key).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some(error)));
    }

    let path = "/api/auth/v1/nosuch/protocol/openid-connect/token";
    let headers = [("appkey", key.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let refused = bench.request("POST", path, &headers, &form).await;
    assert_eq!((refused.status, refused.json()["status"].clone()), (400, json!("400")));
    let path = path.replace("nosuch", "EZCLTR");
    assert_eq!(bench.request("POST", &path, &headers[..1], &form).await.status, 415);
}

#[tokio::test]
async fn the_gateway_wants_app_key_account_and_token() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let path = bench.subscriptions();
    let bearer = format!("Bearer {token}");
    let refused = bench.request("GET", &path, &[("authorization", &bearer)], "").await;
    assert!(refused.json()["detail"].as_str().unwrap().ends_with("(Appkey)"));
    let refused = bench.api("GET", &path, "wrong", "").await;
    assert_eq!(refused.status, 401);
    assert!(refused.json()["detail"].as_str().unwrap().ends_with("(Access-Token)"));
    assert_eq!(bench.api("GET", &path.replace("EZCLTR", "ABCDEF"), &token, "").await.status, 403);
    assert_eq!(bench.api("GET", &path.replace("EZCLTR", "toolong"), &token, "").await.status, 400);
    assert_eq!(bench.api("PUT", &path, &token, "").await.status, 405);
    assert_eq!(bench.api("GET", "/elsewhere", &token, "").await.status, 404);
}

#[tokio::test]
async fn a_token_is_refused_once_it_has_expired() {
    let bench = Bench::with(SimulatorOptions { token_life: Duration::from_millis(40), ..options() }).await;
    let token = bench.token().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.api("GET", &bench.subscriptions(), &token, "").await.status, 401);
}

#[tokio::test]
async fn a_subscription_shows_itself_as_documented() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let answer = bench.create(&token, "Queue_itd_1.0.0").await;
    assert_eq!(answer.status, 201);
    let created = answer.json();
    let id = created["subscriptionId"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(created["status"], "ACTIVE");
    assert_eq!(created["transport"]["endpoint"].as_str(), Some(bench.endpoint(id).as_str()));
    assert_eq!(created["transport"]["pingInterval"], 300);
    assert!((895..=900).contains(&created["expiresIn"].as_u64().unwrap()), "{created}");
    assert_eq!(created["createdAt"].as_str().unwrap().len(), "2025-07-22T10:53:28.879688324Z".len());

    let path = format!("{}/{id}", bench.subscriptions());
    assert_eq!(bench.api("GET", &path, &token, "").await.json()["subscriptionId"], id);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", ":renew")] {
        let path = format!("{}/nobody{path}", bench.subscriptions());
        assert_eq!(bench.api(method, &path, &token, "").await.status, 404);
    }
}

#[tokio::test]
async fn a_create_body_that_breaks_constraints_is_told_which() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let refused = bench.create(&token, "Nothing_itd_1.0.0").await;
    assert_eq!(refused.status, 400);
    let body = refused.json();
    assert_eq!(body["title"], "Constraint Violation");
    assert_eq!(body["violations"][0]["field"], "extensions.measureProducerId");
}

#[tokio::test]
async fn subscriptions_are_listed_by_page() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    for _ in 0..3 {
        bench.create(&token, "Queue_itd_1.0.0").await;
    }
    let path = bench.subscriptions();
    let page = bench.api("GET", &format!("{path}?pageNumber=2&pageSize=1"), &token, "").await.json();
    assert_eq!(page["pagination"], json!({ "pageNumber": 2, "pageSize": 1, "total": 3 }));
    assert_eq!(page["subscriptions"].as_array().unwrap().len(), 1);
    assert_eq!(page["links"]["prev"].as_str().unwrap(), format!("{path}?pageNumber=1&pageSize=1"));
    let all = bench.api("GET", &path, &token, "").await.json();
    assert_eq!(all["links"], json!({ "prev": "", "next": "" }));
    assert_eq!(bench.api("GET", &format!("{path}?pageSize=26"), &token, "").await.status, 400);
}

#[tokio::test]
async fn one_subscription_too_many_is_a_conflict() {
    let bench = Bench::with(SimulatorOptions { subscriptions_max: 1, ..options() }).await;
    let token = bench.token().await;
    assert_eq!(bench.create(&token, "Queue_itd_1.0.0").await.status, 201);
    assert_eq!(bench.create(&token, "Queue_itd_1.0.0").await.status, 409);
}

#[tokio::test]
async fn producers_are_listed_described_and_filtered() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let base = "/api/analytics/producer-management/v1/accounts/EZCLTR/measure-producers";
    let get = async |path: &str| bench.api("GET", &format!("{base}{path}"), &token, "").await;
    assert_eq!(get("").await.json().as_array().unwrap().len(), 5);
    let filtered = get("?processorType=ITD").await.json();
    assert_eq!(filtered.as_array().unwrap().len(), 4);
    assert!(
        filtered[0]["measureSets"][0]["measures"].as_array().unwrap().len() < 5,
        "the list is a shortened one"
    );
    assert_eq!(get("?processorType=XYZ").await.status, 400);

    let agent = get("/Agent_itd_1.0.0").await.json();
    assert_eq!(agent["measureSets"][0]["keys"], json!(["agentId"]));
    let types = |producer: &Value, name: &str| {
        let measures = producer["measureSets"][0]["measures"].as_array().unwrap().clone();
        measures.into_iter().find(|measure| measure["name"] == name).unwrap()["type"].clone()
    };
    assert_eq!(types(&agent, "agentState"), "STRING");
    assert_eq!(types(&agent, "timeInState"), "TIME_IN_STATE");
    assert_eq!(types(&agent, "activeDuration"), "DURATION");
    assert_eq!(types(&get("/Queue_itd_1.0.0").await.json(), "isDefaultQueue"), "STRING");

    assert_eq!(get("/Agent_itd_1.0.0/locales").await.json(), json!(["en"]));
    let dictionary = get("/Agent_itd_1.0.0/dictionaries/en").await.json();
    assert!(dictionary["measures"].as_array().unwrap().iter().all(|measure| measure["description"] != ""));
    assert_eq!(get("/Agent_itd_1.0.0/dictionaries/xx").await.status, 404);
    assert_eq!(get("/Nothing").await.status, 404);
}

#[tokio::test]
async fn a_path_that_is_no_feed_and_a_request_that_is_no_upgrade_are_refused() {
    let bench = Bench::start().await;
    let path = "/ws/notification/v1/analytics/realtime/EZCLTR/any";
    let refused = bench.request("GET", path, &[], "").await;
    assert_eq!(refused.status, 426);
    assert_eq!(bench.request("GET", &path.replace("EZCLTR", "ABCDEF"), &[], "").await.status, 403);
    assert_eq!(bench.request("GET", "/ws/elsewhere", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let bench = Bench::start().await;
    let body = "x".repeat(1024 * 1024 + 1);
    let answer = bench.try_request("POST", "/admin/faults", &[], &body).await;
    assert!(answer.is_none_or(|answer| answer.status == 413), "the connection may end before all is written");
    assert_eq!(bench.admin("/admin/pause", "").await.status, 200, "it serves on");
}

#[tokio::test]
async fn the_admin_endpoints_move_agents_and_show_the_state() {
    let bench = Bench::start().await;
    assert_eq!(bench.admin("/admin/pause", "").await.json(), json!({ "paused": true }));
    let id = bench.admin("/admin/agents/logout", "").await.json()["agentId"].as_str().unwrap().to_owned();
    let named = json!({ "agentId": id }).to_string();
    assert_eq!(bench.admin("/admin/agents/logout", &named).await.status, 409, "logged out already");
    assert_eq!(
        bench.admin("/admin/agents/login", &named).await.json()["agentId"].as_str(),
        Some(id.as_str())
    );
    let refused = bench.admin("/admin/agents/login", r#"{"agent":"x"}"#).await;
    assert_eq!(refused.status, 400);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`agent`") && detail.contains("`agentId`"), "{detail}");

    let mut client = bench.feed("Queue_itd_1.0.0").await;
    next_json(&mut client).await;
    bench.fault(json!({ "fault": "delay", "operation": "list", "seconds": 1 })).await;
    let state = bench.request("GET", "/admin/state", &[], "").await.json();
    assert_eq!(state["paused"], true);
    assert_eq!(state["subscriptions"][0]["status"], "ACTIVE");
    assert_eq!(state["sockets"][0]["measureProducerId"], "Queue_itd_1.0.0");
    assert_eq!((&state["requests"]["create"], &state["requests"]["list"]), (&json!(1), &json!(0)));
    assert_eq!(state["faults"][0]["fault"], "delay");
    assert_eq!(bench.admin("/admin/resume", "").await.json(), json!({ "paused": false }));
    assert_eq!(bench.request("GET", "/admin/pause", &[], "").await.status, 405);
    assert_eq!(bench.admin("/admin/nothing", "").await.status, 404);
}
