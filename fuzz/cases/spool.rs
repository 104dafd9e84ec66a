//! Any folder as a spool: it opens, and what it gives are the whole records in it, each once over a
//! restart, in order. What that means is said here a second time.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use axp_exporter::sink::influx::Drill;

/// When it is, in milliseconds: long before any file was written, so that none is too old.
const NOW_MS: u64 = 40_000;
/// How long lines may wait: some records are older.
const AGE: Duration = Duration::from_secs(20);
const HEAD_BYTES: usize = 16;
const LINE: &[u8] = b"stem n=1 1\n";

#[derive(Arbitrary, Debug)]
enum Piece {
    /// A file's head: what it begins with, and the position.
    Head(u16),
    /// Lines, when they came, and which byte of the record is not as it was.
    Record(Vec<u8>, u16, Option<(u8, u8)>),
    Bytes(Vec<u8>),
}

impl Piece {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Head(position) => {
                out.extend_from_slice(b"axpspl01");
                out.extend_from_slice(&u64::from(*position).to_le_bytes());
            }
            Self::Record(lines, time, damage) => {
                let begin = out.len();
                let lines = [lines, &b"\n"[..]].concat();
                let behind = [&u64::from(*time).to_le_bytes()[..], &lines].concat();
                out.extend_from_slice(&u32::try_from(lines.len()).expect("few bytes").to_le_bytes());
                out.extend_from_slice(&crc32c(&behind).to_le_bytes());
                out.extend_from_slice(&behind);
                if let Some((at, bits)) = damage {
                    let length = out.len() - begin;
                    out[begin + usize::from(*at) % length] ^= bits;
                }
            }
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// What a file of the folder is called.
#[derive(Arbitrary, Debug)]
enum Name {
    Numbered(u8),
    Aside(u8),
    /// As one of ours is, but a folder.
    Folder(u8),
    TooLarge,
    Foreign,
}

#[derive(Arbitrary, Debug)]
struct Input {
    /// How much is taken before the restart.
    first_takes: u8,
    /// Whether there is little room.
    is_narrow: bool,
    files: Vec<(Name, Vec<Piece>)>,
}

/// Fills a folder, and spools in it.
pub(crate) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let Input { first_takes, is_narrow, files } = input;
    let folder = tempfile::tempdir().expect("a folder");
    let mut ours: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (name, pieces) in files {
        let mut bytes = Vec::new();
        for piece in &pieces {
            piece.write(&mut bytes);
        }
        let write = |name: String| std::fs::write(folder.path().join(name), &bytes).is_ok();
        match name {
            Name::Numbered(number) => {
                if write(format!("{number:016}.spool")) {
                    ours.insert(number, bytes);
                }
            }
            Name::Aside(number) => drop(write(format!("{number:016}.spool.aside"))),
            Name::Folder(number) => {
                let _ = std::fs::create_dir(folder.path().join(format!("{number:016}.spool")));
            }
            Name::TooLarge => drop(write(format!("{}.spool", "9".repeat(16)))),
            Name::Foreign => drop(write("notes.spool".to_owned())),
        }
    }
    let bytes_max = if is_narrow { 512 } else { 1 << 20 };
    let mut given = Vec::new();
    let mut drill = open(folder.path(), bytes_max);
    drill.append(LINE, NOW_MS).expect("room for a line");
    assert!(drill.bytes() <= bytes_max.max(ours.values().map(|file| file.len() as u64).sum()));
    assert!(!is_narrow || drill.bytes() <= bytes_max, "the oldest make room");
    for _ in 0..first_takes % 8 {
        take(&mut drill, &mut given);
    }
    drop(drill);
    let mut drill = open(folder.path(), bytes_max);
    while take(&mut drill, &mut given) {}
    assert_eq!(drill.bytes(), 0, "nothing is left");
    let expected: Vec<Vec<u8>> = ours.values().map(|bytes| lines_in(bytes)).collect();
    // Where room had to be made, whole files went, the oldest first.
    let tails = (0..=expected.len()).map(|first| [expected[first..].concat(), LINE.to_vec()].concat());
    let mut allowed = tails.take(if is_narrow { usize::MAX } else { 1 });
    assert!(allowed.any(|lines| lines == given), "{expected:?} and a line, not {given:?}");
}

/// Opens the spool; a process that is being started beside us may still have inherited its lock.
fn open(folder: &Path, bytes_max: u64) -> Drill {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Drill::open(folder, bytes_max, AGE) {
            Err(err) if err.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::yield_now();
            }
            opened => return opened.expect("no folder keeps a spool from opening"),
        }
    }
}

/// Takes some lines; false where there are none.
fn take(drill: &mut Drill, given: &mut Vec<u8>) -> bool {
    let Some(lines) = drill.take(32, NOW_MS).expect("files that can be read") else { return false };
    assert_eq!(lines.last(), Some(&b'\n'), "whole lines");
    given.extend_from_slice(&lines);
    true
}

/// The lines of a file's whole records that are not too old, from its position on.
fn lines_in(file: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let Some((head, _)) = file.split_at_checked(HEAD_BYTES) else { return lines };
    let Some(position) = head.strip_prefix(b"axpspl01") else { return lines };
    let position = u64::from_le_bytes(position.try_into().expect("eight bytes"));
    let position = usize::try_from(position).ok().filter(|at| (HEAD_BYTES..=file.len()).contains(at));
    let mut rest = &file[position.unwrap_or(HEAD_BYTES)..];
    while let Some((head, behind)) = rest.split_at_checked(HEAD_BYTES) {
        let number = |from: usize| u32::from_le_bytes(head[from..from + 4].try_into().expect("four bytes"));
        let length = number(0) as usize;
        if length == 0 || length > behind.len() {
            break;
        }
        let record = &behind[..length];
        let time = u64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
        let is_whole = crc32c(&[&head[8..], record].concat()) == number(4) && record.ends_with(b"\n");
        if is_whole && time >= NOW_MS - 20_000 {
            lines.extend_from_slice(record);
        }
        rest = &behind[length..];
    }
    lines
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}
