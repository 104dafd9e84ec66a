//! `basic_auth_users`: names, and what their passwords must hash to.

use std::collections::BTreeMap;
use std::str::FromStr;

use bcrypt::HashParts;
use secrecy::{ExposeSecret, SecretString};

use super::Fault;
use crate::config::SecretText;

/// The costs that are computed; at 18 a password takes about 20 s, and each step doubles that.
const COSTS: std::ops::RangeInclusive<u32> = 4..=18;

/// The users, each with the bcrypt hash of their password.
#[derive(Debug, Default)]
pub struct Users(Vec<(String, SecretString)>);

impl Users {
    pub(super) fn new(users: BTreeMap<String, Option<SecretText>>) -> Result<Self, Fault> {
        let checked = users.into_iter().map(|(name, hash)| {
            let refused = |why: String| Fault::new(format!("basic_auth_users.{}", name.escape_debug()), why);
            let hash = hash.unwrap_or_default().into_secret();
            let parts = HashParts::from_str(hash.expose_secret());
            let cost = parts.map_err(|_| refused("not a bcrypt hash".to_owned()))?.get_cost();
            if !COSTS.contains(&cost) {
                let (least, most) = (COSTS.start(), COSTS.end());
                return Err(refused(format!("a bcrypt cost of {cost}, expected {least} to {most}")));
            }
            Ok((name, hash))
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// Whether nobody has to give a password.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of this user.
    pub fn hash(&self, name: &[u8]) -> Option<&SecretString> {
        self.0.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, hash)| hash)
    }

    /// Some user's hash, chosen by a number.
    pub fn any_hash(&self, number: u64) -> Option<&SecretString> {
        let users = u64::try_from(self.0.len()).ok()?;
        self.0.get(usize::try_from(number.checked_rem(users)?).ok()?).map(|(_, hash)| hash)
    }
}
