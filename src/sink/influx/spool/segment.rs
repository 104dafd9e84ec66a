//! A segment: one file of a spool, records behind a head.
//!
//! The head says what the file is and how far it has been read:
//! `"axpspl01", position as u64 little-endian`. The position is written in place as lines are
//! delivered, without a flush to the disk: a crash may set it back, and lines are delivered
//! twice, never left out. Who writes records is the spool; who reads them starts at the position.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::record::{self, Record};
use crate::sink::influx::load::count_lines;

/// What a file begins with; the last two digits are the version.
const MAGIC: [u8; 8] = *b"axpspl01";
/// Bytes of the head: what it begins with, and the position.
pub(super) const HEAD_BYTES: u64 = 16;
/// Mode of a file: it may hold personal data.
const FILE_MODE: u32 = 0o640;
/// What follows the number in a file's name.
pub(super) const SUFFIX: &str = ".spool";

/// One file of a spool.
#[derive(Debug)]
pub(super) struct Segment {
    /// Its place among the others.
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// Bytes of whole records, the head included.
    pub(super) bytes: u64,
    /// Where to read on.
    position: u64,
    /// When lines were put in last, milliseconds since the epoch; not before the truth.
    pub(super) touched_ms: u64,
    /// To append to, and to flush to the disk; none once all of it is there.
    file: Option<File>,
    /// Whether more records may be appended.
    is_open: bool,
}

/// What one reading gave.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Whole lines; empty at the end of the segment, and before what cannot be read now.
    pub(super) lines: Vec<u8>,
    /// The position after them.
    pub(super) end: u64,
    /// Lines before them that were too old or damaged; the position is behind these already.
    pub(super) dropped: u64,
    /// Bytes that cannot be read any more.
    pub(super) unreadable: u64,
    /// Lines among them, one at least if there are any bytes.
    pub(super) unreadable_lines: u64,
}

impl Segment {
    /// A new file, to append records to.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = folder.join(format!("{number:016}{SUFFIX}"));
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(FILE_MODE)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&HEAD_BYTES.to_le_bytes());
        if let Err(err) = file.write_all(&head) {
            let _ = std::fs::remove_file(&path);
            return Err(err);
        }
        let (bytes, position) = (HEAD_BYTES, HEAD_BYTES);
        Ok(Self { number, path, bytes, position, touched_ms: 0, file: Some(file), is_open: true })
    }

    /// A file that was there before; none where it is not one of this version.
    pub(super) fn open(path: &Path, number: u64) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() < HEAD_BYTES {
            return Ok(None);
        }
        let mut head = [0; MAGIC.len() + size_of::<u64>()];
        file.read_exact(&mut head)?;
        let [m0, m1, m2, m3, m4, m5, m6, m7, position @ ..] = head;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Ok(None);
        }
        let position = u64::from_le_bytes(position);
        // A position that is none: better twice than not at all.
        let position = if (HEAD_BYTES..=metadata.len()).contains(&position) { position } else { HEAD_BYTES };
        let touched = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let touched_ms = u64::try_from(touched.as_millis()).unwrap_or(u64::MAX);
        let (path, bytes) = (path.to_owned(), metadata.len());
        Ok(Some(Self { number, path, bytes, position, touched_ms, file: None, is_open: false }))
    }

    /// Whether records may be appended.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Nothing more is appended.
    pub(super) const fn close(&mut self) {
        self.is_open = false;
    }

    /// Appends records, all or none of them; closes where the disk says no.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn append(&mut self, records: &[u8], unix_ms: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(err) = file.write_all(records) {
            // What was written of them would be read as damage.
            let _ = file.set_len(self.bytes);
            self.is_open = false;
            return Err(err);
        }
        self.bytes += records.len() as u64;
        self.touched_ms = unix_ms;
        Ok(())
    }

    /// Flushes to the disk what was appended.
    ///
    /// # Errors
    /// Where the disk says no.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        if !self.is_open {
            self.file = None;
        }
        Ok(())
    }

    /// Whether all of it has been read.
    pub(super) const fn is_read(&self) -> bool {
        self.position >= self.bytes
    }

    /// Lines from the position on, `bytes_max` and at most one record more; older ones than
    /// `oldest_ms` are passed over.
    pub(super) fn read(&mut self, bytes_max: usize, oldest_ms: u64) -> io::Result<Stretch> {
        let begin = self.position;
        let mut stretch = Stretch { end: begin, ..Stretch::default() };
        if self.is_read() {
            return Ok(stretch);
        }
        let mut file = BufReader::new(self.reader()?);
        while stretch.lines.len() < bytes_max && stretch.end < self.bytes {
            let left = self.bytes - stretch.end;
            let record = match record::read(&mut file, left) {
                // What came before it counts; the next reading begins with it.
                Err(_) if stretch.end > begin => break,
                record => record?,
            };
            let (length, dropped) = match record {
                Record::Lines(lines, unix_ms) if unix_ms >= oldest_ms => {
                    stretch.lines.extend_from_slice(&lines);
                    stretch.end += (record::HEAD_BYTES + lines.len()) as u64;
                    continue;
                }
                // What has to be dropped is looked at when everything before it is delivered.
                _ if !stretch.lines.is_empty() => break,
                Record::Lines(lines, _) => (record::HEAD_BYTES + lines.len(), count_lines(&lines)),
                Record::Damaged(bytes) => (record::HEAD_BYTES + bytes.len(), count_lines(&bytes).max(1)),
                Record::End => {
                    stretch.unreadable = left;
                    stretch.unreadable_lines = self.lines_from(stretch.end);
                    stretch.end = self.bytes;
                    break;
                }
            };
            stretch.end += length as u64;
            stretch.dropped += dropped;
            self.position = stretch.end;
        }
        if stretch.lines.is_empty() {
            self.note_read(stretch.end);
        }
        Ok(stretch)
    }

    /// Everything before this position is settled.
    pub(super) fn note_read(&mut self, position: u64) {
        self.position = position;
        // Where this fails, a restart delivers lines twice.
        let _ = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&self.path)
            .and_then(|file| file.write_all_at(&position.to_le_bytes(), MAGIC.len() as u64));
    }

    /// How many lines have not been read; what is no record is counted as it lies.
    ///
    /// # Errors
    /// Where nothing can be read now.
    pub(super) fn unread_lines(&self) -> io::Result<u64> {
        let (mut lines, mut at) = (0, self.position);
        let mut file = match self.reader() {
            Ok(file) => BufReader::new(file),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(1),
            Err(err) => return Err(err),
        };
        while at < self.bytes {
            match record::read(&mut file, self.bytes - at) {
                Ok(Record::Lines(bytes, _) | Record::Damaged(bytes)) => {
                    lines += count_lines(&bytes).max(1);
                    at += (record::HEAD_BYTES + bytes.len()) as u64;
                }
                Ok(Record::End) | Err(_) => {
                    lines += self.lines_from(at);
                    break;
                }
            }
        }
        Ok(lines)
    }

    /// How many lines come after what was read, as they lie; one at least.
    pub(super) fn lines_from_here(&self) -> u64 {
        self.lines_from(self.position)
    }

    fn lines_from(&self, position: u64) -> u64 {
        let mut lines = 0;
        let Ok(mut file) = self.reader_at(position) else { return 1 };
        let mut block = [0; 8192];
        while let Some(read) = file.read(&mut block).ok().filter(|read| *read > 0) {
            lines += count_lines(block.get(..read).unwrap_or_default());
        }
        lines.max(1)
    }

    /// Deletes the file.
    ///
    /// # Errors
    /// Where it is there still.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
            _ => Ok(()),
        }
    }

    /// Puts another file in the place of the one to append to, as if a disk failed.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, path: &Path, write: bool) {
        self.file = Some(OpenOptions::new().read(true).append(write).open(path).unwrap());
    }

    /// Whether a file is open.
    #[cfg(test)]
    pub(super) const fn has_file(&self) -> bool {
        self.file.is_some()
    }

    fn reader(&self) -> io::Result<File> {
        self.reader_at(self.position)
    }

    fn reader_at(&self, position: u64) -> io::Result<File> {
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&self.path)?;
        file.seek(SeekFrom::Start(position))?;
        Ok(file)
    }
}
