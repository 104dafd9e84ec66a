//! The files of a recording: one is written, and those before it are kept as `….1`, `….2` and so on.
//!
//! Each file can be read by itself: it begins with the header, the producers, what AXP said of their
//! measures, and the sessions that are up. Another one begins with each run of the program, at
//! `rotate_bytes`, where the header changes, and after trouble with the disk. Those that were not full
//! count by their bytes, so that some restarts do not push out the days before. What is compressed is
//! flushed with each batch, so that a crash costs no more than what was not handed over yet.
//!
//! Two who write at one path would push each other's files out. So a lock beside it, `….lock`, is held
//! before the first file is begun.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::record::{Entry, Header, Record, Told};
use crate::pipeline::Moment;
use crate::sink::disk::lock;
use crate::sink::rotation::{FILE_MODE, Rotation, is_at};

/// How every gzip file begins ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1)).
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The files of one recording.
#[derive(Debug)]
pub(super) struct Parts {
    path: PathBuf,
    /// Held as long as it is open.
    lock: Option<File>,
    /// 0 is never.
    rotate_bytes: u64,
    rotation: Rotation,
    began: Moment,
    recording: String,
    part: u64,
    header: Option<Header>,
    /// What a file has to begin with.
    context: Vec<Context>,
    file: Option<GzEncoder<File>>,
}

/// What is known of a producer, as lines.
#[derive(Debug, Default)]
struct Context {
    producer: String,
    /// Of the pipeline, of what AXP says of the measures, and of the session that is up.
    lines: [Vec<u8>; 3],
}

impl Parts {
    /// Files at this path; none is made yet.
    pub(super) fn new(path: &Path, rotate_bytes: u64, rotate_keep: u32, began: Moment) -> Self {
        Self {
            path: path.to_owned(),
            lock: None,
            rotate_bytes,
            rotation: Rotation::new(path, rotate_keep).with_room_for(rotate_bytes),
            began,
            recording: format!("{:016x}", rand::random::<u64>()),
            part: 0,
            header: None,
            context: Vec::new(),
            file: None,
        }
    }

    /// Finds out whether files may be written there, without leaving one, and keeps others out.
    ///
    /// # Errors
    /// Where something else is there, another process records, or the folder is of no use.
    pub(super) fn check(&mut self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        match options.open(&self.path) {
            Ok(file) => check_found(file).and_then(|()| self.hold()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                self.hold()?;
                drop(create(&self.path)?);
                std::fs::remove_file(&self.path)
            }
            Err(err) => Err(err),
        }
    }

    /// Takes the lock, unless it is held.
    fn hold(&mut self) -> io::Result<()> {
        if self.lock.is_none() {
            let mut name = self.path.as_os_str().to_owned();
            name.push(".lock");
            self.lock = Some(lock(Path::new(&name), FILE_MODE)?);
        }
        Ok(())
    }

    /// Writes records, of which `missing` more are missing behind them.
    ///
    /// # Errors
    /// What kept some or all of them out of the file.
    pub(super) fn append(&mut self, lines: &[u8], missing: u64, now: Moment) -> io::Result<()> {
        let mut written = self.leave();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let is_header = !Record::is_event(line) && self.note(line);
            if !is_header && written.is_ok() {
                written = self.write(line, now);
            }
        }
        let mut line = Vec::new();
        if missing > 0 {
            Record::new(now, self.began, Entry::Missing(missing)).write(&mut line);
        }
        written = written.and_then(|()| self.write(&line, now));
        written = written.and_then(|()| self.file.as_mut().map_or(Ok(()), GzEncoder::flush));
        if written.is_err() {
            self.file = None;
        }
        written
    }

    /// Writes that the recording ends, and closes the file.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub(super) fn end(&mut self, now: Moment) -> io::Result<()> {
        if self.file.is_some() {
            let mut line = Vec::new();
            Record::new(now, self.began, Entry::End).write(&mut line);
            self.write(&line, now)?;
        }
        self.close()
    }

    /// Takes note of what the next file has to begin with; true if the line is for that alone.
    fn note(&mut self, line: &[u8]) -> bool {
        let Some(record) = std::str::from_utf8(line).ok().and_then(|line| Record::read(line).ok()) else {
            return false;
        };
        let Record { at, unix_ns, entry } = record;
        let (producer, told) = match entry {
            Entry::Header(header) => {
                if self.header.as_ref() != Some(&header) {
                    // What cannot be finished is torn, and read as far as it goes.
                    let _ = self.close();
                    self.header = Some(header);
                }
                return true;
            }
            Entry::Feed { producer, told, .. } => (producer.into_owned(), told),
            Entry::Missing(_) | Entry::End => return false,
        };
        let (place, is_over) = match &told {
            Told::Producer => (0, false),
            Told::Dictionary(_) => (1, false),
            Told::Authenticated => (2, false),
            Told::Lost => (2, true),
            _ => return false,
        };
        let known = self.context.iter().position(|context| context.producer == producer);
        let index = known.unwrap_or_else(|| {
            self.context.push(Context { producer: producer.clone(), ..Context::default() });
            self.context.len() - 1
        });
        if let Some(line) = self.context.get_mut(index).and_then(|context| context.lines.get_mut(place)) {
            line.clear();
            if !is_over {
                let entry = Entry::Feed { producer: Cow::Owned(producer), told, again: true };
                Record { at, unix_ns, entry }.write(line);
            }
        }
        false
    }

    /// Closes a file that is full, or that somebody has moved or deleted; the next record begins another.
    fn leave(&mut self) -> io::Result<()> {
        let Some(file) = self.file.as_ref().map(GzEncoder::get_ref) else { return Ok(()) };
        let is_full = self.rotate_bytes > 0 && file.metadata()?.len() >= self.rotate_bytes;
        if is_full || !is_at(file, &self.path)? { self.close() } else { Ok(()) }
    }

    fn write(&mut self, line: &[u8], now: Moment) -> io::Result<()> {
        if self.file.is_none() {
            self.begin(line, now)?;
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line))
    }

    /// Begins another file, with this record, after that of before has made room.
    fn begin(&mut self, line: &[u8], now: Moment) -> io::Result<()> {
        self.hold()?;
        match std::fs::symlink_metadata(&self.path) {
            // Begun in vain.
            Ok(found) if found.is_file() && found.len() == 0 => std::fs::remove_file(&self.path)?,
            Ok(_) => self.rotation.rotate()?,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
        let mut file = GzEncoder::new(create(&self.path)?, Compression::default());
        let begun = self.write_beginning(&mut file, line, now);
        if begun.is_err() {
            // Else each try would push a recording out.
            drop(file);
            let _ = std::fs::remove_file(&self.path);
            return begun;
        }
        self.part += 1;
        self.file = Some(file);
        Ok(())
    }

    fn write_beginning(&self, file: &mut GzEncoder<File>, line: &[u8], now: Moment) -> io::Result<()> {
        let Some(header) = self.header.clone() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let header = Header { recording: self.recording.clone(), part: self.part + 1, ..header };
        let mut lines = Vec::new();
        // It begins when its first record does, which has waited to be written.
        let first = std::str::from_utf8(line).ok().and_then(|line| Record::read(line).ok());
        let first = first.unwrap_or_else(|| Record::new(now, self.began, Entry::End));
        Record { entry: Entry::Header(header), ..first }.write(&mut lines);
        self.context.iter().for_each(|context| lines.extend_from_slice(&context.lines.concat()));
        file.write_all(&lines)?;
        file.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |file| file.finish().map(drop))
    }
}

/// Whether what is there may make room: a recording, or nothing at all.
fn check_found(mut file: File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mut begin = [0; 2];
    let is_ours = metadata.is_file() && (metadata.len() == 0 || file.read_exact(&mut begin).is_ok());
    if is_ours && (metadata.len() == 0 || begin == GZIP) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a recording is there"))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW).open(path)
}
