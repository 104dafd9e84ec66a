//! `[privacy]`: what becomes of personal data, in every output.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{self, Scene};
use super::key::Key;
use super::report::Report;
use super::secret::{SecretSource, SecretText};
use super::word::Personal;

/// What becomes of measures that name a person: in `/metrics`, line protocol and
/// logs alike, whether they come as measures or as keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// `drop` (default): in no output. `keep`: as they come. `hash`: the first 16 hex digits of
    /// HMAC-SHA-256 under the key in `hash_key_file`, so that a person can be followed but not
    /// named.
    pub personal: Personal,
    /// More personal measures, by AXP's names, beside `agentFirstName`, `agentLastName`,
    /// `agentDisplayName`, `agentLoginId` and `agentUserHandle`. Default empty.
    pub measures: Vec<String>,
    /// The file with the key for `hash`, under the rules of a secret's file; take at least 32
    /// random characters, as a short key can be guessed. A new key gives everybody new hashes.
    /// Required for `hash`, else unused. Default empty.
    pub hash_key_file: PathBuf,
}

impl Privacy {
    pub(super) fn check(&self, scene: &Scene<'_>, report: &mut Report) {
        let key = Key::of("privacy");
        check::lines(&key.at("measures"), &self.measures, "a measure's name such as agentEmail", report);
        let (file_key, source) = (key.at("hash_key_file"), self.hash_key(scene));
        if self.personal == Personal::Hash && !source.is_set() {
            report.value(&file_key, "nothing", "a file with the key for personal = \"hash\"");
        }
        check::secret_file(&file_key, &source, report);
    }

    pub(super) fn hash_key(&self, scene: &Scene<'_>) -> SecretSource {
        SecretSource::new(&SecretText::default(), &self.hash_key_file, scene.places)
    }
}
