//! Others in the folder: a second process, and somebody who removes files.

use super::*;

#[test]
fn one_process_at_a_time_uses_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder);
    let err = Spool::new(folder.path(), MIB, HOUR, Losses::default()).open(1).unwrap_err();
    assert_eq!(err.to_string(), "another process uses it");
    drop(spool);
    open(&folder);
}

#[test]
fn lines_in_files_that_somebody_removes_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let remove_all = || {
        for file in std::fs::read_dir(&folder).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    };
    let mut spool = open(&folder);
    let piece: String = (0..3000).map(line).collect();
    for _ in 0..3 {
        append(&mut spool, &piece, 1);
    }
    // Of those that were given out somebody knows what becomes of them.
    let found = read(&mut spool, 1000, 1).0.unwrap();
    let given = count_lines(&found.lines);
    remove_all();
    assert_eq!(append(&mut spool, &line(1), 1), 9000 - given);
    assert_eq!(spool.bytes(), 16 + 16 + line(1).len() as u64);
    spool.settle(&found);
    assert_eq!((drained(&mut spool, 1), spool.bytes()), ((vec![1], 0), 0));
    // The one that is appended to, alone; what was given out and not delivered is lost, too.
    append(&mut spool, &(0..10).map(line).collect::<String>(), 1);
    let found = read(&mut spool, 1000, 1).0.unwrap();
    std::fs::remove_file(&spool.segments[0].path).unwrap();
    assert_eq!(append(&mut spool, &line(2), 1), 0);
    spool.release(&found);
    assert_eq!((drained(&mut spool, 1), spool.losses.lines.get()), ((vec![2], 0), 9000 - given + 10));
    // One that is closed is missed when it is to be read.
    for _ in 0..2 {
        append(&mut spool, &piece, 1);
    }
    std::fs::remove_file(&spool.segments[0].path).unwrap();
    assert_eq!(drained(&mut spool, 1).1, 3000);
}

#[test]
fn a_lock_that_somebody_removes_is_made_again_unless_another_process_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let mut spool = open(&folder);
    append(&mut spool, &line(1), 1);
    std::fs::remove_file(&lock).unwrap();
    append(&mut spool, &line(2), 1);
    assert!(Spool::new(folder.path(), MIB, HOUR, Losses::default()).open(1).is_err(), "it is locked");
    std::fs::remove_file(&lock).unwrap();
    let other = open(&folder);
    for _ in 0..2 {
        assert_eq!(spool.append(b"a x=1 1\n", 1).unwrap_err().to_string(), "another process uses it");
        spool.read(1000, 1).unwrap_err();
    }
    drop(other);
    wait_for_lock(|| spool.notice_removals());
    assert_eq!(drained(&mut spool, 1), (vec![1, 2], 0));
}
