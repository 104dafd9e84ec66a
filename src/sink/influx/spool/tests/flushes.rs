//! Flushes that take long, or fail.

use super::*;

#[test]
fn a_file_that_cannot_be_flushed_keeps_no_other_from_it_and_is_let_go_with_the_lines_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let piece: String = (0..3000).map(line).collect();
    for _ in 0..3 {
        append(&mut spool, &piece, 1);
    }
    assert_eq!(open_files(folder.path()), 1 + 3, "the lock, and all that is not flushed");
    // This takes everything and can flush nothing.
    spool.segments[0].replace_file(Path::new("/dev/null"), true);
    spool.flush().unwrap_err();
    assert_eq!(open_files(folder.path()), 1 + 1, "the last is appended to still");
    // A second try would go well, and mean nothing.
    let err = spool.flush().unwrap_err();
    assert_eq!(
        (err.to_string(), spool.is_flushed()),
        ("it failed before, and lines may not be there".to_owned(), false)
    );
    append(&mut spool, &line(1), 1);
    spool.flush().unwrap_err();
    let found = read(&mut spool, piece.len(), 1).0.unwrap();
    spool.settle(&found);
    spool.flush().unwrap();
    assert!(spool.is_flushed(), "the lines in doubt are delivered");
    // As it is where nothing can ever be flushed, and the oldest make room for the new.
    for _ in 0..40 {
        append(&mut spool, &piece, 1);
        spool.segments.back_mut().unwrap().replace_file(Path::new("/dev/null"), true);
        spool.flush().unwrap_err();
        assert!(spool.segments.iter().all(|segment| !segment.is_open()), "none is added to what is in doubt");
    }
    assert!(spool.bytes() <= MIB && open_files(folder.path()) == 1, "{} bytes", spool.bytes());
}

#[test]
fn a_spool_is_used_while_the_disk_takes_its_time_to_flush_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let piece: String = (0..3000).map(line).collect();
    for _ in 0..2 {
        append(&mut spool, &piece, 1);
    }
    let slow = spool.unflushed().unwrap();
    let found = read(&mut spool, piece.len(), 1).0.unwrap();
    spool.settle(&found);
    append(&mut spool, &piece, 1);
    let flushed = slow.flush();
    spool.note_flushed(Some(flushed)).unwrap();
    assert!(!spool.is_flushed(), "what came meanwhile is not on the disk");
    assert_eq!(open_files(folder.path()), 1 + 1);
    spool.flush().unwrap();
    assert!(spool.is_flushed() && spool.unflushed().is_none());
}

/// How many files in this folder the process has open.
fn open_files(folder: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    files
        .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
        .filter(|path| path.starts_with(folder))
        .count()
}
