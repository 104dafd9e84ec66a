//! What the simulator answers over HTTP: JSON, the problem documents of AXP's gateway, Keycloak's errors.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

/// An answer before it becomes bytes, so that a fault may still change it.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Empty,
    Json(Value),
    Problem(Value),
    Text(String),
}

impl Reply {
    /// A JSON answer.
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(body) }
    }

    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// An `application/problem+json` answer.
    pub(super) fn problem(status: u16, title: &str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        let body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
        Self { status, headers: Vec::new(), body: Body::Problem(body) }
    }

    /// The problem of a request that breaks constraints, one violation a field.
    pub(super) fn violations(violations: &[(&str, String)]) -> Self {
        let listed: Vec<Value> = violations
            .iter()
            .map(|(field, message)| json!({ "field": field, "message": message, "code": "CONSTRAINT_VIOLATION" }))
            .collect();
        let mut reply = Self::problem(400, "Constraint Violation", "The request breaks constraints");
        if let Body::Problem(Value::Object(body)) = &mut reply.body {
            body.insert("violations".to_owned(), listed.into());
        }
        reply
    }

    /// The gateway's answer to an account id that cannot be one. Its `status` is a string, as AXP's is.
    pub(super) fn invalid_account() -> Self {
        let body = json!({ "title": "Bad Request", "status": "400", "detail": "Invalid AccountID" });
        Self { status: 400, headers: Vec::new(), body: Body::Problem(body) }
    }

    /// The gateway's 401, for `Appkey` or `Access-Token`.
    pub(super) fn unauthorized(what: &str) -> Self {
        let detail = format!("The request lacks valid authentication credentials({what})");
        Self::problem(401, "Unauthorized", detail)
    }

    /// 403.
    pub(super) fn forbidden() -> Self {
        Self::problem(403, "Forbidden", "The user and/or accountId does not have permission to do this")
    }

    /// 404.
    pub(super) fn not_found(what: &str) -> Self {
        Self::problem(404, "Resource Not Found", format!("{what} does not exist"))
    }

    /// 405.
    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let mut reply = Self::problem(405, "Method Not Allowed", format!("expected {allowed}"));
        reply.headers.push(("allow".to_owned(), allowed.to_owned()));
        reply
    }

    /// Keycloak's errors.
    pub(super) fn oauth_error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, json!({ "error": error, "error_description": description }))
    }

    /// The bytes. A header that is none is left out; a status that is none becomes 500.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let (content_type, bytes) = match self.body {
            Body::Empty => (None, Bytes::new()),
            Body::Json(body) => (Some("application/json"), Bytes::from(body.to_string())),
            Body::Problem(body) => (Some("application/problem+json"), Bytes::from(body.to_string())),
            Body::Text(text) => (None, Bytes::from(text)),
        };
        let mut response = Response::new(Full::new(bytes));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(content_type) = content_type {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
