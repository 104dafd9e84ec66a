//! Personal data: which measures name a person, and what may be shown of them.
//!
//! The rule is applied where a reading is read, before anything else sees its text, so
//! that it holds for every output, page, log and recording alike. Personal measures are
//! dropped unless the configuration says otherwise.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::config::Personal;

/// AXP's measures that name a person (names, login, handle).
const PERSONAL: [&str; 5] =
    ["agentFirstName", "agentLastName", "agentDisplayName", "agentLoginId", "agentUserHandle"];

/// Bytes of a hash that are shown: 16 hex digits tell 100,000 people apart with a chance
/// of one in four billion for any collision.
const HASH_BYTES: usize = 8;

/// True if the measure of this name names a person: one that AXP documents, or one of `more`.
pub fn is_personal(measure: &str, more: &[String]) -> bool {
    PERSONAL.contains(&measure) || more.iter().any(|name| name == measure)
}

/// What has become of personal data before it came here, as in a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treated {
    /// What became of it.
    pub personal: Personal,
    /// Which measures were personal beside the built-in ones.
    pub measures: Vec<String>,
}

/// What is personal, and what becomes of it.
#[derive(Clone)]
pub struct Privacy {
    mode: Personal,
    measures: Vec<String>,
    hash: Option<Hmac<Sha256>>,
    before: Option<Treated>,
}

impl std::fmt::Debug for Privacy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Privacy")
            .field("mode", &self.mode)
            .field("measures", &self.measures)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

impl Privacy {
    /// A rule over the built-in personal measures and `measures`; `key` is needed to hash.
    ///
    /// Hashing without a key drops: nothing is shown that was not asked for.
    pub fn new(mode: Personal, measures: &[String], key: Option<&SecretString>) -> Self {
        let hash = key.and_then(|key| Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok());
        Self { mode, measures: measures.to_vec(), hash, before: None }
    }

    /// The same over data that was treated before: what was dropped stays so, and nothing is hashed
    /// twice.
    #[must_use]
    pub fn after(self, before: Treated) -> Self {
        Self { before: Some(before), ..self }
    }

    /// What becomes of personal data here, for who treats it again.
    pub fn treated(&self) -> Treated {
        Treated { personal: self.mode(), measures: self.measures.clone() }
    }

    /// True if the measure of this name names a person.
    pub fn is_personal(&self, measure: &str) -> bool {
        is_personal(measure, &self.measures) || self.before(measure) != Personal::Keep
    }

    /// What became of values of this name before.
    fn before(&self, name: &str) -> Personal {
        let before = self.before.as_ref().filter(|before| is_personal(name, &before.measures));
        before.map_or(Personal::Keep, |before| before.personal)
    }

    /// What becomes of values of this name, here or before.
    pub fn mode_of(&self, name: &str) -> Personal {
        let here = if is_personal(name, &self.measures) { self.mode() } else { Personal::Keep };
        match (here, self.before(name)) {
            (Personal::Drop, _) | (_, Personal::Drop) => Personal::Drop,
            (Personal::Hash, _) | (_, Personal::Hash) => Personal::Hash,
            (Personal::Keep, Personal::Keep) => Personal::Keep,
        }
    }

    /// True if values of this name are to be hashed, and are not yet.
    pub fn hashes(&self, name: &str) -> bool {
        self.mode_of(name) == Personal::Hash && self.before(name) != Personal::Hash
    }

    /// True if `other` does with every measure what this one does.
    pub fn is_like(&self, other: &Self) -> bool {
        self.mode() == other.mode() && self.measures == other.measures && self.hash("") == other.hash("")
    }

    /// What becomes of personal measures.
    pub fn mode(&self) -> Personal {
        if self.mode == Personal::Hash && self.hash.is_none() { Personal::Drop } else { self.mode }
    }

    /// What may be shown of a text of this name; none where it is dropped.
    pub fn treat<'a>(&self, name: &str, text: &'a str) -> Option<Cow<'a, str>> {
        match self.mode_of(name) {
            Personal::Drop => None,
            Personal::Hash if self.hashes(name) => Some(Cow::Owned(self.hash(text))),
            Personal::Hash | Personal::Keep => Some(Cow::Borrowed(text)),
        }
    }

    /// The first 16 hex digits of the HMAC-SHA-256
    /// ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104)) of `text`; empty without a key.
    pub fn hash(&self, text: &str) -> String {
        use std::fmt::Write;
        let mut digits = String::with_capacity(2 * HASH_BYTES);
        if let Some(mut hash) = self.hash.clone() {
            hash.update(text.as_bytes());
            for byte in hash.finalize().into_bytes().iter().take(HASH_BYTES) {
                let _ = write!(digits, "{byte:02x}");
            }
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_logins_and_what_is_added_are_personal() {
        let privacy = Privacy::new(Personal::Drop, &["badge".to_owned()], None);
        for measure in [
            "agentFirstName",
            "agentLastName",
            "agentDisplayName",
            "agentLoginId",
            "agentUserHandle",
            "badge",
        ] {
            assert!(privacy.is_personal(measure), "{measure}");
        }
        assert!(!privacy.is_personal("agentId"));
        assert!(!privacy.is_personal("queueName"));
    }

    #[test]
    fn a_hash_is_the_head_of_hmac_sha_256() {
        // RFC 4231, test case 2.
        let key = SecretString::from("Jefe".to_owned());
        let privacy = Privacy::new(Personal::Hash, &[], Some(&key));
        assert_eq!(privacy.hash("what do ya want for nothing?"), "5bdcc146bf60754e");
    }

    #[test]
    fn hashing_without_a_key_drops() {
        let privacy = Privacy::new(Personal::Hash, &[], None);
        assert_eq!(privacy.mode(), Personal::Drop);
        assert_eq!(privacy.hash("x"), "");
    }

    #[test]
    fn what_was_treated_before_is_not_shown_again_and_not_hashed_twice() {
        let key = SecretString::from("Jefe".to_owned());
        let before = |personal| Treated { personal, measures: vec!["badge".to_owned()] };
        for (here, was, name, expected) in [
            (Personal::Keep, Personal::Drop, "badge", None),
            (Personal::Hash, Personal::Drop, "agentLoginId", None),
            (Personal::Drop, Personal::Hash, "agentLoginId", None),
            (Personal::Keep, Personal::Hash, "badge", Some("x")),
            (Personal::Hash, Personal::Hash, "agentLoginId", Some("x")),
            (Personal::Keep, Personal::Keep, "agentLoginId", Some("x")),
            (Personal::Drop, Personal::Keep, "agentLoginId", None),
            (Personal::Drop, Personal::Keep, "badge", Some("x")),
            (Personal::Hash, Personal::Drop, "queueName", Some("x")),
        ] {
            let privacy = Privacy::new(here, &[], Some(&key)).after(before(was));
            assert_eq!(privacy.treat(name, "x").as_deref(), expected, "{here:?} after {was:?}, {name}");
        }
        let privacy = Privacy::new(Personal::Hash, &["more".to_owned()], Some(&key));
        let hash = privacy.hash("x");
        for was in [Personal::Keep, Personal::Hash, Personal::Drop] {
            let privacy = privacy.clone().after(before(was));
            assert_eq!(privacy.treat("more", "x"), Some(hash.as_str().into()), "only what is personal here");
        }
    }

    #[test]
    fn the_key_is_not_in_debug() {
        let key = SecretString::from("hush".to_owned());
        let shown = format!("{:?}", Privacy::new(Personal::Hash, &[], Some(&key)));
        assert!(shown.contains("Hash") && !shown.contains("hush"), "{shown}");
    }
}
