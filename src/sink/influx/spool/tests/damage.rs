//! Files that are damaged, foreign, or cannot be opened for now.

use std::fs::OpenOptions;

use rand::RngExt;

use super::*;

#[test]
fn damage_costs_itself_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for number in 0..10 {
        append(&mut spool, &line(number), 1);
    }
    drop(spool);
    let path = folder.path().join("0000000000000001.spool");
    let mut bytes = std::fs::read(&path).unwrap();
    let record = record::HEAD_BYTES + line(0).len();
    bytes[16 + 3 * record + 20] ^= 1;
    // And the last one is torn.
    bytes.truncate(bytes.len() - 5);
    std::fs::write(&path, &bytes).unwrap();
    let mut spool = open(&folder);
    assert_eq!(drained(&mut spool, 1), (vec![0, 1, 2, 4, 5, 6, 7, 8], 2));
    assert!(files(&folder).is_empty());
}

#[test]
fn what_cannot_be_read_is_set_aside_and_never_stops_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let lines: String = (0..5000).map(line).collect();
    append(&mut spool, &lines, 1);
    drop(spool);
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    // The length of the second record is damaged: the rest cannot be found.
    let mut bytes = std::fs::read(folder.path().join("0000000000000001.spool")).unwrap();
    let first = 16 + 16 + u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    bytes[first + 3] = 0xff;
    write("0000000000000001.spool", &bytes);
    write("0000000000000002.spool", b"axpspl02newer than this version");
    write("0000000000000003.spool", b"short");
    write("0000000000000004.spool", b"");
    std::fs::create_dir(folder.path().join("0000000000000005.spool")).unwrap();
    write("notes.txt", b"mine");
    write("9999999999999999.spool", b"of a number that nothing could follow");
    write("0000000000000006.spool.aside", b"of before");
    let mut spool = open(&folder);
    append(&mut spool, &line(9999), 1);
    let (numbers, dropped) = drained(&mut spool, 1);
    assert_eq!(numbers.last(), Some(&9999));
    let read = numbers.len() as u64 - 1;
    assert!(read > 1000 && numbers[..numbers.len() - 1].iter().copied().eq(0..read));
    assert!(dropped >= 5000 - read, "{dropped} of {} are counted", 5000 - read);
    assert_eq!(spool.losses.files.get(), 3);
    let expected = [
        "0000000000000001.spool.aside",
        "0000000000000002.spool.aside",
        "0000000000000003.spool.aside",
        "0000000000000005.spool",
        "0000000000000006.spool.aside",
        "9999999999999999.spool",
        "notes.txt",
    ];
    assert_eq!(files(&folder), expected.map(str::to_owned).into());
}

#[test]
fn whatever_lies_in_a_file_a_start_and_a_drain_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = rand::rng();
    for _ in 0..50 {
        let mut bytes = b"axpspl01".to_vec();
        bytes.extend_from_slice(&16u64.to_le_bytes());
        for number in 0..20 {
            bytes.extend_from_slice(&record::encode(line(number).as_bytes(), 1));
        }
        for _ in 0..random.random_range(1..30) {
            let at = random.random_range(8..bytes.len());
            bytes[at] = random.random();
        }
        std::fs::write(folder.path().join("0000000000000001.spool"), &bytes).unwrap();
        let mut spool = open(&folder);
        let (numbers, _) = drained(&mut spool, 1);
        assert!(numbers.len() <= 20 && numbers.is_sorted(), "{numbers:?} of {bytes:?}");
        drop(spool);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
    }
}

/// As when too many files are open: the file is there, and cannot be opened for now.
fn make_unreadable(path: &Path) -> impl FnOnce() + use<> {
    let (path, hidden) = (path.to_owned(), path.with_extension("hidden"));
    std::fs::rename(&path, &hidden).unwrap();
    // A link is not followed, which is an error that says nothing about the file.
    std::os::unix::fs::symlink(&hidden, &path).unwrap();
    move || std::fs::rename(&hidden, &path).unwrap()
}

#[test]
fn a_file_that_cannot_be_opened_for_now_is_neither_lost_nor_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    append(&mut spool, &line(1), 1);
    let put_back = make_unreadable(&folder.path().join("0000000000000001.spool"));
    assert_eq!(spool.read(1000, 1).unwrap_err().raw_os_error(), Some(libc::ELOOP));
    // Nor does it expire, nor keep new lines out.
    assert_eq!(append(&mut spool, &line(2), 2 * 3_600_000), 0);
    put_back();
    assert_eq!(drained(&mut spool, 1), (vec![1, 2], 0));
    append(&mut spool, &line(3), 1);
    std::fs::remove_file(folder.path().join("0000000000000002.spool")).unwrap();
    assert_eq!(drained(&mut spool, 1), (vec![], 1), "one that is gone is counted");
}

#[test]
fn a_file_that_cannot_be_read_or_removed_for_now_holds_no_other_up() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=3 {
        append(&mut open(&folder), &line(number), 1);
    }
    let mut spool = open(&folder);
    let path = folder.path().join("0000000000000001.spool");
    let put_back = make_unreadable(&path);
    let found = read(&mut spool, 1000, 1).0.unwrap();
    assert_eq!(numbers_of(&found.lines), [2]);
    // A folder in its place can be neither read nor removed.
    let second = folder.path().join("0000000000000002.spool");
    std::fs::remove_file(&second).unwrap();
    std::fs::create_dir(&second).unwrap();
    spool.settle(&found);
    let found = read(&mut spool, 1000, 1).0.unwrap();
    assert_eq!(numbers_of(&found.lines), [3]);
    spool.settle(&found);
    assert_eq!(spool.read(1000, 1).unwrap_err().raw_os_error(), Some(libc::ELOOP), "the first error");
    put_back();
    let found = read(&mut spool, 1000, 1).0.unwrap();
    assert_eq!(numbers_of(&found.lines), [1], "no line is lost, none comes twice");
    spool.settle(&found);
    std::fs::remove_dir(&second).unwrap();
    assert_eq!(drained(&mut spool, 1), (vec![], 0));
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn what_was_read_before_an_error_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for (number, time) in [(1, 0), (2, 10), (3, 10)] {
        append(&mut spool, &line(number), time);
    }
    // The last record is cut while the spool is open, which no reading gets over.
    let path = folder.path().join("0000000000000001.spool");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 5).unwrap();
    let (found, dropped) = read(&mut spool, 1000, 3_600_005);
    let found = found.unwrap();
    assert_eq!((numbers_of(&found.lines), dropped), (vec![2], 1));
    spool.settle(&found);
    assert_eq!(drained(&mut spool, 3_600_005), (vec![], 1));
    assert_eq!(files(&folder), ["0000000000000001.spool.aside".to_owned()].into());
}

#[test]
fn what_was_set_aside_goes_when_it_is_older_than_lines_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| std::fs::write(folder.path().join(name), b"none of ours").unwrap();
    write("0000000000000001.spool.aside");
    write("notes.aside");
    let touched = folder::touched_ms(&folder.path().join("notes.aside").metadata().unwrap());
    let (soon, late) = (touched + 1_800_000, touched + 2 * 3_600_000);
    let all = ["0000000000000001.spool.aside", "notes.aside"].map(str::to_owned).into();
    let open_at = |now| {
        let mut spool = Spool::new(folder.path(), MIB, HOUR, Losses::default());
        wait_for_lock(|| spool.open(now));
        spool
    };
    open_at(soon);
    assert_eq!(files(&folder), all);
    open_at(late);
    assert_eq!(files(&folder), ["notes.aside".to_owned()].into());
    write("0000000000000001.spool");
    let mut spool = open_at(soon);
    assert_eq!((files(&folder), spool.losses.files.get()), (all, 1));
    append(&mut spool, &line(2), late);
    assert_eq!(files(&folder), ["0000000000000002.spool", "notes.aside"].map(str::to_owned).into());
}

#[test]
fn a_file_that_cannot_be_set_aside_is_not_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("0000000000000001.spool"), b"none of ours").unwrap();
    std::fs::create_dir(folder.path().join("0000000000000001.spool.aside")).unwrap();
    let spool = open(&folder);
    assert_eq!((spool.losses.files.get(), spool.segments.len()), (0, 0));
}
