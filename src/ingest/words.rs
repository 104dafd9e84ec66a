//! A server's own words, fit for a log: without secrets, without control characters, cut.

use secrecy::{ExposeSecret, SecretString};

use crate::label::labels::clean_value;

/// What stands for a secret.
const REDACTED: &str = "[redacted]";
/// From how many characters on what looks like a secret is taken for one. The parts of a token
/// are longer; names are shorter, or of one case and without digits.
const SECRET_LENGTH_MIN: usize = 24;

/// What a server says, up to `bytes_max`, without these secrets and without whatever else could
/// be one: a part of a token, or a token that another call has had.
pub(crate) fn fit(words: &str, secrets: &[&SecretString], bytes_max: usize) -> String {
    let words = secrets.iter().fold(words.to_owned(), |words, secret| match secret.expose_secret() {
        "" => words,
        secret => {
            let in_a_form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            words.replace(secret, REDACTED).replace(&in_a_form, REDACTED)
        }
    });
    let mut rest = words.as_str();
    let mut shown = String::with_capacity(rest.len());
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(rest.find(|letter| !is_of_a_token(letter)).unwrap_or(rest.len()));
        shown.push_str(if run.split('.').any(could_be_secret) { REDACTED } else { run });
        let (between, behind) = behind.split_at(behind.find(is_of_a_token).unwrap_or(behind.len()));
        shown.push_str(between);
        rest = behind;
    }
    clean_value(&shown, bytes_max).into_owned()
}

/// A letter of base64url ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648#section-5)), or what
/// stands between the parts of a token.
const fn is_of_a_token(letter: char) -> bool {
    matches!(letter, 'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' | '.')
}

fn could_be_secret(part: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
    part.len() >= SECRET_LENGTH_MIN
        && (has(u8::is_ascii_digit) || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 200;

    #[test]
    fn a_secret_that_the_server_repeats_is_not_shown() {
        let (secret, token) = (SecretString::from("hu/sh="), SecretString::from("eyJ.x"));
        for (said, shown) in [
            ("bad: client_secret=hu/sh=", "bad: client_secret=[redacted]"),
            ("client_secret=hu%2Fsh%3D&scope", "client_secret=[redacted]&scope"),
            ("hu/sh=: Bearer eyJ.x", "[redacted]: Bearer [redacted]"),
        ] {
            assert_eq!(fit(said, &[&secret, &token], BYTES_MAX), shown);
        }
        // A secret that the cut would halve is gone before.
        let said = format!("{}hu/sh=", "x".repeat(BYTES_MAX - 3));
        assert!(!fit(&said, &[&secret], BYTES_MAX).contains("hu"));
        assert_eq!(fit("nothing", &[&SecretString::from("")], BYTES_MAX), "nothing");
    }

    #[test]
    fn what_could_be_a_token_is_not_shown_however_it_was_cut() {
        let token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3MDB9.c2lnbmF0dXJl";
        for said in [token, &token[..token.len() - 9], &token[..30], &token[4..40]] {
            assert_eq!(fit(&format!("no \"{said}\"!"), &[], BYTES_MAX), "no \"[redacted]\"!", "{said}");
        }
        assert_eq!(fit("0f1e2d3c4b5a69788796a5b4c3d2e1f0", &[], BYTES_MAX), REDACTED);
    }

    #[test]
    fn names_and_sentences_are_shown() {
        for said in [
            "CONNECTION_FAILED_CONSTRAINT_VIOLATION",
            "no AgentByChannel_itd_1.0.0 at eu.cc.avayacloud.com",
            "unauthorized_client_credentials",
            "extensions.measureProducerId: müßte da sein",
            "",
        ] {
            assert_eq!(fit(said, &[], BYTES_MAX), said);
        }
        assert_eq!(fit("a\n\u{1b}[31mb", &[], BYTES_MAX), "a  [31mb");
        assert!(fit(&"x".repeat(5000), &[], BYTES_MAX).len() <= BYTES_MAX);
    }
}
