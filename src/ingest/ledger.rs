//! The ledger: which subscriptions this program holds, kept over a crash.
//!
//! AXP cannot tell one client of an account from another. So each instance marks what it
//! makes with a name of its own and writes down what it holds; after a crash it finds its
//! own subscriptions again, and never another consumer's. Without a file it forgets at
//! its end, and what a crash leaves behind lives out its quarter of an hour.
//!
//! A file that cannot be read is as if it were empty; one that cannot be written is said
//! once, and tried again at the next change. It holds ids, no secrets. One file serves one
//! instance; that nobody else uses it is not checked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

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

/// The subscriptions that are held.
#[derive(Debug)]
pub struct Ledger {
    path: Option<PathBuf>,
    entries: Mutex<Entries>,
    /// True while the file does not hold what is known, because it could not be written.
    behind: AtomicBool,
}

impl Ledger {
    /// The ledger of an account, from its file if there is one.
    pub fn open(path: Option<PathBuf>, account_id: &str) -> Self {
        let mut entries = path.as_deref().and_then(read).unwrap_or_default();
        if entries.account_id != account_id {
            entries = Entries { account_id: account_id.to_owned(), ..Entries::default() };
        }
        if entries.instance.is_empty() {
            entries.instance = format!("{:016x}", rand::random::<u64>());
        }
        Self { path, entries: Mutex::new(entries), behind: AtomicBool::new(false) }
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
            let behind = self.behind.load(Ordering::Relaxed);
            let Some(path) = self.path.as_deref().filter(|_| behind || entries.subscriptions != before) else {
                return;
            };
            let written = write(path, entries);
            self.behind.store(written.is_err(), Ordering::Relaxed);
            if let Err(err) = written
                && !behind
            {
                warn!(path = %path.display(), err = %err, "subscriptions cannot be written down; a crash would leave them behind");
            }
        });
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
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut file = fs::File::options().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
    file.write_all(&serde_json::to_vec(entries)?)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        let ledger = Ledger::open(Some(path.clone()), "ABCDEF");
        ledger.note("Queue_itd_1.0.0", "one");
        ledger.note("Agent_itd_1.0.0", "two");
        ledger.forget("Agent_itd_1.0.0", "another");
        let again = Ledger::open(Some(path.clone()), "ABCDEF");
        assert_eq!(again.instance(), ledger.instance());
        assert_eq!(again.subscription("Queue_itd_1.0.0").as_deref(), Some("one"));
        assert_eq!(again.subscription("Agent_itd_1.0.0").as_deref(), Some("two"));
        again.forget("Queue_itd_1.0.0", "one");
        assert_eq!(Ledger::open(Some(path.clone()), "ABCDEF").subscription("Queue_itd_1.0.0"), None);
        let other = Ledger::open(Some(path), "GHIJKL");
        assert_eq!(other.subscription("Agent_itd_1.0.0"), None, "another account's are not ours");
    }

    #[test]
    fn a_file_that_is_none_is_as_if_it_were_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.json");
        fs::write(&path, "{\"instance\":7").unwrap();
        let ledger = Ledger::open(Some(path.clone()), "ABCDEF");
        assert_eq!(ledger.instance().len(), 16);
        ledger.note("Q", "one");
        assert_eq!(Ledger::open(Some(path), "ABCDEF").subscription("Q").as_deref(), Some("one"));
        let nowhere = Ledger::open(Some(folder.path().join("no/such/folder")), "ABCDEF");
        nowhere.note("Q", "one");
        assert_eq!(nowhere.subscription("Q").as_deref(), Some("one"), "it goes on without");
    }
}
