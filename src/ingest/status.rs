//! What an HTTP answer means that says no, to a REST call and to the request for a websocket alike.

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

use crate::ingest::link::Trouble;

/// How long to wait where `Retry-After` cannot be read.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(10);

/// What a status means for a link, with what `Retry-After` asks for.
pub(super) fn trouble(status: StatusCode, retry_after: Option<Duration>) -> Trouble {
    match status {
        StatusCode::UNAUTHORIZED => Trouble::Unauthorized,
        StatusCode::NOT_FOUND | StatusCode::GONE => Trouble::Gone,
        StatusCode::CONFLICT => Trouble::Conflict,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Trouble::Later(retry_after),
        StatusCode::REQUEST_TIMEOUT => Trouble::Unknown,
        status if status.is_client_error() => Trouble::Refused,
        _ => Trouble::Unknown,
    }
}

/// How long `Retry-After` asks to wait, if it is there: seconds, or a date
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().unwrap_or_default().trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(match httpdate::parse_http_date(value) {
        Ok(date) => date.duration_since(now).unwrap_or_default(),
        Err(_) => RETRY_AFTER_DEFAULT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_meaning() {
        for (statuses, meaning) in [
            (&[401][..], Trouble::Unauthorized),
            (&[400, 403, 405, 422], Trouble::Refused),
            (&[404, 410], Trouble::Gone),
            (&[409], Trouble::Conflict),
            (&[429, 503], Trouble::Later(None)),
            (&[301, 302, 408, 500, 502, 504], Trouble::Unknown),
        ] {
            for status in statuses {
                assert_eq!(trouble(StatusCode::from_u16(*status).unwrap(), None), meaning, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |value: &[u8]| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.try_into().unwrap())]), now)
        };
        for (value, seconds) in [
            ("7", 7),
            (" 0 ", 0),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("soon", 10),
            ("-5", 10),
            ("", 10),
        ] {
            assert_eq!(asked(value.as_bytes()), Some(Duration::from_secs(seconds)), "{value}");
        }
        assert_eq!(asked(b"\xff"), Some(RETRY_AFTER_DEFAULT));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
