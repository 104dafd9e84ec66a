//! Errors in words: one line, with every cause.

use std::error::Error;

use crate::ingest::dial::TlsError;

/// What failed and why: errors here complete the phrase "failed to …", and name their
/// cause as their source. What may help against TLS's refusal follows.
pub fn describe(err: &(dyn Error + 'static)) -> String {
    let mut text = format!("failed to {err}");
    let mut source = err.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.push_str(TlsError::of(err).map_or("", TlsError::hint));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl std::fmt::Display for Outer {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("read the number")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_follow_what_failed() {
        let err = Outer("x".parse::<i32>().unwrap_err());
        assert_eq!(describe(&err), "failed to read the number: invalid digit found in string");
    }
}
