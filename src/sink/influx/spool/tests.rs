//! The spool, alone: order, bounds, and disks that say no.

mod damage;
mod flushes;
mod kills;
mod removals;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

fn open(folder: &TempDir) -> Spool {
    open_with(folder.path(), MIB)
}

fn open_with(folder: &Path, bytes_max: u64) -> Spool {
    let mut spool = Spool::new(folder, bytes_max, HOUR, Losses::default());
    wait_for_lock(|| spool.open(1));
    spool
}

/// Takes a lock that a process that is being started beside us may still have inherited.
fn wait_for_lock(mut take: impl FnMut() -> io::Result<()>) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while let Err(err) = take() {
        assert!(err.kind() == io::ErrorKind::WouldBlock && std::time::Instant::now() < deadline, "{err}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Puts lines in; gives how many were dropped for them.
fn append(spool: &mut Spool, lines: &str, now: u64) -> u64 {
    let before = spool.losses.lines.get();
    spool.append(lines.as_bytes(), now).unwrap();
    spool.losses.lines.get() - before
}

/// Takes lines out; gives how many were dropped before them.
fn read(spool: &mut Spool, bytes_max: usize, now: u64) -> (Option<Found>, u64) {
    let before = spool.losses.lines.get();
    let found = spool.read(bytes_max, now).unwrap();
    (found, spool.losses.lines.get() - before)
}

fn line(number: u64) -> String {
    format!("stem,tag={number:010} n={number} {number}\n")
}

/// Takes everything out; gives the numbers of the lines in order, and how many were dropped.
fn drained(spool: &mut Spool, now: u64) -> (Vec<u64>, u64) {
    let (mut numbers, mut dropped) = (Vec::new(), 0);
    loop {
        let (found, more) = read(spool, 1000, now);
        dropped += more;
        let Some(found) = found else { return (numbers, dropped) };
        numbers.extend(numbers_of(&found.lines));
        spool.settle(&found);
    }
}

fn numbers_of(lines: &[u8]) -> Vec<u64> {
    let lines = str::from_utf8(lines).unwrap();
    assert!(lines.ends_with('\n'));
    let number = |text: &str| text.rsplit_once(' ').unwrap().1.parse().unwrap();
    lines.lines().inspect(|text| assert_eq!(format!("{text}\n"), line(number(text)))).map(number).collect()
}

fn files(folder: &TempDir) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name != "lock").collect()
}

#[test]
fn only_its_owner_and_group_may_read_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    append(&mut open(&folder), &line(1), 1);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o137, 0, "{entry:?}");
    }
}

#[test]
fn lines_come_out_in_the_order_in_which_they_went_in_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for begin in [0, 100, 200] {
        let mut spool = open(&folder);
        for number in begin..begin + 100 {
            assert_eq!(append(&mut spool, &line(number), 1), 0);
        }
        spool.flush().unwrap();
    }
    let mut spool = open(&folder);
    let (found, _) = read(&mut spool, 10, 1);
    assert_eq!(numbers_of(&found.unwrap().lines), [0], "what is not settled stays");
    let found = read(&mut spool, 100, 1).0.unwrap();
    let settled = numbers_of(&found.lines).len() as u64;
    spool.settle(&found);
    drop(spool);
    let mut spool = open(&folder);
    assert_eq!(drained(&mut spool, 1), ((settled..300).collect(), 0), "what is settled does not come again");
    assert_eq!((spool.bytes(), files(&folder).len()), (0, 0));
    append(&mut spool, &line(7), 1);
    assert_eq!(drained(&mut spool, 1), (vec![7], 0));
}

#[test]
fn the_oldest_lines_make_room_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let (mut next, mut dropped) = (0, 0);
    let piece = |from: u64| (from..from + 500).map(line).collect::<String>();
    for _ in 0..200 {
        dropped += append(&mut spool, &piece(next), 1);
        next += 500;
        assert!(spool.bytes() <= MIB, "{}", spool.bytes());
    }
    let (numbers, late) = drained(&mut spool, 1);
    assert_eq!((numbers.len() as u64 + dropped, late), (next, 0));
    assert_eq!(numbers, (dropped..next).collect::<Vec<_>>(), "the newest are there, without a gap");
    assert!(numbers.len() as u64 * 30 > MIB * 3 / 4, "most of the room is used");
    let too_long = "x".repeat(2 << 20) + "\n";
    assert_eq!(append(&mut spool, &too_long, 1), 1, "a line for which there is no room at all");
}

#[test]
fn lines_that_waited_too_long_are_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    let mut spool = open(&folder);
    for (number, time) in [(1, 0), (2, hour / 2), (3, hour)] {
        append(&mut spool, &line(number), time);
    }
    let (found, dropped) = read(&mut spool, 1, hour + 1);
    assert_eq!((numbers_of(&found.unwrap().lines), dropped), (vec![2], 1));
    assert_eq!(drained(&mut spool, hour + 1), (vec![2, 3], 0), "counted once");
    append(&mut spool, &line(4), hour);
    assert_eq!(drained(&mut spool, 3 * hour), (vec![], 1));
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn lines_that_made_room_are_counted_though_the_new_ones_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    append(&mut spool, &line(1), 1);
    std::fs::create_dir(folder.path().join("0000000000000002.spool")).unwrap();
    spool.append(line(2).as_bytes(), 2 * 3_600_000).unwrap_err();
    assert_eq!(spool.losses.lines.get(), 1);
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    // The file takes nothing, then no new one can be made.
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    append(&mut spool, &line(1), 1);
    spool.segments[0].replace_file(&folder.path().join("0000000000000001.spool"), false);
    spool.append(line(2).as_bytes(), 1).unwrap_err();
    let (real, moved) = (folder.path().to_owned(), folder.path().with_extension("moved"));
    std::fs::rename(&real, &moved).unwrap();
    spool.append(line(2).as_bytes(), 1).unwrap_err();
    std::fs::rename(&moved, &real).unwrap();
    append(&mut spool, &line(3), 1);
    assert_eq!(drained(&mut spool, 1), (vec![1, 3], 0));
}

#[test]
fn a_file_that_cannot_be_removed_does_not_keep_others_from_making_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let piece = |from: u64| (from..from + 500).map(line).collect::<String>();
    while spool.segments.len() < 2 {
        append(&mut spool, &piece(0), 1);
    }
    let first = spool.segments[0].path.clone();
    std::fs::remove_file(&first).unwrap();
    std::fs::create_dir(&first).unwrap();
    let mut dropped = 0;
    for number in 1..200 {
        dropped += append(&mut spool, &piece(number * 500), 1);
        assert!(spool.bytes() <= MIB, "{}", spool.bytes());
    }
    assert!(dropped > 0);
    append(&mut spool, &line(1), 3 * 3_600_000);
    assert_eq!(spool.segments.len(), 2, "what is too old goes, but for the one");
}
