//! The token endpoint: a gateway in front of a Keycloak.
//!
//! Client credentials in the form, as AXP's samples send them; a refresh token is refused, as newer Keycloaks issue
//! none for this grant.

use serde_json::json;
use tokio::time::Instant;

use super::{
    api::{self, Call},
    reply::Reply,
    site::Site,
    tokens,
};

/// Answers a request for a token.
pub(super) fn answer(site: &Site, call: &Call, account: &str) -> Reply {
    if let Err(reply) = api::check_app_key(site, call).and_then(|()| check_account(site, account)) {
        return reply;
    }
    let form = |name| api::parameter(&call.body, name).unwrap_or_default();
    let content_type = api::header(call, "content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        let detail = format!("expected application/x-www-form-urlencoded, not {content_type:?}");
        return Reply::problem(415, "Unsupported Media Type", detail);
    }
    let known = &site.credentials;
    if form("client_id") != known.client_id || form("client_secret") != known.client_secret {
        return Reply::oauth_error(401, "invalid_client", "Invalid client or Invalid client credentials");
    }
    match form("grant_type").as_str() {
        "client_credentials" => {}
        "refresh_token" => {
            return Reply::oauth_error(400, "invalid_grant", "Session doesn't have required client");
        }
        "" => {
            return Reply::oauth_error(400, "invalid_request", "Missing form parameter: grant_type");
        }
        _ => return Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant_type"),
    }
    let life = site.options.token_life;
    let token = tokens::invent(&mut site.rng());
    site.tokens().issue(&token, life, Instant::now());
    let mut reply = Reply::json(
        200,
        json!({
            "access_token": token,
            "expires_in": life.as_secs(),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "email profile",
        }),
    );
    reply.headers.push(("cache-control".to_owned(), "no-store".to_owned()));
    reply
}

/// Any other account than ours is no realm here.
fn check_account(site: &Site, account: &str) -> Result<(), Reply> {
    api::check_account(site, account).map_err(|_| Reply::invalid_account())
}
