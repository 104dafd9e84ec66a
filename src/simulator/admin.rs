//! The admin endpoints: faults, the state, and a hand on the centre. They ask for no credentials: the simulator
//! listens on loopback only and has nothing worth protecting.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    api::Call,
    fault::{Fault, FaultError},
    reply::Reply,
    site::Site,
};

/// The body of a log-in or log-out; absent means any agent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Who {
    #[serde(default)]
    agent_id: Option<String>,
}

/// The body of requests that take none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Answers a request to `/admin/…`.
pub(super) fn answer(site: &Site, call: &Call) -> Reply {
    let result = match (call.method.as_str(), call.path.as_str()) {
        ("POST", "/admin/faults") => return inject(site, call),
        ("GET", "/admin/state") => Ok(state(site)),
        ("POST", "/admin/agents/logout") => body::<Who>(call).and_then(|who| {
            let done = site.hub().log_out(who.agent_id.as_deref());
            agent(done, "nobody who could be logged out")
        }),
        ("POST", "/admin/agents/login") => body::<Who>(call).and_then(|who| {
            let done = site.hub().log_in(who.agent_id.as_deref());
            agent(done, "nobody who could be logged in")
        }),
        ("POST", "/admin/interval/reset") => body::<Nothing>(call).map(|_| {
            site.hub().reset_interval();
            json!({})
        }),
        ("POST", "/admin/pause") => body::<Nothing>(call).map(|_| pause(site, true)),
        ("POST", "/admin/resume") => body::<Nothing>(call).map(|_| pause(site, false)),
        (
            _,
            "/admin/faults"
            | "/admin/agents/logout"
            | "/admin/agents/login"
            | "/admin/interval/reset"
            | "/admin/pause"
            | "/admin/resume",
        ) => Err(Reply::method_not_allowed("POST")),
        (_, "/admin/state") => Err(Reply::method_not_allowed("GET")),
        _ => Err(Reply::not_found(&call.path)),
    };
    result.map_or_else(|reply| reply, |body| Reply::json(200, body))
}

fn inject(site: &Site, call: &Call) -> Reply {
    let fault: Fault = match serde_json::from_slice(&call.body) {
        Ok(fault) => fault,
        Err(error) => return Reply::problem(400, "Bad Request", format!("not a fault: {error}")),
    };
    match site.inject(fault) {
        Ok(hit) => Reply::json(200, json!({ "hit": hit })),
        Err(error @ FaultError::Field { .. }) => Reply::problem(400, "Bad Request", error.to_string()),
        Err(error @ FaultError::TooMany) => Reply::problem(409, "Conflict", error.to_string()),
    }
}

fn agent(done: Option<String>, nobody: &str) -> Result<Value, Reply> {
    done.map(|id| json!({ "agentId": id })).ok_or_else(|| Reply::problem(409, "Conflict", nobody))
}

fn pause(site: &Site, paused: bool) -> Value {
    site.hub().pause(paused, site.now_ms());
    json!({ "paused": paused })
}

/// A JSON body; none at all is its default.
fn body<T: DeserializeOwned + Default>(call: &Call) -> Result<T, Reply> {
    if call.body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&call.body).map_err(|error| Reply::problem(400, "Bad Request", error.to_string()))
}

/// Everything there is to see.
fn state(site: &Site) -> Value {
    let now = Instant::now();
    let subscriptions: Vec<Value> = site
        .subscriptions()
        .all(now)
        .iter()
        .map(|one| {
            json!({
                "subscriptionId": one.id,
                "measureProducerId": one.wanted.producer.id(),
                "status": one.status.as_str(),
                "expiresIn": one.left(now).as_secs(),
            })
        })
        .collect();
    let requests: Map<String, Value> = site
        .counts()
        .into_iter()
        .map(|(operation, count)| (operation.as_str().to_owned(), count.into()))
        .collect();
    let faults: Vec<Value> =
        site.faults().waiting().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
    let hub = site.hub();
    let sockets: Vec<Value> = hub
        .sockets()
        .map(|one| json!({ "subscriptionId": one.subscription, "measureProducerId": one.producer.id() }))
        .collect();
    json!({
        "subscriptions": subscriptions,
        "sockets": sockets,
        "requests": requests,
        "faults": faults,
        "paused": hub.is_paused(),
        "overruns": hub.overruns(),
    })
}
