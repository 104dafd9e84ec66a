//! What a server's answer to lines means.
//!
//! | status | meaning |
//! |---|---|
//! | 2xx | all lines are stored |
//! | 400, 422 | some lines are refused for good; which, the body may tell |
//! | 413 | too many bytes at once |
//! | others | no line is stored, try again: soon or rarely, see [`Trouble::again`] |
//!
//! InfluxDB 3 names refused lines
//! ([write API](https://docs.influxdata.com/influxdb3/core/write-data/http-api/v3-write-lp/)),
//! at most a hundred of them; 1 and 2 say how many they dropped, the others being stored
//! ([partial writes](https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/)). A body
//! that says neither, or that does not fit what was sent, tells nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use crate::ingest::words;
use crate::sink::influx::target::Trouble;

/// Most bytes of the server's own words in a log.
const DETAIL_BYTES_MAX: usize = 200;

/// An answer that settles something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All lines are stored.
    Stored,
    /// There are too many of them.
    TooLarge,
    /// Some are refused for good; with the server's own words.
    Poison(Poison, String),
}

/// Which lines are refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poison {
    /// These, by their index.
    Lines(BTreeSet<usize>),
    /// So many, at least one; the others are stored.
    Count(u64),
    /// Nobody knows.
    Unknown,
}

/// What the server tells in a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    /// InfluxDB 1 and 3.
    error: String,
    /// InfluxDB 2.
    message: String,
    /// InfluxDB 3.
    data: Option<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Many(Vec<NamedLine>),
    One(NamedLine),
    Other(serde::de::IgnoredAny),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedLine {
    original_line: String,
    line_number: usize,
    error_message: String,
}

/// Judges an answer to these lines; `secrets` are not shown, should the server repeat them.
///
/// # Errors
/// An answer that settles nothing.
pub(super) fn judge(
    status: StatusCode,
    retry_after: Option<Duration>,
    body: &[u8],
    lines: &[u8],
    secrets: &[&SecretString],
) -> Result<Answer, Trouble> {
    if status.is_success() {
        return Ok(Answer::Stored);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Ok(Answer::TooLarge);
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let detail = detail(&refusal, secrets);
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
        return Ok(Answer::Poison(poison(&refusal, lines), detail));
    }
    Err(Trouble::Refused { status, retry_after, detail })
}

fn poison(refusal: &Refusal, lines: &[u8]) -> Poison {
    let named = match &refusal.data {
        Some(Named::Many(named)) => named.as_slice(),
        Some(Named::One(named)) => std::slice::from_ref(named),
        Some(Named::Other(_)) | None => &[],
    };
    if !named.is_empty() {
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        let indexes: Option<BTreeSet<usize>> = named.iter().map(|named| index_of(named, &lines)).collect();
        return indexes.map_or(Poison::Unknown, Poison::Lines);
    }
    let dropped = [&refusal.error, &refusal.message].into_iter().find_map(|words| count_dropped(words));
    dropped.map_or(Poison::Unknown, Poison::Count)
}

/// The index of a line that the server names by its number, if it stands there.
fn index_of(named: &NamedLine, lines: &[&[u8]]) -> Option<usize> {
    let index = named.line_number.checked_sub(1)?;
    // The server may have cut it.
    let words = named.original_line.trim_end().trim_end_matches("...");
    lines
        .get(index)
        .is_some_and(|line| !line.is_empty() && line.starts_with(words.as_bytes()))
        .then_some(index)
}

/// The number in `partial write: … dropped=3`, if it says anything.
fn count_dropped(words: &str) -> Option<u64> {
    let (_, after) = words.split_once("partial write")?.1.rsplit_once("dropped=")?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    after.get(..digits)?.parse().ok().filter(|count| *count > 0)
}

/// The server's own words, fit for a log: no control characters, cut, without secrets and without
/// what it quotes, which may be personal data.
fn detail(refusal: &Refusal, secrets: &[&SecretString]) -> String {
    let line = match &refusal.data {
        Some(Named::Many(named)) => named.first(),
        Some(Named::One(named)) => Some(named),
        Some(Named::Other(_)) | None => None,
    };
    let words = [&refusal.error, &refusal.message, line.map_or(&refusal.message, |line| &line.error_message)];
    let mut words: Vec<&str> =
        words.into_iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
    words.dedup();
    let words: Vec<String> = words.into_iter().map(without_quoted).collect();
    words::fit(&words.join(": "), secrets, DETAIL_BYTES_MAX)
}

/// Words without what stands between their first and their last quote, or behind the only one:
/// what is quoted may have quotes within. A quote behind a letter opens nothing.
fn without_quoted(words: &str) -> String {
    let mut words = words.to_owned();
    for quote in ['\'', '"', '`'] {
        let opens =
            |at: usize| !words.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        let Some(open) = words.match_indices(quote).map(|(at, _)| at).find(|at| opens(*at)) else { continue };
        let close = words.rfind(quote).filter(|close| *close > open).unwrap_or(words.len());
        words.replace_range(open + 1..close, "...");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::influx::target::Again;

    const LINES: &[u8] = b"a x=1 1\nb x=2 2\nc x=3 3\n";

    fn judged(status: u16, body: &str) -> Result<Answer, Trouble> {
        judge(
            StatusCode::from_u16(status).unwrap(),
            None,
            body.as_bytes(),
            LINES,
            &[&SecretString::from("hush")],
        )
    }

    fn poison(body: &str) -> Poison {
        match judged(400, body) {
            Ok(Answer::Poison(poison, _)) => poison,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_names_lines_or_counts_them_or_says_nothing() {
        let lines = |indexes: &[usize]| Poison::Lines(indexes.iter().copied().collect());
        for (body, expected) in [
            (
                r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"b x=2 2","line_number":2,"error_message":"no"}]}"#,
                lines(&[1]),
            ),
            (
                r#"{"error":"parsing failed","data":{"original_line":"c x=...","line_number":3,"error_message":"no"}}"#,
                lines(&[2]),
            ),
            (
                r#"{"error":"e","data":[{"line_number":1},{"line_number":3},{"line_number":3}]}"#,
                lines(&[0, 2]),
            ),
            (r#"{"error":"e","data":[{"original_line":"b x=2 2","line_number":1}]}"#, Poison::Unknown),
            (r#"{"error":"e","data":[{"line_number":0}]}"#, Poison::Unknown),
            (r#"{"error":"e","data":[{"line_number":4}]}"#, Poison::Unknown),
            (r#"{"error":"e","data":[]}"#, Poison::Unknown),
            (r#"{"error":"e","data":"x"}"#, Poison::Unknown),
            (
                r#"{"error":"partial write: field type conflict: input field \"x\" on measurement \"a\" is type float, already exists as type string dropped=2"}"#,
                Poison::Count(2),
            ),
            (
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=3"}"#,
                Poison::Count(3),
            ),
            (r#"{"error":"partial write: unable to parse 'x': missing fields dropped=0"}"#, Poison::Unknown),
            (r#"{"error":"unable to parse 'dropped=1'"}"#, Poison::Unknown),
            ("<html>", Poison::Unknown),
            ("", Poison::Unknown),
        ] {
            assert_eq!(poison(body), expected, "{body}");
        }
    }

    #[test]
    fn every_status_has_its_consequence() {
        for status in [200, 201, 204] {
            assert_eq!(judged(status, "").unwrap(), Answer::Stored, "{status}");
        }
        assert_eq!(judged(413, "").unwrap(), Answer::TooLarge);
        for status in [400, 422] {
            assert!(matches!(judged(status, ""), Ok(Answer::Poison(..))), "{status}");
        }
        for (status, again) in [
            (301, Again::Rarely),
            (308, Again::Rarely),
            (401, Again::Rarely),
            (403, Again::Rarely),
            (404, Again::Rarely),
            (405, Again::Rarely),
            (415, Again::Rarely),
            (408, Again::Soon),
            (429, Again::Soon),
            (500, Again::Soon),
            (502, Again::Soon),
            (503, Again::Soon),
            (504, Again::Soon),
        ] {
            assert_eq!(judged(status, "").unwrap_err().again(), again, "{status}");
        }
        let asked = Some(Duration::from_secs(7));
        for (status, again) in [(429, Again::NotBefore(Duration::from_secs(7))), (404, Again::Rarely)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, asked, b"", LINES, &[]).unwrap_err().again(), again, "{status}");
        }
    }

    #[test]
    fn the_servers_words_are_fit_for_a_log() {
        let Err(Trouble::Refused { detail, .. }) =
            judged(401, r#"{"code":"unauthorized","message":"token hush\n\u001b[31m"}"#)
        else {
            panic!("a refusal");
        };
        assert_eq!(detail, "token [redacted]  [31m");
        for (said, shown) in [
            (
                "unable to parse 'q,agent=Ada text=\"it's\" 1': missing fields",
                "unable to parse '...': missing fields",
            ),
            ("unable to parse 'q,agent=Ada", "unable to parse '..."),
            (r#"cannot read "q text=\"Ada\" 1": no"#, r#"cannot read "...": no"#),
            ("it doesn't exist", "it doesn't exist"),
            ("a token 0f1e2d3c4b5a69788796a5b4c3d2e1f0", "a token [redacted]"),
        ] {
            let body = serde_json::json!({ "error": said }).to_string();
            let Ok(Answer::Poison(_, detail)) = judged(400, &body) else { panic!("a refusal") };
            assert_eq!(detail, shown);
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(5000));
        assert!(judged(503, &long).unwrap_err().to_string().len() < 300);
    }
}
