//! The ledger's file; whoever uses it may have to wait for a disk.
//!
//! A file that cannot be read is as if it were empty; one that cannot be written is said
//! once, and tried again whenever a subscription is noted. It holds ids, no secrets.
//!
//! One file serves one instance: two would end and replace each other's subscriptions. So
//! a lock beside it is held until the process ends, however that ends. It has a file of its
//! own, as the ledger's is replaced at each change. Where there can be no lock, it goes on
//! without.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::Entries;
use crate::sink::disk;

/// Mode of the file.
const FILE_MODE: u32 = 0o600;
/// Most bytes that are read; a ledger has a few hundred.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Another instance holds the ledger.
#[derive(Debug)]
pub struct Taken {
    /// Its file.
    path: PathBuf,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        write!(
            formatter,
            "use {path}: another instance does; stop that one, or give this one another axp.state_file"
        )
    }
}

impl std::error::Error for Taken {}

/// Where a ledger is kept.
#[derive(Debug)]
pub(super) struct LedgerFile {
    path: PathBuf,
    /// Locked as long as it is open.
    lock: Option<File>,
    /// Another instance holds the lock.
    is_taken: bool,
    /// What is in it, as far as that is known.
    holds: Option<Entries>,
    /// True while it has been said that it cannot be written.
    is_said: bool,
}

impl LedgerFile {
    /// The file at this path, which nobody has looked at yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, lock: None, is_taken: false, holds: None, is_said: false }
    }

    /// Locks it and reads what it holds of the account; true if that is the name of an earlier run. A
    /// new name is written down.
    ///
    /// # Errors
    /// Where another instance holds it.
    pub(super) fn open(&mut self, account_id: &str) -> Result<(Entries, bool), Taken> {
        self.lock()?;
        let is_ours = |found: &Entries| found.account_id == account_id && !found.instance.is_empty();
        self.holds = read(&self.path).filter(is_ours);
        if let Some(found) = &self.holds {
            return Ok((found.clone(), true));
        }
        let new = Entries::new(account_id);
        self.keep(&new);
        Ok((new, false))
    }

    /// Locks it for this process, if that can be done.
    fn lock(&mut self) -> Result<(), Taken> {
        match disk::lock(&beside(&self.path, ".lock"), FILE_MODE) {
            Ok(lock) => self.lock = Some(lock),
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {
                self.is_taken = true;
                return Err(Taken { path: self.path.clone() });
            }
            Err(err) => {
                warn!(path = %self.path.display(), err = %err, "no lock for the state file; see that no other instance uses it");
            }
        }
        Ok(())
    }

    /// Has these in it.
    pub(super) fn keep(&mut self, entries: &Entries) {
        if self.holds.as_ref() == Some(entries) {
            return;
        }
        // What a write that fails has left is not known.
        self.holds = None;
        let path = self.path.display();
        match self.write(entries) {
            Ok(()) => {
                self.holds = Some(entries.clone());
                if mem::take(&mut self.is_said) {
                    info!(path = %path, "subscriptions are written down again");
                }
            }
            Err(err) => {
                if !mem::replace(&mut self.is_said, true) {
                    warn!(path = %path, err = %err, "subscriptions cannot be written down; a crash would leave them behind");
                }
            }
        }
    }

    /// Writes beside the file and puts the result in its place, so that it is whole or old.
    fn write(&self, entries: &Entries) -> io::Result<()> {
        if self.is_taken {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another instance uses it"));
        }
        let new = beside(&self.path, ".new");
        let _ = fs::remove_file(&new);
        let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        file.write_all(&serde_json::to_vec(entries)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // Else a crash of the machine could take the new name of the file back.
        File::open(self.path.with_file_name("."))?.sync_all()
    }
}

/// A file beside this one.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("ledger")).to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn read(path: &Path) -> Option<Entries> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
