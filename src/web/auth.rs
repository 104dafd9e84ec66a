//! Basic authentication ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) against bcrypt hashes.
//!
//! A hash takes tens of milliseconds or more, on purpose. So one is computed at a time, beside the
//! tasks that serve; some requests wait for their turn, and more are told to come again. A
//! password that was right is remembered, so that scrapers cost this once. It is remembered by an
//! HMAC over name, hash and password, each with its length before it: no text of one can pass for
//! another (CVE-2022-46146), nothing can be looked up without the process's key, and with the hash
//! in the file goes what was remembered of it. Wrong passwords are not remembered: there is no end
//! of them.
//!
//! An unknown name costs what a known one does: the password is held against some known user's
//! hash, always the same for the same name, whatever comes of it. So time does not tell
//! which names there are, even where their hashes differ in cost.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::web::config::Users;

/// Most requests that wait for a hash, the one being computed among them: a second or two's worth.
const WAITING_MAX: usize = 16;
/// Most right passwords remembered. Users are few, but bcrypt reads 72 bytes of a password, so that
/// whoever knows a long one can make up any number of right ones.
const PROOFS_MAX: usize = 256;

/// An HMAC over a name, a hash and a password.
type Proof = [u8; 32];

/// What a request's credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A user with the right password, or nobody has to give one.
    Welcome,
    /// No credentials, or wrong ones.
    Refused,
    /// Too many wait to be judged.
    Busy,
}

/// Judges credentials, and remembers those that were right.
#[derive(Debug)]
pub struct Auth {
    key: Zeroizing<[u8; 32]>,
    proofs: Arc<Mutex<HashSet<Proof>>>,
    line: Semaphore,
    turn: Arc<Semaphore>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            key: Zeroizing::new(rand::random()),
            proofs: Arc::default(),
            line: Semaphore::new(WAITING_MAX),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Auth {
    /// Judges a request by its head.
    pub async fn judge(&self, users: &Users, headers: &HeaderMap) -> Verdict {
        if users.is_empty() {
            return Verdict::Welcome;
        }
        let Some(Credentials { name, password }) = Credentials::read(headers) else {
            return Verdict::Refused;
        };
        let known = users.hash(&name);
        let stand_in = || users.any_hash(self.number(&name));
        let Some(hash) = known.or_else(stand_in).cloned() else { return Verdict::Refused };
        let proof = known.map(|hash| self.proof(&name, hash, &password));
        if self.is_remembered(proof.as_ref()) {
            return Verdict::Welcome;
        }
        let Ok(_place) = self.line.try_acquire() else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // Who waits before may have come with the same.
        if self.is_remembered(proof.as_ref()) {
            return Verdict::Welcome;
        }
        let proofs = Arc::clone(&self.proofs);
        // To its end, even where the client has left: a hash may take longer than it waits, and what
        // it came to is there when it comes again.
        let verify = tokio::task::spawn_blocking(move || {
            let is_right = bcrypt::verify(&*password, hash.expose_secret()).unwrap_or(false);
            let proof = proof.filter(|_| is_right);
            proof.inspect(|proof| remember(&proofs, *proof));
            // One hash at a time.
            drop(turn);
            proof.is_some()
        });
        if verify.await.unwrap_or(false) { Verdict::Welcome } else { Verdict::Refused }
    }

    fn is_remembered(&self, proof: Option<&Proof>) -> bool {
        let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        proof.is_some_and(|proof| proofs.contains(proof))
    }

    fn proof(&self, name: &[u8], hash: &SecretString, password: &[u8]) -> Proof {
        self.mac(&[name, hash.expose_secret().as_bytes(), password])
    }

    /// A number that is always the same for the same name, and that nobody else can tell.
    fn number(&self, name: &[u8]) -> u64 {
        self.mac(&[name]).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.key) else { return [0; 32] };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn remember(proofs: &Mutex<HashSet<Proof>>, proof: Proof) {
    let mut proofs = proofs.lock().unwrap_or_else(PoisonError::into_inner);
    if proofs.len() >= PROOFS_MAX {
        proofs.clear();
    }
    proofs.insert(proof);
}

/// What a request says of its user; bytes, as neither has to be UTF-8.
struct Credentials {
    name: Vec<u8>,
    password: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// None where there are none, or they cannot be read.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(AUTHORIZATION)?.as_bytes();
        let (scheme, text) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let text = Zeroizing::new(STANDARD.decode(text.trim_ascii()).ok()?);
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (name, password) = text.split_at_checked(colon)?;
        Some(Self { name: name.to_owned(), password: password.get(1..)?.to_owned().into() })
    }
}

#[cfg(test)]
mod tests;
