//! The tokens that were issued. At most [`TOKENS_MAX`] are remembered; the oldest is forgotten, and so refused, first.

use std::{collections::VecDeque, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tokio::time::Instant;

/// Far more than one exporter asks for, little enough to search.
const TOKENS_MAX: usize = 4_096;

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Issued tokens, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    issued: VecDeque<(String, Instant)>,
}

impl Tokens {
    /// Issues a token that lives for `life`.
    pub(super) fn issue(&mut self, token: &str, life: Duration, now: Instant) {
        if self.issued.len() >= TOKENS_MAX {
            self.issued.pop_front();
        }
        self.issued.push_back((token.to_owned(), now + life));
    }

    /// When this token expires; `None` if it was not issued here or has expired.
    pub(super) fn expiry(&self, token: &str, now: Instant) -> Option<Instant> {
        self.issued
            .iter()
            .rev()
            .find(|(issued, expiry)| issued == token && *expiry > now)
            .map(|(_, expiry)| *expiry)
    }

    /// Forgets all tokens.
    pub(super) fn revoke(&mut self) {
        self.issued.clear();
    }
}

/// A new token. It looks like a JWT and means nothing.
pub(super) fn invent(rng: &mut StdRng) -> String {
    // {"alg":"RS256","typ":"JWT"}, as every real one begins.
    format!("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}", noise(rng, 320), noise(rng, 342))
}

fn noise(rng: &mut StdRng, letters: usize) -> String {
    (0..letters)
        .map(|_| char::from(BASE64URL.get(rng.random_range(0..64)).copied().unwrap_or(b'A')))
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_token_is_known_until_it_expires_is_revoked_or_is_one_of_too_many() {
        let (mut tokens, mut rng, now) = (Tokens::default(), StdRng::seed_from_u64(1), Instant::now());
        let life = Duration::from_secs(10);
        let first = invent(&mut rng);
        tokens.issue(&first, life, now);
        assert_eq!(first.split('.').count(), 3);
        assert_eq!(tokens.expiry(&first, now), Some(now + life));
        assert_eq!(tokens.expiry(&first, now + life), None);
        assert_eq!(tokens.expiry("other", now), None);
        for _ in 0..TOKENS_MAX {
            tokens.issue("another", life, now);
        }
        assert_eq!(tokens.expiry(&first, now), None);
        tokens.revoke();
        assert!(tokens.issued.is_empty());
    }
}
