//! Files: how they begin and end, what is missing of them, and what is none.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::harness::*;
use crate::config::Personal;
use crate::pipeline::Moment;
use crate::recording::parts::Parts;
use crate::recording::{Error, Reader};
use crate::sink::disk::is_mistake;

fn event(agent: &str, phase: &str, n: u32) -> String {
    format!(
        r#"{{"keys":{{"agentId":"{agent}"}},"eventAction":"UPSERT","payloadType":"{phase}","measures":{{"n":"{n}"}}}}"#
    )
}

/// A recording in three files: a snapshot, changes, and more of them.
fn three_files() -> Bench {
    let mut bench = Bench::new(Personal::Drop, 1);
    bench.pipeline.session_opened(bench.now);
    bench.apply(&event("a", "INITIALIZING", 1));
    bench.apply(&event("b", "INITIALIZING", 1));
    bench.write();
    bench.pass(Duration::from_secs(3600));
    bench.apply(&event("a", "LIVE", 2));
    bench.write();
    bench.apply(&event("a", "LIVE", 3));
    bench.end();
    bench
}

fn open(path: &Path) -> Result<Reader, Error> {
    Reader::open(path, 1 << 10, Arc::new(AtomicU64::new(0)))
}

fn drop_privacy() -> crate::parse::privacy::Privacy {
    privacy(Personal::Drop)
}

#[test]
fn each_file_can_be_replayed_by_itself_and_all_together_are_the_whole() {
    let mut bench = three_files();
    let files = bench.files();
    assert_eq!(files.len(), 3);
    let (whole, end) = replay(&files, drop_privacy()).unwrap();
    assert_eq!(whole, bench.outcome());
    assert_eq!(end.progress.time, Duration::from_secs(3600));
    let (last, end) = replay(&files[2..], drop_privacy()).unwrap();
    assert_eq!(last.series.matches("\naxp_agent_itd_n{").count(), 1, "{last:?}");
    assert!(last.series.contains("agent_id=\"a\"} 3"), "{last:?}");
    assert_eq!((end.progress.time, end.progress.tally.applied), (Duration::ZERO, 1));
    // However they are given.
    let (shuffled, _) = replay(&[2, 0, 1].map(|index| files[index].clone()), drop_privacy()).unwrap();
    assert_eq!(shuffled, whole);
    let Err(err) = replay(&[0, 1, 0].map(|index| files[index].clone()), drop_privacy()) else { panic!() };
    assert!(err.to_string().contains("the same part of the recording"), "{err}");
    // Where one is missing, what is known of the sessions begins anew, and rows stay.
    let (gap, _) = replay(&[files[0].clone(), files[2].clone()], drop_privacy()).unwrap();
    assert!(gap.series.contains("agent_id=\"a\"} 3"), "{gap:?}");
}

#[test]
fn a_recording_that_is_torn_anywhere_gives_what_came_before() {
    let bench = three_files();
    let whole = std::fs::read(&bench.files()[0]).unwrap();
    let records = text(&bench.files()[0]).lines().count();
    let path = bench.folder.path().join("torn");
    let mut most = 0;
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let Ok(mut reader) = open(&path) else { continue };
        let mut read = 1;
        while reader.next().unwrap().is_some() {
            read += 1;
        }
        assert!(reader.is_torn(), "{length} of {}", whole.len());
        assert!(read >= most && read <= records, "{read} of {records}");
        most = read;
    }
    assert_eq!(most, records, "all but the end of the file itself");
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let (_, end) = replay(std::slice::from_ref(&path), drop_privacy()).unwrap();
    assert_eq!((end.torn, end.progress.tally.applied), (vec![path], 2));
}

#[test]
fn a_crash_costs_no_more_than_what_was_not_handed_over() {
    let mut bench = Bench::new(Personal::Drop, 0);
    bench.pipeline.session_opened(bench.now);
    for n in 0..5 {
        bench.apply(&event("a", "LIVE", n));
        bench.write();
    }
    bench.apply(&event("a", "LIVE", 6));
    // Nobody ends it.
    let (replayed, end) = replay(&bench.files(), drop_privacy()).unwrap();
    assert_eq!((end.torn.len(), end.progress.tally.applied), (1, 5));
    assert!(replayed.series.contains("} 4"), "{replayed:?}");
}

#[test]
fn damage_is_told_by_its_line() {
    let bench = three_files();
    let lines = text(&bench.files()[0]);
    let path = bench.folder.path().join("plain");
    let number = lines.lines().position(|line| line.contains("authenticated")).unwrap() + 1;
    for (bad, expected) in [
        ("{}", "missing field"),
        ("{\"kind\":\"header\"", "EOF"),
        (lines.lines().next().unwrap(), "a second header"),
        ("\u{0}", "expected value"),
    ] {
        let mut spoilt: Vec<&str> = lines.lines().collect();
        spoilt[number - 1] = bad;
        std::fs::write(&path, spoilt.join("\n") + "\n").unwrap();
        let Err(err) = replay(std::slice::from_ref(&path), drop_privacy()) else { panic!("{bad} was taken") };
        let said = err.to_string();
        assert!(
            said.contains(&format!("damaged at line {number}: ")) && said.contains(expected),
            "{said} is not about {expected}"
        );
    }
    // A line that would not end.
    std::fs::write(&path, lines.clone() + &"x".repeat(5 << 20)).unwrap();
    let mut reader = open(&path).unwrap();
    let err = loop {
        match reader.next() {
            Ok(record) => assert!(record.is_some()),
            Err(err) => break err,
        }
    };
    assert!(err.to_string().ends_with("the line is too long"), "{err}");
    // Bytes of the packed file that are others.
    let packed = std::fs::read(&bench.files()[0]).unwrap();
    let mut said = 0;
    for place in 10..packed.len() {
        let mut spoilt = packed.clone();
        spoilt[place] ^= 0x55;
        std::fs::write(&path, spoilt).unwrap();
        said += u32::from(replay(std::slice::from_ref(&path), drop_privacy()).is_err());
    }
    assert!(said > 0);
}

#[test]
fn what_is_no_recording_or_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let pack = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let later = "{\"kind\":\"header\",\"header\":{\"format\":2,\"else\":true}}\n";
    for (bytes, expected) in [
        (Vec::new(), "it is no recording"),
        (b"hello\n".to_vec(), "it is no recording"),
        (vec![0x1f, 0x8b], "it is no recording"),
        (vec![0x1f, 0x8b, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7], "it is no recording"),
        (pack("{\"kind\":\"end\",\"at\":0,\"unix_ns\":0}\n"), "it is no recording"),
        (pack(later), "its format 2 is of a later version"),
        (later.into(), "its format 2 is of a later version"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let err = open(&path).unwrap_err().to_string();
        assert!(err.contains(expected), "{err}");
    }
    assert!(matches!(open(&folder.path().join("none")), Err(Error::Read(..))));
}

#[test]
fn another_privacy_begins_another_file_which_is_for_a_replay_of_its_own() {
    let mut bench = Bench::new(Personal::Drop, 0);
    bench.pipeline.session_opened(bench.now);
    bench.apply(&event("a", "LIVE", 1));
    // The same again changes nothing.
    bench.recorder.begin(&privacy(Personal::Drop), bench.now);
    bench.write();
    bench.recorder.begin(&privacy(Personal::Hash), bench.now);
    bench.apply(&event("a", "LIVE", 2));
    bench.end();
    let files = bench.files();
    assert_eq!(files.len(), 2);
    assert!(text(&files[1]).contains("\"authenticated\""), "{}", text(&files[1]));
    let Err(err) = replay(&files, drop_privacy()) else { panic!("it was taken") };
    assert!(err.to_string().contains("[privacy] was another"), "{err}");
    replay(&files[1..], drop_privacy()).unwrap();
}

#[test]
fn a_session_that_was_lost_is_not_in_the_files_that_follow() {
    let mut bench = Bench::new(Personal::Drop, 1);
    bench.pipeline.session_opened(bench.now);
    bench.apply(&event("a", "LIVE", 1));
    bench.write();
    bench.apply(&event("a", "LIVE", 2));
    bench.write();
    bench.pipeline.session_lost(bench.now);
    bench.end();
    let begins =
        bench.files().iter().map(|file| text(file).contains("\"authenticated\"")).collect::<Vec<_>>();
    assert_eq!(begins, [true, true, false]);
}

/// What a run is told that ends at once.
fn shortest_run() -> String {
    let text = text(&three_files().files()[0]);
    let header = text.lines().next().unwrap();
    format!("{header}\n{{\"kind\":\"end\",\"at\":0,\"unix_ns\":0}}\n")
}

#[test]
fn only_its_owner_and_group_may_read_a_recording_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    for _ in 0..4 {
        let mut parts = Parts::new(&path, 0, 2, Moment::now());
        parts.check().unwrap();
        parts.append(shortest_run().as_bytes(), 3, Moment::now()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
        assert!(text(&path).contains("\"kind\":\"missing\""), "{}", text(&path));
    }
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["r", "r.1", "r.2", "r.lock"]);
}

#[test]
fn restarts_push_out_no_recording_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    for _ in 0..10 {
        let mut parts = Parts::new(&path, 1 << 20, 2, Moment::now());
        parts.append(shortest_run().as_bytes(), 0, Moment::now()).unwrap();
    }
    assert!(folder.path().join("r.9").exists(), "each has some hundred bytes, and there is room for 2 MiB");
}

#[test]
fn a_path_has_one_recording_at_a_time() {
    let mut bench = Bench::new(Personal::Drop, 0);
    bench.write();
    let path = bench.files()[0].clone();
    let before = text(&path);
    let mut other = Parts::new(&path, 0, 5, Moment::now());
    let err = other.check().unwrap_err();
    assert!(is_mistake(&err) && err.to_string().contains("another process"), "{err}");
    // Nor does it begin a file later.
    other.append(shortest_run().as_bytes(), 0, Moment::now()).unwrap_err();
    assert_eq!((text(&path), bench.files().len()), (before, 1));
    bench.end();
    let folder = bench.folder;
    drop((bench.pipeline, bench.recorder));
    assert!(folder.path().join("r.lock").exists());
}

#[test]
fn what_is_there_and_no_recording_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let check = |path: &PathBuf| Parts::new(path, 0, 5, Moment::now()).check();
    std::fs::write(&path, "precious").unwrap();
    check(&path).unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    check(&link).unwrap_err();
    check(&folder.path().to_owned()).unwrap_err();
    check(&folder.path().join("none/r")).unwrap_err();
    check(&PathBuf::from("/dev/null")).unwrap_err();
    let free = folder.path().join("free");
    check(&free).unwrap();
    assert!(!free.exists(), "nothing is left by a check");
}

#[test]
fn trouble_with_the_folder_suspends_it_and_costs_no_recording_of_before() {
    let mut bench = Bench::new(Personal::Drop, 0);
    bench.pipeline.session_opened(bench.now);
    bench.apply(&event("a", "LIVE", 1));
    bench.write();
    let folder = bench.folder.path().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    for n in 2..5 {
        bench.apply(&event("a", "LIVE", n));
        assert!(bench.try_write().is_err());
    }
    std::fs::rename(&away, &folder).unwrap();
    bench.apply(&event("a", "LIVE", 7));
    bench.end();
    let files = bench.files();
    assert_eq!(files.len(), 2, "tries in vain leave nothing");
    let (replayed, end) = replay(&files, drop_privacy()).unwrap();
    assert!(replayed.series.contains("} 7") && end.progress.tally.applied == 2, "{replayed:?}");
    let mut first = Vec::new();
    std::fs::File::open(&files[0]).unwrap().read_to_end(&mut first).unwrap();
    assert!(!first.is_empty());
}
