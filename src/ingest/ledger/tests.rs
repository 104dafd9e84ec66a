//! What a ledger promises over a crash, and on a disk that hangs.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use tokio::runtime::Handle;

use super::*;
use crate::hang::Hang;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a start waits here for a disk that hangs.
const BRIEF: Duration = Duration::from_millis(50);

/// The ledger of the account of these tests; waits until a run before has ended.
async fn open(path: &Path) -> Ledger {
    wait_for("the lock", || async { try_open(path).await.ok() }).await
}

async fn try_open(path: &Path) -> Result<Ledger, Taken> {
    Ledger::open(Some(path.to_owned()), "ABCDEF").await
}

/// Polls until there is something; fails loudly when it never comes.
async fn wait_for<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the file says a producer has.
fn on_disk(path: &Path, producer_id: &str) -> Option<String> {
    let entries: Entries = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    entries.subscriptions.get(producer_id).cloned()
}

#[tokio::test]
async fn what_is_noted_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let ledger = open(&path).await;
    ledger.note("Queue_itd_1.0.0", "one");
    ledger.note("Agent_itd_1.0.0", "two");
    ledger.forget("Agent_itd_1.0.0", "another");
    let instance = ledger.instance();
    wait_for("the notes", || async { on_disk(&path, "Agent_itd_1.0.0") }).await;
    drop(ledger);
    let again = open(&path).await;
    assert_eq!(again.instance(), instance);
    assert_eq!(again.subscription("Queue_itd_1.0.0").as_deref(), Some("one"));
    assert_eq!(again.subscription("Agent_itd_1.0.0").as_deref(), Some("two"));
    again.forget("Queue_itd_1.0.0", "one");
    again.kept().await;
    drop(again);
    assert_eq!(open(&path).await.subscription("Queue_itd_1.0.0"), None);
    let other =
        wait_for("the lock", || async { Ledger::open(Some(path.clone()), "GHIJKL").await.ok() }).await;
    assert_eq!(other.subscription("Agent_itd_1.0.0"), None, "another account's are not ours");
}

#[tokio::test]
async fn a_name_is_written_down_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let first = open(&path).await;
    let instance = first.instance();
    assert!(fs::read_to_string(&path).unwrap().contains(&instance));
    assert_eq!(first.before("Q"), Before::None, "nothing was made under a new name");
    drop(first);
    let second = open(&path).await;
    assert_eq!((second.instance(), second.before("Q")), (instance, Before::Lost));
    second.note("Q", "one");
    second.kept().await;
    drop(second);
    assert_eq!(open(&path).await.before("Q"), Before::Held);
    assert_eq!(Ledger::open(None, "ABCDEF").await.unwrap().before("Q"), Before::None);
}

#[tokio::test]
async fn only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("subscriptions.json");
    let ledger = open(&path).await;
    ledger.note("Q_1", "one");
    ledger.kept().await;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    assert!(path.exists());
}

#[tokio::test]
async fn a_ledger_has_one_instance_however_often_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let first = open(&path).await;
    for id in ["one", "two"] {
        first.note("Q", id);
        first.kept().await;
        let refused = try_open(&path).await.unwrap_err().to_string();
        assert!(refused.contains(path.to_str().unwrap()) && refused.contains("axp.state_file"), "{refused}");
    }
    let neighbour = open(&folder.path().join("ledger.other")).await;
    neighbour.note("Q", "three");
    neighbour.kept().await;
    drop(first);
    assert_eq!(open(&path).await.subscription("Q").as_deref(), Some("two"));
}

#[tokio::test]
async fn a_file_that_is_none_is_as_if_it_were_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    fs::write(&path, "{\"instance\":7").unwrap();
    let ledger = open(&path).await;
    assert_eq!(ledger.instance().len(), 16);
    ledger.note("Q", "one");
    ledger.kept().await;
    drop(ledger);
    assert_eq!(open(&path).await.subscription("Q").as_deref(), Some("one"));
}

#[tokio::test]
async fn what_cannot_be_written_is_written_with_the_next_note_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/yet/ledger.json");
    let ledger = open(&path).await;
    ledger.note("Q", "one");
    ledger.kept().await;
    assert_eq!(ledger.subscription("Q").as_deref(), Some("one"), "it goes on without");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    ledger.note("Q", "one");
    wait_for("the note", || async { on_disk(&path, "Q") }).await;
}

#[tokio::test]
async fn who_notes_waits_for_no_disk_and_what_was_noted_last_is_written_once_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let ledger = open(&path).await;
    let file = ledger.file.clone().unwrap();
    let (disk, answer) = mpsc::channel::<()>();
    let hangs = file.clone();
    tokio::spawn(async move { hangs.run(move |_| answer.recv()).await });
    wait_for("the disk to hang", || async { file.is_busy().then_some(()) }).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for id in 0..100 {
        ledger.note("Q", &id.to_string());
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.subscription("Q").as_deref(), Some("99"));
    assert_eq!(tasks(), before + 1, "one waits for all");
    tokio::time::timeout(BRIEF, ledger.kept()).await.unwrap_err();
    assert_eq!(on_disk(&path, "Q"), None);
    drop(disk);
    ledger.kept().await;
    assert_eq!(on_disk(&path, "Q").as_deref(), Some("99"));
}

#[tokio::test]
async fn a_start_on_a_disk_that_hangs_goes_by_a_new_name_which_is_written_once_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let left = r#"{"instance":"old","account_id":"ABCDEF","subscriptions":{"Q":"left"}}"#;
    fs::write(&path, left).unwrap();
    let hang = Hang::at(&path.with_extension("json.lock"));
    let ledger = Ledger::open_within(BRIEF, Some(path.clone()), "ABCDEF").await.unwrap();
    assert_eq!(ledger.before("Q"), Before::None);
    assert_ne!(ledger.instance(), "old");
    assert_eq!(fs::read_to_string(&path).unwrap(), left);
    drop(hang);
    let is_ours = || async { fs::read_to_string(&path).unwrap().contains(&ledger.instance()).then_some(()) };
    wait_for("the name", is_ours).await;
    try_open(&path).await.unwrap_err();
    ledger.note("Q", "one");
    ledger.kept().await;
    assert_eq!(on_disk(&path, "Q").as_deref(), Some("one"));
}

#[test]
fn a_file_that_turns_out_late_to_be_anothers_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.json");
    let mut theirs = LedgerFile::new(path.clone());
    theirs.open("ABCDEF").unwrap();
    let before = fs::read(&path).unwrap();
    let mut ours = LedgerFile::new(path.clone());
    ours.open("ABCDEF").unwrap_err();
    ours.keep(&Entries::new("ABCDEF"));
    assert_eq!(fs::read(&path).unwrap(), before);
}
