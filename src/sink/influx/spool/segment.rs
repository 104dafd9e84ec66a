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
use std::sync::Arc;

use super::folder;
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
    /// To append to, and to flush to the disk; none once all of it is there, or never will be.
    file: Option<Arc<File>>,
    /// Whether more records may be appended.
    is_open: bool,
    /// Whether a flush has failed.
    pub(super) is_doubtful: bool,
    /// Lines that were appended and not settled. Of a file that was there before they are not known.
    lines: u64,
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
        let mut segment = Self::at(path, number, HEAD_BYTES, HEAD_BYTES, 0);
        (segment.file, segment.is_open) = (Some(Arc::new(file)), true);
        Ok(segment)
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
        let touched_ms = folder::touched_ms(&metadata);
        Ok(Some(Self::at(path.to_owned(), number, metadata.len(), position, touched_ms)))
    }

    const fn at(path: PathBuf, number: u64, bytes: u64, position: u64, touched_ms: u64) -> Self {
        let (file, is_open, is_doubtful, lines) = (None, false, false, 0);
        Self { number, path, bytes, position, touched_ms, file, is_open, is_doubtful, lines }
    }

    /// Whether records may be appended.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Nothing more is appended.
    pub(super) const fn close(&mut self) {
        self.is_open = false;
    }

    /// Appends records of so many lines, all or none of them; closes where the disk says no.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn append(&mut self, records: &[u8], lines: u64, unix_ms: u64) -> io::Result<()> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotFound.into()) };
        if let Err(err) = (&**file).write_all(records) {
            // What was written of them would be read as damage.
            let _ = file.set_len(self.bytes);
            self.is_open = false;
            return Err(err);
        }
        self.bytes += records.len() as u64;
        self.lines += lines;
        self.touched_ms = unix_ms;
        Ok(())
    }

    /// The file, where it is to be flushed to the disk.
    pub(super) fn unflushed(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    /// So many bytes of it were flushed, or could not be.
    pub(super) fn note_flushed(&mut self, bytes: u64, is_flushed: bool) {
        if !is_flushed {
            self.is_doubtful = true;
            self.is_open = false;
        }
        if self.is_doubtful || !self.is_open && self.bytes == bytes {
            self.file = None;
        }
    }

    /// Whether it was removed while it was open.
    pub(super) fn is_removed(&self) -> bool {
        self.file.as_deref().is_some_and(folder::is_removed)
    }

    /// Whether nothing lies where it was.
    pub(super) fn is_not_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_err_and(|err| err.kind() == io::ErrorKind::NotFound)
    }

    /// How many lines it would cost if nothing could be read any more, as far as is known.
    pub(super) fn lost_lines(&self) -> u64 {
        if self.is_read() { 0 } else { self.lines.max(1) }
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
            self.lines = self.lines.saturating_sub(dropped);
        }
        if stretch.lines.is_empty() {
            self.settle(stretch.end, 0);
        }
        Ok(stretch)
    }

    /// Everything before this position is settled, so many lines more than before.
    pub(super) fn settle(&mut self, position: u64, lines: u64) {
        self.position = position;
        self.lines = self.lines.saturating_sub(lines);
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
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(self.lost_lines()),
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
        let Ok(mut file) = self.reader_at(position) else { return self.lost_lines() };
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
        let file = OpenOptions::new().read(true).append(write).open(path).unwrap();
        self.file = Some(Arc::new(file));
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
