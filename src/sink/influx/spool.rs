//! The spool: a folder where lines wait for a target that is away.
//!
//! Lines go into numbered files ([`segment`]) as records with a checksum ([`record`]) and come
//! out in the order in which they went in. The folder holds at most so many bytes, and lines
//! wait at most so long: then the oldest go, whole files first, and are counted.
//!
//! A start reads the head of each file and no more, so that it takes the same time whatever the
//! spool holds; each run begins a file of its own. A damaged record costs itself; what cannot be
//! read behind one, a file of another version and one that is none of ours under one of our
//! names are renamed to `….aside`, counted and left to people, for as long as lines may wait. Other
//! files are not touched. A disk that says no costs nothing: what it does not give now is asked for
//! again, from the start on. One process at a time uses a folder, which a lock makes sure of
//! ([`folder`]).
//!
//! Nothing here waits for anything but the disk; callers keep it off the threads that others
//! need, and see to it that lines are flushed ([`flush`]) which have to survive more than the end of
//! the process.

#[cfg(any(test, fuzzing))]
pub(super) mod drill;
mod flush;
mod folder;
mod record;
mod segment;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::warn;

pub(super) use flush::Unflushed;
use segment::Segment;

use super::load::count_lines;

/// Files into which the room is divided: the oldest goes whole.
const SEGMENTS: u64 = 8;
/// What follows the name of a file that was set aside.
const ASIDE: &str = ".aside";
/// Most bytes of a file.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;

/// A folder of waiting lines.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    bytes_max: u64,
    age_max: Duration,
    losses: Losses,
    /// Held as long as we live; none until the folder is open.
    lock: Option<File>,
    /// Oldest first; new lines go to the last, if it is open.
    segments: VecDeque<Segment>,
    next_number: u64,
    /// Files that were set aside, and when they were written to last, milliseconds since the epoch.
    aside: Vec<(PathBuf, u64)>,
    /// The segment out of which lines were given that are not settled, and how many: it does not
    /// make room.
    held: Option<(u64, u64)>,
    /// How often lines were put in, and how often they had been when all was on the disk last.
    appends: u64,
    flushed: u64,
}

/// Counts what does not come out again.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    /// Lines that were too old or too many, or damaged.
    pub(super) lines: Counter,
    /// Files that were set aside. Those found at the start are not read, so of them it is all that
    /// is known.
    pub(super) files: Counter,
}

/// Lines out of a spool, and where they were.
#[derive(Debug)]
pub(super) struct Found {
    /// Whole lines.
    pub(super) lines: Vec<u8>,
    /// How many.
    count: u64,
    number: u64,
    end: u64,
}

impl Spool {
    /// A spool in this folder; nothing is opened yet.
    pub(super) fn new(folder: &Path, bytes_max: u64, age_max: Duration, losses: Losses) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes_max,
            age_max,
            losses,
            lock: None,
            segments: VecDeque::new(),
            next_number: 1,
            aside: Vec::new(),
            held: None,
            appends: 0,
            flushed: 0,
        }
    }

    /// Renames a file so that no spool looks at it again.
    fn set_aside(&mut self, path: &Path, cause: &str) {
        let mut name = path.as_os_str().to_owned();
        name.push(ASIDE);
        // Where this fails, the next start finds the file again.
        if std::fs::rename(path, &name).is_ok() {
            warn!(path = %path.display(), cause, "a file in the spool cannot be used and is set aside");
            self.losses.files.inc();
            self.note_aside(name.into());
        }
    }

    /// Removes what was set aside and was written to last longer ago than lines may wait.
    fn expire_aside(&mut self, unix_ms: u64) {
        let oldest_ms = unix_ms.saturating_sub(self.age_max_ms());
        self.aside.retain(|(path, touched_ms)| {
            *touched_ms >= oldest_ms
                || std::fs::remove_file(path).is_err_and(|err| err.kind() != io::ErrorKind::NotFound)
        });
    }

    /// The most bytes of lines that [`Self::append`] should be given at once.
    pub(super) fn piece_bytes(bytes_max: u64) -> usize {
        usize::try_from(segment_bytes(bytes_max) / 2).unwrap_or(usize::MAX)
    }

    /// Puts lines in, all or none of them. Older ones may have to go for them, and have gone also
    /// where the lines cannot be written.
    ///
    /// # Errors
    /// Why they cannot be written.
    pub(super) fn append(&mut self, lines: &[u8], unix_ms: u64) -> io::Result<()> {
        self.notice_removals()?;
        let records = record::encode_all(lines, unix_ms);
        let needed = records.len() as u64;
        if needed + segment::HEAD_BYTES > self.bytes_max {
            self.losses.lines.inc_by(count_lines(lines));
            return Ok(());
        }
        // A file that cannot be removed is no reason to refuse new lines.
        let _ = self.expire(unix_ms);
        let is_full = |segment: &&mut Segment| segment.bytes + needed > segment_bytes(self.bytes_max);
        if let Some(full) = self.segments.back_mut().filter(is_full) {
            full.close();
        }
        let head = if self.segments.back().is_some_and(Segment::is_open) { 0 } else { segment::HEAD_BYTES };
        while self.bytes() + head + needed > self.bytes_max && self.drop_oldest(|_| true)? {}
        self.appends += 1;
        self.prepare()?;
        let Some(last) = self.segments.back_mut() else { return Ok(()) };
        let appended = last.append(&records, count_lines(lines), unix_ms);
        if appended.is_err() && last.bytes == segment::HEAD_BYTES {
            let _ = last.remove();
            self.segments.pop_back();
        }
        appended
    }

    /// Makes sure that there is a segment to append to.
    ///
    /// # Errors
    /// Where the disk says no.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if !self.segments.back().is_some_and(Segment::is_open) {
            self.segments.push_back(Segment::create(&self.folder, self.next_number)?);
            self.next_number += 1;
        }
        Ok(())
    }

    /// The oldest lines that the disk gives, about `bytes_max` of them; `None` where there are no
    /// more. They stay until [`Self::settle`]. Those before them that were too old or damaged are
    /// gone, also where the disk does not give the others.
    ///
    /// # Errors
    /// Why the disk gives none of those that there are now.
    pub(super) fn read(&mut self, bytes_max: usize, unix_ms: u64) -> io::Result<Option<Found>> {
        self.notice_removals()?;
        // A file that cannot be removed is no reason to deliver nothing: its lines are passed over.
        let _ = self.expire(unix_ms);
        let oldest_ms = unix_ms.saturating_sub(self.age_max_ms());
        let (mut at, mut failed) = (0, Ok(None));
        while let Some(segment) = self.segments.get_mut(at) {
            let removed = match segment.read(bytes_max, oldest_ms) {
                Ok(stretch) => {
                    self.losses.lines.inc_by(stretch.dropped + stretch.unreadable_lines);
                    if !stretch.lines.is_empty() {
                        let (lines, number, end) = (stretch.lines, segment.number, stretch.end);
                        let count = count_lines(&lines);
                        self.held = Some((number, count));
                        return Ok(Some(Found { lines, count, number, end }));
                    }
                    if !segment.is_read() {
                        // What ended it comes first in the next reading.
                        continue;
                    }
                    // Less than a record is what a crash leaves of one.
                    if stretch.unreadable > record::LINES_BYTES as u64 {
                        self.set_aside_at(at, "its rest cannot be read");
                        Ok(())
                    } else {
                        segment.remove()
                    }
                }
                Err(err) if is_passing(&err) || folder::is_away(&self.folder) => Err(err),
                Err(err) => {
                    self.losses.lines.inc_by(segment.lines_from_here());
                    self.set_aside_at(at, &err.to_string());
                    Ok(())
                }
            };
            match removed {
                Ok(()) => drop(self.segments.remove(at)),
                // The lines behind it do not wait for it.
                Err(err) => {
                    failed = failed.and(Err(err));
                    at += 1;
                }
            }
        }
        failed
    }

    fn set_aside_at(&mut self, at: usize, cause: &str) {
        if let Some(path) = self.segments.get(at).map(|segment| segment.path.clone()) {
            self.set_aside(&path, cause);
        }
    }

    /// What was found will be looked for again, and is lost where its file is.
    pub(super) fn release(&mut self, found: &Found) {
        self.held = None;
        if !self.segments.iter().any(|segment| segment.number == found.number) {
            self.losses.lines.inc_by(found.count);
        }
    }

    /// What was found need not be kept any longer.
    pub(super) fn settle(&mut self, found: &Found) {
        self.held = None;
        let at = self.segments.iter().position(|segment| segment.number == found.number);
        let Some((at, segment)) = at.and_then(|at| Some((at, self.segments.get_mut(at)?))) else { return };
        segment.settle(found.end, found.count);
        // One that cannot be removed now is when it is read next.
        if segment.is_read() && segment.remove().is_ok() {
            self.segments.remove(at);
        }
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Removes the files in which every line is too old.
    fn expire(&mut self, unix_ms: u64) -> io::Result<()> {
        self.expire_aside(unix_ms);
        let oldest_ms = unix_ms.saturating_sub(self.age_max_ms());
        while self.drop_oldest(|segment| segment.touched_ms < oldest_ms)? {}
        Ok(())
    }

    /// Removes the oldest segment that is not held, to which `may_go` says yes, and that can be looked
    /// into and removed; false where there is none.
    ///
    /// # Errors
    /// Where the disk lets none of those go.
    fn drop_oldest(&mut self, may_go: impl Fn(&Segment) -> bool) -> io::Result<bool> {
        let mut outcome = Ok(false);
        for (at, segment) in self.segments.iter().enumerate() {
            if self.held.is_some_and(|(held, _)| held == segment.number) || !may_go(segment) {
                continue;
            }
            match segment.unread_lines().and_then(|lines| segment.remove().map(|()| lines)) {
                Ok(lines) => {
                    self.segments.remove(at);
                    self.losses.lines.inc_by(lines);
                    return Ok(true);
                }
                Err(err) => outcome = outcome.and(Err(err)),
            }
        }
        outcome
    }

    fn age_max_ms(&self) -> u64 {
        u64::try_from(self.age_max.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whether the next try may go well: too many open files, a disk that is away. What is gone, not
/// ours to read or too short stays so.
fn is_passing(err: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, UnexpectedEof};
    !matches!(err.kind(), NotFound | PermissionDenied | UnexpectedEof)
}

fn segment_bytes(bytes_max: u64) -> u64 {
    (bytes_max / SEGMENTS).min(SEGMENT_BYTES_MAX)
}

#[cfg(test)]
mod tests;
