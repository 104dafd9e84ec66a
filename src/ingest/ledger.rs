//! The ledger: which subscriptions this program holds, kept over a crash.
//!
//! AXP cannot tell one client of an account from another. So each instance marks what it
//! makes with a name of its own and writes down what it holds; after a crash it finds its
//! own subscriptions again, and never another consumer's: what it held, and what it was
//! making when it ended. So the name is written down before it is used. Without a file it
//! forgets at its end, and what a crash leaves behind lives out its quarter of an hour.
//!
//! A file that cannot be read is as if it were empty; one that cannot be written is said
//! once, and tried again at the next change. It holds ids, no secrets.
//!
//! One file serves one instance: two would end and replace each other's subscriptions. So
//! a lock beside it is held until the process ends, however that ends. It has a file of its
//! own, as the ledger's is replaced at each change. Where there can be no lock, it goes on
//! without.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::ingest::link::Before;

/// Mode of the file.
const FILE_MODE: u32 = 0o600;
/// A ledger is a few hundred bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the file holds.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Entries {
    /// The name of this instance.
    instance: String,
    /// The account that the subscriptions are of.
    account_id: String,
    /// Subscription ids by producer.
    subscriptions: BTreeMap<String, String>,
}

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

/// The subscriptions that are held.
#[derive(Debug)]
pub struct Ledger {
    path: Option<PathBuf>,
    /// Locked as long as it is open.
    _lock: Option<File>,
    entries: Mutex<Entries>,
    /// True if the file named this instance before.
    is_known: bool,
    /// True while the file does not hold what is known, because it could not be written.
    behind: AtomicBool,
}

impl Ledger {
    /// The ledger of an account, from its file if there is one.
    ///
    /// # Errors
    /// Where another instance holds it.
    pub fn open(path: Option<PathBuf>, account_id: &str) -> Result<Self, Taken> {
        let lock = match &path {
            Some(path) => lock(path)?,
            None => None,
        };
        let mut entries = path.as_deref().and_then(read).unwrap_or_default();
        if entries.account_id != account_id {
            entries = Entries { account_id: account_id.to_owned(), ..Entries::default() };
        }
        let is_known = !entries.instance.is_empty();
        if !is_known {
            entries.instance = format!("{:016x}", rand::random::<u64>());
        }
        let (entries, behind) = (Mutex::new(entries), AtomicBool::new(false));
        let ledger = Self { path, _lock: lock, entries, is_known, behind };
        if !is_known {
            ledger.with(|entries| ledger.keep(entries));
        }
        Ok(ledger)
    }

    /// What is known of a producer's subscription from before.
    pub fn before(&self, producer_id: &str) -> Before {
        match self.subscription(producer_id) {
            Some(_) => Before::Held,
            None if self.is_known => Before::Lost,
            None => Before::None,
        }
    }

    /// The name of this instance.
    pub fn instance(&self) -> String {
        self.with(|entries| entries.instance.clone())
    }

    /// The subscription that is held for a producer.
    pub fn subscription(&self, producer_id: &str) -> Option<String> {
        self.with(|entries| entries.subscriptions.get(producer_id).cloned())
    }

    /// Notes the subscription that is held for a producer.
    pub fn note(&self, producer_id: &str, subscription_id: &str) {
        self.change(|entries| {
            entries.subscriptions.insert(producer_id.to_owned(), subscription_id.to_owned());
        });
    }

    /// Forgets a producer's subscription, if it is this one.
    pub fn forget(&self, producer_id: &str, subscription_id: &str) {
        self.change(|entries| {
            if entries.subscriptions.get(producer_id).is_some_and(|held| held == subscription_id) {
                entries.subscriptions.remove(producer_id);
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Entries) -> T) -> T {
        look(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Entries)) {
        self.with(|entries| {
            let before = entries.subscriptions.clone();
            change(entries);
            if self.behind.load(Ordering::Relaxed) || entries.subscriptions != before {
                self.keep(entries);
            }
        });
    }

    /// Writes down what is known, if there is a file.
    fn keep(&self, entries: &Entries) {
        let Some(path) = &self.path else { return };
        let written = write(path, entries);
        let behind = self.behind.swap(written.is_err(), Ordering::Relaxed);
        if let Err(err) = written
            && !behind
        {
            warn!(path = %path.display(), err = %err, "subscriptions cannot be written down; a crash would leave them behind");
        }
    }
}

/// A file beside this one.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or(OsStr::new("ledger")).to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Locks a ledger for this process; none where that cannot be done.
fn lock(path: &Path) -> Result<Option<File>, Taken> {
    let opened =
        File::options().write(true).create(true).truncate(false).mode(FILE_MODE).open(beside(path, ".lock"));
    let locked = opened.map_err(TryLockError::Error).and_then(|file| file.try_lock().map(|()| file));
    match locked {
        Ok(file) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Taken { path: path.to_owned() }),
        Err(TryLockError::Error(err)) => {
            warn!(path = %path.display(), err = %err, "no lock for the state file; see that no other instance uses it");
            Ok(None)
        }
    }
}

fn read(path: &Path) -> Option<Entries> {
    let length = fs::metadata(path).ok()?.len();
    if length > FILE_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes beside the file and puts the result in its place, so that it is whole or old.
fn write(path: &Path, entries: &Entries) -> std::io::Result<()> {
    let new = beside(path, ".new");
    let _ = fs::remove_file(&new);
    let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
    file.write_all(&serde_json::to_vec(entries)?)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ledger of the account of these tests.
    fn open(path: &Path) -> Ledger {
        Ledger::open(Some(path.to_owned()), "ABCDEF").unwrap()
    }

    #[test]
    fn what_is_noted_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        let ledger = open(&path);
        ledger.note("Queue_itd_1.0.0", "one");
        ledger.note("Agent_itd_1.0.0", "two");
        ledger.forget("Agent_itd_1.0.0", "another");
        let instance = ledger.instance();
        drop(ledger);
        let again = open(&path);
        assert_eq!(again.instance(), instance);
        assert_eq!(again.subscription("Queue_itd_1.0.0").as_deref(), Some("one"));
        assert_eq!(again.subscription("Agent_itd_1.0.0").as_deref(), Some("two"));
        again.forget("Queue_itd_1.0.0", "one");
        drop(again);
        assert_eq!(open(&path).subscription("Queue_itd_1.0.0"), None);
        let other = Ledger::open(Some(path), "GHIJKL").unwrap();
        assert_eq!(other.subscription("Agent_itd_1.0.0"), None, "another account's are not ours");
    }

    #[test]
    fn a_name_is_written_down_before_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        let first = open(&path);
        let instance = first.instance();
        assert_eq!(first.before("Q"), Before::None, "nothing was made under a new name");
        drop(first);
        let second = open(&path);
        assert_eq!((second.instance(), second.before("Q")), (instance, Before::Lost));
        second.note("Q", "one");
        drop(second);
        assert_eq!(open(&path).before("Q"), Before::Held);
        assert_eq!(Ledger::open(None, "ABCDEF").unwrap().before("Q"), Before::None);
    }

    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subscriptions.json");
        open(&path).note("Q_1", "one");
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        assert!(path.exists());
    }

    #[test]
    fn a_ledger_has_one_instance_however_often_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        let first = open(&path);
        for id in ["one", "two"] {
            first.note("Q", id);
            let refused = Ledger::open(Some(path.clone()), "ABCDEF").unwrap_err().to_string();
            assert!(
                refused.contains(path.to_str().unwrap()) && refused.contains("axp.state_file"),
                "{refused}"
            );
        }
        let neighbour = open(&folder.path().join("ledger.other"));
        neighbour.note("Q", "three");
        drop(first);
        assert_eq!(open(&path).subscription("Q").as_deref(), Some("two"));
    }

    #[test]
    fn a_file_that_is_none_is_as_if_it_were_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        fs::write(&path, "{\"instance\":7").unwrap();
        let ledger = open(&path);
        assert_eq!(ledger.instance().len(), 16);
        ledger.note("Q", "one");
        drop(ledger);
        assert_eq!(open(&path).subscription("Q").as_deref(), Some("one"));
        let nowhere = open(&folder.path().join("no/such/folder"));
        nowhere.note("Q", "one");
        assert_eq!(nowhere.subscription("Q").as_deref(), Some("one"), "it goes on without");
    }
}
