//! A drill: a spool in the hands of the fuzz target, which is another crate. It is no part of the
//! program.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Losses, Spool};

/// A spool whose lines are settled as they are taken.
#[derive(Debug)]
pub struct Drill(Spool);

impl Drill {
    /// Opens the folder, as a start does.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open(folder: &Path, bytes_max: u64, age_max: Duration) -> io::Result<Self> {
        let mut spool = Spool::new(folder, bytes_max, age_max, Losses::default());
        spool.open(0)?;
        Ok(Self(spool))
    }

    /// Puts lines in.
    ///
    /// # Errors
    /// As [`Spool::append`].
    pub fn append(&mut self, lines: &[u8], unix_ms: u64) -> io::Result<()> {
        self.0.append(lines, unix_ms)
    }

    /// Takes the oldest lines, about `bytes_max` of them; none where there are no more.
    ///
    /// # Errors
    /// As [`Spool::read`].
    pub fn take(&mut self, bytes_max: usize, unix_ms: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.0.read(bytes_max, unix_ms)?;
        if let Some(found) = &found {
            self.0.settle(found);
        }
        Ok(found.map(|found| found.lines))
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}
