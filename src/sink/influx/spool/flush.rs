//! A flush: what is in the spool is made to survive a crash of the machine.
//!
//! A disk may take long to say that it has something, so this is done beside the spool, which is
//! used meanwhile: it names the files ([`Spool::unflushed`]), they are flushed, and it hears how that
//! went ([`Spool::note_flushed`]).
//!
//! A flush that fails is not made good by the next: the system forgets what it could not write
//! ([fsync(2)](https://man7.org/linux/man-pages/man2/fsync.2.html#NOTES)). So lines in such a file
//! are in doubt, and are said to be, until they are delivered; no others are added to them.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Spool;

/// What is to be flushed.
#[derive(Debug)]
pub(in crate::sink::influx) struct Unflushed {
    folder: PathBuf,
    /// The numbers of segments, how long they are, and their files.
    files: Vec<(u64, u64, Arc<File>)>,
    appends: u64,
}

/// How a flush went.
#[derive(Debug)]
pub(in crate::sink::influx) struct Flushed {
    /// The numbers of segments, how long they were, and what the disk said.
    files: Vec<(u64, u64, io::Result<()>)>,
    folder: io::Result<()>,
    appends: u64,
}

impl Unflushed {
    /// Flushes it, as far as the disk lets it.
    pub(in crate::sink::influx) fn flush(self) -> Flushed {
        let files = self.files.into_iter();
        let files = files.map(|(number, bytes, file)| (number, bytes, file.sync_data())).collect();
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Flushed { files, folder, appends: self.appends }
    }
}

impl Spool {
    /// What is not on the disk for sure; none where all of it is, or nothing can be done about it.
    pub(in crate::sink::influx) fn unflushed(&self) -> Option<Unflushed> {
        if self.flushed == self.appends {
            return None;
        }
        let files = self
            .segments
            .iter()
            .filter_map(|segment| Some((segment.number, segment.bytes, segment.unflushed()?)));
        Some(Unflushed { folder: self.folder.clone(), files: files.collect(), appends: self.appends })
    }

    /// Hears how that went, if it was done.
    ///
    /// # Errors
    /// Where lines that are here still would not survive.
    pub(in crate::sink::influx) fn note_flushed(&mut self, flushed: Option<Flushed>) -> io::Result<()> {
        if let Some(Flushed { files, mut folder, appends }) = flushed {
            for (number, bytes, outcome) in files {
                let segment = self.segments.iter_mut().find(|segment| segment.number == number);
                if let Some(segment) = segment {
                    segment.note_flushed(bytes, outcome.is_ok());
                    folder = folder.and(outcome);
                }
            }
            folder?;
            self.flushed = appends;
        }
        if self.segments.iter().any(|segment| segment.is_doubtful) {
            return Err(io::Error::other("it failed before, and lines may not be there"));
        }
        Ok(())
    }

    /// Whether all of it would survive a crash of the machine.
    #[cfg(test)]
    pub(in crate::sink::influx) fn is_flushed(&self) -> bool {
        self.flushed == self.appends && !self.segments.iter().any(|segment| segment.is_doubtful)
    }

    /// Flushes all of it.
    #[cfg(test)]
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let flushed = self.unflushed().map(Unflushed::flush);
        self.note_flushed(flushed)
    }
}
