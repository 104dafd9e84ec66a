//! The spool, alone: order, bounds, damage, and a process that is killed while it writes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt;
use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);
/// Where the child of the killing test spools; the test itself is its child, too.
const CHILD_FOLDER: &str = "AXP_EXPORTER_TEST_SPOOL";
/// The number of its first line.
const CHILD_NEXT: &str = "AXP_EXPORTER_TEST_SPOOL_NEXT";
/// How many lines it puts in at once.
const STEP: u64 = 10;

fn open(folder: &TempDir) -> Spool {
    open_with(folder.path(), MIB)
}

/// Opens a spool whose lock a process that is being started beside us may still have inherited.
fn open_with(folder: &Path, bytes_max: u64) -> Spool {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let mut spool = Spool::new(folder, bytes_max, HOUR, Losses::default());
    loop {
        match spool.open() {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock && std::time::Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => {
                opened.unwrap();
                return spool;
            }
        }
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
fn lines_come_out_in_the_order_in_which_they_went_in_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for begin in [0, 100, 200] {
        let mut spool = open(&folder);
        for number in begin..begin + 100 {
            assert_eq!(append(&mut spool, &line(number), 1), 0);
        }
        spool.sync().unwrap();
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
fn lines_that_made_room_are_counted_though_the_new_ones_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    append(&mut spool, &line(1), 1);
    std::fs::create_dir(folder.path().join("0000000000000002.spool")).unwrap();
    spool.append(line(2).as_bytes(), 2 * 3_600_000).unwrap_err();
    assert_eq!(spool.losses.lines.get(), 1);
}

#[test]
fn one_process_at_a_time_uses_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder);
    let err = Spool::new(folder.path(), MIB, HOUR, Losses::default()).open().unwrap_err();
    assert_eq!(err.to_string(), "another process uses it");
    drop(spool);
    open(&folder);
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
    spool.sync().unwrap_err();
    assert_eq!(open_files(folder.path()), 1 + 1, "the last is appended to still");
    assert!(spool.segments[0].has_file() && !spool.is_synced(), "it is tried again");
    spool.sync().unwrap_err();
    let found = read(&mut spool, piece.len(), 1).0.unwrap();
    spool.settle(&found);
    assert_eq!(spool.segments.len(), 2);
    spool.sync().unwrap();
    assert!(spool.is_synced());
    // As it is where nothing can ever be flushed, and the oldest make room for the new.
    for _ in 0..40 {
        append(&mut spool, &piece, 1);
        spool.segments.back_mut().unwrap().replace_file(Path::new("/dev/null"), true);
        spool.sync().unwrap_err();
    }
    let held = spool.segments.iter().filter(|segment| segment.has_file()).count();
    assert!(held == spool.segments.len() && (held * piece.len()) as u64 <= MIB, "{held} files");
}

/// How many files in this folder the process has open.
fn open_files(folder: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    files
        .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
        .filter(|path| path.starts_with(folder))
        .count()
}

/// Killed a hundred times at any moment: what was put in is there, in order and whole, and
/// what was settled does not come again.
#[test]
fn nothing_is_lost_in_a_hundred_kills() {
    const NAME: &str = "sink::influx::spool::tests::nothing_is_lost_in_a_hundred_kills";
    const KILLS: u32 = 100;
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        let next = std::env::var(CHILD_NEXT).unwrap().parse().unwrap();
        spool_until_killed(Path::new(&folder), next);
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut put_in, mut settled) = (0, 0);
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .env(CHILD_NEXT, (put_in + 1).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = said.filter_map(|word| {
            let number: u64 = word.get(1..)?.parse().ok()?;
            word.starts_with(['+', '-']).then(|| (word.starts_with('+'), number))
        });
        let mut note = |(is_put_in, number)| *(if is_put_in { &mut put_in } else { &mut settled }) = number;
        // From its first word on it lives some steps more; what it says until it dies counts.
        said.by_ref().take(rand::rng().random_range(1..40)).for_each(&mut note);
        child.kill().unwrap();
        child.wait().unwrap();
        said.for_each(note);
        let mut spool = open_with(folder.path(), 64 * MIB);
        let stretches = spool.segments.iter_mut().map(|segment| segment.read(usize::MAX, 0).unwrap());
        let waiting: Vec<u64> = stretches
            .inspect(|stretch| assert_eq!(stretch.dropped, 0))
            .flat_map(
                |stretch| if stretch.lines.is_empty() { Vec::new() } else { numbers_of(&stretch.lines) },
            )
            .collect();
        assert!(waiting.windows(2).all(|pair| pair[0] + 1 == pair[1]), "without a gap");
        // One step may have been done and not said.
        let (first, last) =
            (waiting.first().copied().unwrap_or(put_in + 1), waiting.last().copied().unwrap_or(put_in));
        assert!(
            first == settled + 1 || first == settled + 1 + STEP,
            "{first} is first, {settled} were settled"
        );
        assert!(last == put_in || last == put_in + STEP, "{last} is last, {put_in} were put in");
        (put_in, settled) = (last, first - 1);
    }
    assert!(put_in > u64::from(KILLS) * STEP && settled > 0, "{put_in} put in, {settled} settled");
}

/// The child: puts lines in and says so, settles old ones three times out of four and says so.
fn spool_until_killed(folder: &Path, mut next: u64) -> ! {
    let mut spool = Spool::new(folder, 64 * MIB, HOUR, Losses::default());
    spool.open().unwrap();
    let say = |sign: char, number: u64| writeln!(std::io::stdout(), "\n{sign}{number}").unwrap();
    for step in 0.. {
        let lines: String = (next..next + STEP).map(line).collect();
        assert_eq!(append(&mut spool, &lines, 1), 0);
        next += STEP;
        say('+', next - 1);
        if step % 4 > 0 {
            let (found, _) = read(&mut spool, 1, 1);
            let found = found.unwrap();
            spool.settle(&found);
            say('-', *numbers_of(&found.lines).last().unwrap());
        }
        if step % 5 == 0 {
            spool.sync().unwrap();
        }
    }
    unreachable!("it is killed")
}
