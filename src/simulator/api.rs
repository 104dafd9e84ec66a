//! The REST side: which operation a request is, whether the gateway lets it through, and what faults do to the answer.
//!
//! The order is the real one: gateway (app key, account, token), then the operation. Bodies are limited to
//! [`BODY_BYTES_MAX`], more is answered with 413. Whatever is not known is answered with 404 or 405; nothing a client
//! sends ends more than its own connection.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request,
    body::{Bytes, Incoming},
};
use tokio::time::Instant;

use super::{
    admin,
    fault::Fault,
    faults::Plan,
    notification,
    operation::Operation,
    producers,
    reply::{Body, Reply},
    route::Route,
    site::Site,
    token_endpoint,
};

/// Largest request body: far above any real one.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A request whose body was read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("answer dropped on request")
    }
}

impl std::error::Error for Dropped {}

/// Reads a request up to the limit.
pub(super) async fn read(request: Request<Incoming>) -> Result<Call, Reply> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| {
        Reply::problem(
            413,
            "Content Too Large",
            format!("the body is cut short or longer than {BODY_BYTES_MAX} bytes"),
        )
    })?;
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    })
}

/// Answers a request that is not an upgrade.
pub(super) async fn answer(site: &Arc<Site>, call: &Call) -> Result<Reply, Dropped> {
    if call.path.starts_with("/admin/") {
        return Ok(admin::answer(site, call));
    }
    let route = match Route::of(&call.method, &call.path) {
        Ok(route) => route,
        Err(reply) => return Ok(reply),
    };
    site.count(route.operation);
    tracing::trace!(operation = route.operation.as_str(), path = call.path, "request");
    let plan = site.faults().plan(route.operation);
    with_faults(plan, || perform(site, call, &route)).await
}

/// Carries out `perform` as far as the faults let it, and gives the answer they leave.
pub(super) async fn with_faults(plan: Plan, perform: impl FnOnce() -> Reply) -> Result<Reply, Dropped> {
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    match plan.instead {
        Some(Fault::Answer { status, headers, body, perform: carry_out, .. }) => {
            if carry_out {
                perform();
            }
            Ok(Reply { status, headers: headers.into_iter().collect(), body: Body::Text(body) })
        }
        Some(Fault::DropAnswer { perform: carry_out, .. }) => {
            if carry_out {
                perform();
            }
            Err(Dropped)
        }
        _ => {
            let mut reply = perform();
            if let Body::Json(body) | Body::Problem(body) = &mut reply.body {
                for (pointer, value) in plan.rewrites {
                    rewrite(body, &pointer, value);
                }
            }
            Ok(reply)
        }
    }
}

/// Sets or takes away one place of a JSON document; a place whose parent is not there stays away.
fn rewrite(document: &mut serde_json::Value, pointer: &str, value: Option<serde_json::Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let Some(parent) = document.pointer_mut(parent) else {
        return;
    };
    match (parent, value) {
        (serde_json::Value::Object(parent), Some(value)) => drop(parent.insert(name, value)),
        (serde_json::Value::Object(parent), None) => drop(parent.remove(&name)),
        (serde_json::Value::Array(parent), value) => {
            let Some(place) = name.parse().ok().filter(|place: &usize| *place < parent.len()) else {
                return;
            };
            match (parent.get_mut(place), value) {
                (Some(slot), Some(value)) => *slot = value,
                _ => drop(parent.remove(place)),
            }
        }
        _ => {}
    }
}

fn perform(site: &Site, call: &Call, route: &Route<'_>) -> Reply {
    if route.operation == Operation::Token {
        return token_endpoint::answer(site, call, route.account);
    }
    let token_expires = match pass_gateway(site, call, route.account) {
        Ok(expires) => expires,
        Err(reply) => return reply,
    };
    match route.operation {
        Operation::Create => notification::create(site, call, token_expires),
        Operation::List => notification::list(site, call),
        Operation::Get => notification::get(site, route.id),
        Operation::Renew => notification::renew(site, route.id, token_expires),
        Operation::Delete => notification::delete(site, route.id),
        Operation::Producers => producers::list(&call.query),
        Operation::Producer => producers::get(route.id),
        Operation::Locales => producers::locales(route.id),
        Operation::Dictionary => producers::dictionary(route.id, route.locale),
        Operation::Token | Operation::Upgrade => Reply::not_found(&call.path),
    }
}

/// What the gateway checks before any operation; gives when the token expires.
fn pass_gateway(site: &Site, call: &Call, account: &str) -> Result<Instant, Reply> {
    check_app_key(site, call)?;
    check_account(site, account)?;
    let token = header(call, "authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    site.tokens().expiry(token, Instant::now()).ok_or_else(|| Reply::unauthorized("Access-Token"))
}

/// Refuses another app key than the application's.
pub(super) fn check_app_key(site: &Site, call: &Call) -> Result<(), Reply> {
    match header(call, "appkey") {
        Some(key) if key == site.credentials.app_key => Ok(()),
        _ => Err(Reply::unauthorized("Appkey")),
    }
}

/// Refuses what cannot be an account, and other accounts.
pub(super) fn check_account(site: &Site, account: &str) -> Result<(), Reply> {
    if account.len() != 6 || !account.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Reply::invalid_account());
    }
    if account != site.credentials.account_id {
        return Err(Reply::forbidden());
    }
    Ok(())
}

/// A header, if it is text.
pub(super) fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A parameter of a query or form, the first if there are several.
pub(super) fn parameter(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rewrite_sets_or_takes_away_one_place() {
        let mut document = json!({ "a": { "b/c": 1 }, "list": [1, 2] });
        rewrite(&mut document, "/a/b~1c", Some(json!(null)));
        rewrite(&mut document, "/a/new", Some(json!("x")));
        rewrite(&mut document, "/list/0", None);
        rewrite(&mut document, "/no/such", Some(json!(1)));
        assert_eq!(document, json!({ "a": { "b/c": null, "new": "x" }, "list": [2] }));
        rewrite(&mut document, "/a", None);
        assert_eq!(document, json!({ "list": [2] }));
    }
}
