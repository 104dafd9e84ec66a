//! The folder of a spool: its lock, what is found in it at the start, and what others remove.
//!
//! Who removes files from it has removed the lines in them: these are counted as lost. Whether a
//! file that is not there was removed, or is away with its disk, the lock says: a lock that is open
//! and has no name any more was removed.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::segment::{self, Segment};
use super::{ASIDE, Spool, is_passing};
use crate::sink::disk::lock;

/// Mode of the folder.
const FOLDER_MODE: u32 = 0o750;
/// The file that is locked.
const LOCK: &str = "lock";
/// Its mode.
const LOCK_MODE: u32 = 0o600;

/// Beyond this a number is none of ours: it would leave too little room for those after it.
const NUMBER_MAX: u64 = 1_000_000_000_000_000;

impl Spool {
    /// Opens the folder, made if need be. Until this went well there is nothing to be used; after
    /// that it does nothing.
    ///
    /// # Errors
    /// Where it cannot be used, or another process uses it.
    pub(in crate::sink::influx) fn open(&mut self, unix_ms: u64) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.folder)?;
        let lock = lock(&self.folder.join(LOCK), LOCK_MODE)?;
        self.segments = self.find_segments()?;
        self.lock = Some(lock);
        self.expire_aside(unix_ms);
        Ok(())
    }

    /// Knows of a file that was set aside.
    pub(super) fn note_aside(&mut self, path: PathBuf) {
        if let Ok(metadata) = std::fs::symlink_metadata(&path) {
            self.aside.push((path, touched_ms(&metadata)));
        }
    }

    fn find_segments(&mut self) -> io::Result<VecDeque<Segment>> {
        let mut found = Vec::new();
        self.aside.clear();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((number, rest)) = name.to_str().and_then(|name| name.split_at_checked(16)) else {
                continue;
            };
            let number = number.parse::<u64>().ok().filter(|number| *number < NUMBER_MAX);
            let Some(number) = number else { continue };
            // One that was set aside keeps its number, too.
            self.next_number = self.next_number.max(number.saturating_add(1));
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            if rest == segment::SUFFIX {
                found.push((number, entry.path()));
            } else if rest.strip_prefix(segment::SUFFIX) == Some(ASIDE) {
                self.note_aside(entry.path());
            }
        }
        found.sort_unstable();
        let mut segments = VecDeque::new();
        for (number, path) in found {
            match Segment::open(&path, number) {
                Ok(Some(segment)) => segments.push_back(segment),
                // A crash came between making it and writing its head.
                Ok(None) if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) => {
                    let _ = std::fs::remove_file(&path);
                }
                Ok(None) => self.set_aside(&path, "it is none of this version"),
                // Whatever it is, it says nothing of the folder.
                Err(err) if is_passing(&err) => return Err(io::Error::other(err)),
                Err(err) => self.set_aside(&path, &err.to_string()),
            }
        }
        Ok(segments)
    }

    /// Counts what was in files that somebody has removed, and locks the folder again if its lock
    /// is among them.
    ///
    /// # Errors
    /// Where the folder is gone, or another process uses it by now.
    pub(super) fn notice_removals(&mut self) -> io::Result<()> {
        let is_lock_gone = self.lock.as_ref().is_some_and(is_removed);
        // That only the one was removed to which lines are appended is as likely.
        if !is_lock_gone && !self.segments.back().is_some_and(Segment::is_removed) {
            return Ok(());
        }
        let (held, lines_lost) = (self.held, &self.losses.lines);
        self.segments.retain(|segment| {
            let is_gone = segment.is_removed() || is_lock_gone && segment.is_not_there();
            if is_gone {
                // Of what was given out somebody knows what becomes of it.
                let given =
                    held.filter(|(number, _)| *number == segment.number).map_or(0, |(_, lines)| lines);
                lines_lost.inc_by(segment.lost_lines().saturating_sub(given));
            }
            !is_gone
        });
        if is_lock_gone {
            self.lock = Some(lock(&self.folder.join(LOCK), LOCK_MODE)?);
        }
        Ok(())
    }
}

/// Whether the folder is gone, as when a disk is: then a file that is not there is no loss.
pub(super) fn is_away(folder: &Path) -> bool {
    !folder.join(LOCK).exists()
}

/// When a file was written to last, milliseconds since the epoch.
pub(super) fn touched_ms(metadata: &Metadata) -> u64 {
    let touched = metadata.modified().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(touched.as_millis()).unwrap_or(u64::MAX)
}

/// Whether an open file has no name any more.
pub(super) fn is_removed(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}
