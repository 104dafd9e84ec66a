//! How answers to authentication are read.

use super::*;

#[test]
fn every_status_is_known_in_either_spelling() {
    let statuses = [
        ("CONFIRMED", Verdict::Confirmed),
        ("FAILED_INVALID_TOKEN", Verdict::InvalidToken),
        ("FAILED_UNKNOWN_SUBSCRIPTION", Verdict::UnknownSubscription),
        ("FAILED_INTERNAL_SERVER_ERROR", Verdict::ServerError),
        ("FAILED_CONSTRAINT_VIOLATION", Verdict::ConstraintViolation),
    ];
    for event in ["authenticationResponse", "AUTHENTICATION_RESPONSE", "AuthenticationResponse"] {
        for (status, verdict) in statuses {
            let spellings = [
                format!("CONNECTION_{status}"),
                format!("connection_{}", status.to_lowercase()),
                format!("connection{}", status.replace('_', "")),
                status.to_owned(),
                status.trim_start_matches("FAILED_").to_owned(),
            ];
            for status in spellings {
                let text = format!(r#"{{"status":"{status}","event":"{event}","more":[1]}}"#);
                let read = read_verdict(&text).unwrap();
                assert_eq!(read, (verdict, format!(r#"{{"more":[1],"status":"{status}"}}"#)), "{text}");
            }
        }
    }
}

#[test]
fn an_unknown_status_is_one_of_its_own() {
    for rest in [
        r#","status":"CONNECTION_FAILED_BY_MAGIC""#,
        r#","status":"""#,
        r#","status":null"#,
        r#","status":7"#,
        r#","status":{}"#,
        "",
    ] {
        let text = format!(r#"{{"event":"authenticationResponse"{rest}}}"#);
        assert_eq!(read_verdict(&text).unwrap().0, Verdict::Other, "{text}");
    }
}

#[test]
fn all_else_is_no_answer() {
    for text in [
        "",
        "ping",
        "[]",
        "{}",
        r#"{"event":7,"status":"CONNECTION_CONFIRMED"}"#,
        r#"{"status":"CONNECTION_CONFIRMED"}"#,
        r#"{"event":"authentication","status":"CONNECTION_CONFIRMED"}"#,
        r#"{"event":"authenticationResponse","status":"CONNECTION_CONFIRMED""#,
        r#"{"eventAction":"UPSERT","payloadType":"LIVE","measures":{}}"#,
    ] {
        assert_eq!(read_verdict(text), None, "{text}");
    }
}
