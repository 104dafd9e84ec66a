//! The ledger: which subscriptions this program holds, kept over a crash.
//!
//! AXP cannot tell one client of an account from another. So each instance marks what it
//! makes with a name of its own and writes down what it holds; after a crash it finds its
//! own subscriptions again, and never another consumer's: what it held, and what it was
//! making when it ended. So the name is on the disk before it is used. Without a file it
//! forgets at its end, and what a crash leaves behind lives out its quarter of an hour.
//!
//! The file (`ledger/file.rs`) is used where a disk that hangs keeps nobody. What is held is noted
//! in memory and written soon after; a crash in between leaves a subscription that bears the name.
//! Two wait for the disk: a start, which needs the name, and the end of a feed, each for some seconds.
//! Who starts without goes by a new name, and takes nothing up: to keep the feeds back would cost the
//! metrics, where subscriptions expire by themselves.

mod file;

use std::collections::BTreeMap;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::blocking::Blocking;
use crate::ingest::link::Before;
use file::LedgerFile;
pub use file::Taken;

/// How long a start waits for the file.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the file holds.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Entries {
    /// The name of this instance.
    instance: String,
    /// The account that the subscriptions are of.
    account_id: String,
    /// Subscription ids by producer.
    subscriptions: BTreeMap<String, String>,
}

impl Entries {
    /// Nothing, under a new name.
    fn new(account_id: &str) -> Self {
        Self {
            instance: format!("{:016x}", rand::random::<u64>()),
            account_id: account_id.to_owned(),
            subscriptions: BTreeMap::new(),
        }
    }
}

/// What is known now.
#[derive(Debug)]
struct Known {
    entries: Entries,
    /// True while somebody waits to write it.
    waits: bool,
}

/// The subscriptions that are held.
#[derive(Debug)]
pub struct Ledger {
    known: Arc<Mutex<Known>>,
    file: Option<Blocking<LedgerFile>>,
    /// True if the file named this instance before.
    is_old: bool,
}

impl Ledger {
    /// The ledger of an account, from its file if there is one.
    ///
    /// # Errors
    /// Where another instance holds it.
    pub async fn open(path: Option<PathBuf>, account_id: &str) -> Result<Self, Taken> {
        Self::open_within(OPEN_TIMEOUT, path, account_id).await
    }

    async fn open_within(patience: Duration, path: Option<PathBuf>, account_id: &str) -> Result<Self, Taken> {
        let Some(path) = path else { return Ok(Self::new(Entries::new(account_id), None, false)) };
        let file = Blocking::new(LedgerFile::new(path.clone()));
        let account = account_id.to_owned();
        if let Ok(opened) = file.run_within(patience, move |file| file.open(&account)).await {
            let (entries, is_old) = opened?;
            return Ok(Self::new(entries, Some(file), is_old));
        }
        warn!(
            path = %path.display(),
            "the state file does not open; subscriptions of an earlier run are not taken up, and a crash would leave those of this one behind"
        );
        let ledger = Self::new(Entries::new(account_id), Some(file), false);
        // Once the disk is back, the name is there as well.
        ledger.keep(&mut ledger.known());
        Ok(ledger)
    }

    fn new(entries: Entries, file: Option<Blocking<LedgerFile>>, is_old: bool) -> Self {
        Self { known: Arc::new(Mutex::new(Known { entries, waits: false })), file, is_old }
    }

    /// What is known of a producer's subscription from before.
    pub fn before(&self, producer_id: &str) -> Before {
        match self.subscription(producer_id) {
            Some(_) => Before::Held,
            None if self.is_old => Before::Lost,
            None => Before::None,
        }
    }

    /// The name of this instance.
    pub fn instance(&self) -> String {
        self.known().entries.instance.clone()
    }

    /// The subscription that is held for a producer.
    pub fn subscription(&self, producer_id: &str) -> Option<String> {
        self.known().entries.subscriptions.get(producer_id).cloned()
    }

    /// Notes the subscription that is held for a producer.
    pub fn note(&self, producer_id: &str, subscription_id: &str) {
        let mut known = self.known();
        known.entries.subscriptions.insert(producer_id.to_owned(), subscription_id.to_owned());
        self.keep(&mut known);
    }

    /// Forgets a producer's subscription, if it is this one.
    pub fn forget(&self, producer_id: &str, subscription_id: &str) {
        let mut known = self.known();
        let subscriptions = &mut known.entries.subscriptions;
        if subscriptions.get(producer_id).is_some_and(|held| held == subscription_id) {
            subscriptions.remove(producer_id);
        }
        self.keep(&mut known);
    }

    /// Waits until what is known is in the file, or cannot be.
    pub async fn kept(&self) {
        if let Some(file) = &self.file {
            write(file.clone(), Arc::clone(&self.known)).await;
        }
    }

    /// Has what is known written down, by one who waits for the disk for all.
    fn keep(&self, known: &mut Known) {
        if let Some(file) = &self.file
            && !mem::replace(&mut known.waits, true)
        {
            tokio::spawn(write(file.clone(), Arc::clone(&self.known)));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what is known when it is this one's turn.
async fn write(file: Blocking<LedgerFile>, known: Arc<Mutex<Known>>) {
    let turn = move |file: &mut LedgerFile| {
        let entries = {
            let mut known = lock(&known);
            known.waits = false;
            known.entries.clone()
        };
        file.keep(&entries);
    };
    // It fails where the program ends.
    let _ = file.run(turn).await;
}

#[cfg(test)]
mod tests;
