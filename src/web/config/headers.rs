//! `http_server_config.headers`: what may be added to answers, the toolkit's list of them.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::Fault;

/// The headers, with the only values that they may have where these are few.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The headers as they go out; one without a value does not.
pub(super) fn checked(headers: BTreeMap<String, Option<String>>) -> Result<HeaderMap, Fault> {
    let mut checked = HeaderMap::new();
    for (name, value) in headers {
        let refused =
            |why: String| Fault::new(format!("http_server_config.headers.{}", name.escape_debug()), why);
        let Some((_, values)) = ALLOWED.iter().find(|(allowed, _)| *allowed == name) else {
            let names = ALLOWED.map(|(name, _)| name).join(", ");
            return Err(refused(format!("this header cannot be set; those that can are {names}")));
        };
        let value = value.unwrap_or_default();
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(refused(format!("found {value:?}, expected {}", values.join(" or "))));
        }
        let (Ok(name), Ok(text)) = (HeaderName::try_from(&name), HeaderValue::try_from(&value)) else {
            return Err(refused("a control character in the value".to_owned()));
        };
        if !value.is_empty() {
            checked.insert(name, text);
        }
    }
    Ok(checked)
}
