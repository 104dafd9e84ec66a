//! The Notification API: subscriptions are created, listed, read, renewed and deleted.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    api::{self, Call},
    fault::Fault,
    hub::Ending,
    measures::Producer,
    names,
    reply::Reply,
    site::Site,
    subscriptions::{Pending, Subscription, Wanted},
};

/// Most subscriptions on a page, and how many without asking.
const PAGE_SIZE_MAX: usize = 25;
const PAGE_SIZE: usize = 10;

/// Most entries of `events` and of `extensions`.
const EVENTS_MAX: usize = 25;
const EXTENSIONS_MAX: usize = 50;

/// Creates a subscription that lives as long as the token.
pub(super) fn create(site: &Site, call: &Call, token_expires: Instant) -> Reply {
    let wanted = match wanted(&call.body) {
        Ok(wanted) => wanted,
        Err(violations) => return Reply::violations(&violations),
    };
    let pending = match site.faults().take(|fault| matches!(fault, Fault::Pending { .. })) {
        Some(Fault::Pending { polls, .. }) => polls.map_or(Pending::ForEver, Pending::Polls),
        _ => Pending::No,
    };
    let id = names::uuid(&mut site.rng());
    let max = site.options.subscriptions_max;
    let created = site.subscriptions().create(id, wanted, token_expires, pending, max);
    match created {
        Some(created) => Reply::json(201, show(site, &created)),
        None => Reply::problem(409, "Conflict", format!("the account has {max} subscriptions already")),
    }
}

/// Lists a page of them.
pub(super) fn list(site: &Site, call: &Call) -> Reply {
    let number = |name, fallback: usize, max: usize| match api::parameter(call.query.as_bytes(), name) {
        None => Ok(fallback),
        Some(text) => match text.parse() {
            Ok(number) if (1..=max).contains(&number) => Ok(number),
            _ => Err(Reply::violations(&[(name, format!("must be between 1 and {max}, found {text:?}"))])),
        },
    };
    let asked = (number("pageNumber", 1, 1_000_000), number("pageSize", PAGE_SIZE, PAGE_SIZE_MAX));
    let (page, length) = match asked {
        (Ok(page), Ok(length)) => (page, length),
        (Err(reply), _) | (_, Err(reply)) => return reply,
    };
    let all = site.subscriptions().all(Instant::now());
    let shown: Vec<Value> =
        all.iter().skip((page - 1) * length).take(length).map(|one| show(site, one)).collect();
    let link = |page: usize, there: bool| {
        if there { format!("{}?pageNumber={page}&pageSize={length}", call.path) } else { String::new() }
    };
    Reply::json(
        200,
        json!({
            "pagination": { "pageNumber": page, "pageSize": length, "total": all.len() },
            "subscriptions": shown,
            "links": { "prev": link(page - 1, page > 1), "next": link(page + 1, page * length < all.len()) },
        }),
    )
}

/// Reads one.
pub(super) fn get(site: &Site, id: &str) -> Reply {
    let found = site.subscriptions().poll(id, Instant::now());
    found.map_or_else(|| Reply::not_found("the subscription"), |one| Reply::json(200, show(site, &one)))
}

/// Renews one for as long as the token lives.
pub(super) fn renew(site: &Site, id: &str, token_expires: Instant) -> Reply {
    let renewed = site.subscriptions().renew(id, token_expires);
    renewed.map_or_else(|| Reply::not_found("the subscription"), |one| Reply::json(200, show(site, &one)))
}

/// Deletes one and closes its sockets.
pub(super) fn delete(site: &Site, id: &str) -> Reply {
    if !site.subscriptions().delete(id) {
        return Reply::not_found("the subscription");
    }
    let ending = Ending::Close { code: 1000, reason: "subscription deleted".to_owned() };
    site.hub().end(|socket| socket.subscription == id, &ending);
    Reply::empty(204)
}

fn show(site: &Site, subscription: &Subscription) -> Value {
    let told = site.faults().take(|fault| matches!(fault, Fault::Endpoint { .. }));
    let endpoint = match told {
        Some(Fault::Endpoint { endpoint, .. }) => {
            endpoint.map(|endpoint| endpoint.replace("{path}", &site.endpoint_path(&subscription.id)))
        }
        _ => Some(site.endpoint(&subscription.id)),
    };
    subscription.json(endpoint.as_deref(), site.options.ping_interval, Instant::now())
}

/// What a create body asks for, or all that is wrong with it.
fn wanted(body: &[u8]) -> Result<Wanted, Vec<(&'static str, String)>> {
    let body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| vec![("body", format!("must be a JSON object: {error}"))])?;
    let mut violations = Vec::new();
    match body.get("family").and_then(Value::as_str) {
        Some("ANALYTICS") => {}
        Some(other) => {
            violations.push(("family", format!("must be ANALYTICS here, found {other:?}")));
        }
        None => violations.push(("family", "must not be null".to_owned())),
    }
    let events = body.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    if !(1..=EVENTS_MAX).contains(&events.len()) || !events.iter().all(Value::is_string) {
        violations.push(("events", format!("must be 1 to {EVENTS_MAX} strings")));
    }
    let transport = body.get("transport").and_then(Value::as_object);
    match transport.and_then(|transport| transport.get("type")).and_then(Value::as_str) {
        Some("WEBSOCKET") => {}
        other => violations.push(("transport.type", format!("must be WEBSOCKET here, found {other:?}"))),
    }
    if transport.is_some_and(|transport| transport.contains_key("endpoint")) {
        violations.push(("transport.endpoint", "must be absent for WEBSOCKET".to_owned()));
    }
    let extensions = body.get("extensions").and_then(Value::as_object).cloned().unwrap_or_default();
    if extensions.len() > EXTENSIONS_MAX || !extensions.values().all(Value::is_string) {
        violations.push(("extensions", format!("must be at most {EXTENSIONS_MAX} strings")));
    }
    let producer = extensions.get("measureProducerId").and_then(Value::as_str);
    match producer.map(|id| (id, Producer::from_id(id))) {
        Some((_, Some(producer))) if violations.is_empty() => {
            return Ok(Wanted { producer, events, extensions });
        }
        Some((_, Some(_))) => {}
        Some((id, None)) => {
            violations.push((
                "extensions.measureProducerId",
                format!("must be a listed measure producer, found {id:?}"),
            ));
        }
        None => violations.push(("extensions.measureProducerId", "must not be null".to_owned())),
    }
    Err(violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_with_a_create_body_is_told_at_once() {
        let fields = |body: Value| match wanted(body.to_string().as_bytes()) {
            Ok(wanted) => vec![wanted.producer.id()],
            Err(violations) => violations.into_iter().map(|(field, _)| field).collect(),
        };
        assert_eq!(fields(json!([])), ["body"]);
        assert_eq!(
            fields(json!({ "transport": { "type": "WEBHOOK", "endpoint": "x" }, "extensions": { "a": 1 } })),
            [
                "family",
                "events",
                "transport.type",
                "transport.endpoint",
                "extensions",
                "extensions.measureProducerId"
            ],
        );
        let mut right = json!({
            "family": "ANALYTICS", "events": ["ALL"], "transport": { "type": "WEBSOCKET" },
            "extensions": { "measureProducerId": "Agent_itd_1.0.0", "processorType": "ITD" },
        });
        assert_eq!(fields(right.clone()), ["Agent_itd_1.0.0"]);
        right["extensions"]["measureProducerId"] = "Agent_ITD_1.0.0".into();
        assert_eq!(fields(right), ["extensions.measureProducerId"]);
    }
}
