//! Rotation: a file that is full is moved out of the way, and the oldest of those before it goes.
//!
//! `path` becomes `path.1`, that `path.2` and so on. So many are kept; of files that are moved before they
//! are full, as many as take no more room.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Mode of a new file: it may hold personal data.
pub(crate) const FILE_MODE: u32 = 0o640;
/// Most files that are kept, however small: each rotation renames them all.
const FILES_MAX: u32 = 1000;

/// What is to become of full files.
#[derive(Debug)]
pub(crate) struct Rotation {
    path: PathBuf,
    /// How many are kept.
    keep: u32,
    /// More of them are kept while all together have no more bytes than this.
    room_bytes: u64,
}

impl Rotation {
    /// For the file at this path.
    pub(crate) fn new(path: &Path, keep: u32) -> Self {
        Self { path: path.to_owned(), keep, room_bytes: 0 }
    }

    /// The same, where files may be moved before they have this size: those that are kept may be more,
    /// as long as they take no more room than full ones.
    pub(crate) fn with_room_for(self, full_bytes: u64) -> Self {
        Self { room_bytes: full_bytes.saturating_mul(self.keep.into()), ..self }
    }

    /// Moves the full file out of the way, and those before it as far as one of them has to make
    /// room: where the last step fails, the next try moves none of them again.
    ///
    /// # Errors
    /// Where the folder does not let us.
    pub(crate) fn rotate(&self) -> io::Result<()> {
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.last()?).rev() {
            std::fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        std::fs::rename(&self.path, self.numbered(1))
    }

    /// The last number that is used: one that is free, or whose file is too many. Files older than that
    /// are removed.
    fn last(&self) -> io::Result<u32> {
        let mut bytes = std::fs::symlink_metadata(&self.path).map_or(0, |found| found.len());
        for number in 1..FILES_MAX {
            match std::fs::symlink_metadata(self.numbered(number)) {
                Ok(found) => bytes += found.len(),
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(number),
                Err(err) => return Err(err),
            }
            if number >= self.keep && bytes > self.room_bytes {
                let is_there = |older: &u32| std::fs::exists(self.numbered(*older)).unwrap_or(false);
                let older: Vec<u32> = (number + 1..=FILES_MAX).take_while(is_there).collect();
                // The oldest first, so that no gap hides what is left where this is cut short.
                older.into_iter().rev().try_for_each(|older| std::fs::remove_file(self.numbered(older)))?;
                return Ok(number);
            }
        }
        Ok(FILES_MAX)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Whether the file is still the one at this path.
///
/// # Errors
/// Where that cannot be found out.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_that_fails_at_the_end_costs_no_history_however_often_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let rotation = Rotation::new(&path, 3);
        for (suffix, text) in [(".1", "3\n"), (".2", "2\n"), (".3", "1\n")] {
            std::fs::write(format!("{}{suffix}", path.display()), text).unwrap();
        }
        // There is nothing at the path, so the last rename fails.
        for _ in 0..5 {
            rotation.rotate().unwrap_err();
        }
        std::fs::write(&path, "4\n").unwrap();
        rotation.rotate().unwrap();
        let read = |number| std::fs::read_to_string(rotation.numbered(number)).unwrap();
        assert_eq!([read(1), read(2), read(3)], ["4\n", "3\n", "2\n"]);
    }
    #[test]
    fn files_that_were_not_full_push_out_none_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let rotation = Rotation::new(&path, 3).with_room_for(10);
        let rotate = |bytes: usize| {
            std::fs::write(&path, vec![b'x'; bytes]).unwrap();
            rotation.rotate().unwrap();
            let length = |number| std::fs::metadata(rotation.numbered(number)).map(|found| found.len());
            (1..).map_while(|number| length(number).ok()).collect::<Vec<_>>()
        };
        // Over the size, as full ones are.
        for _ in 0..5 {
            rotate(11);
        }
        assert_eq!(rotate(11), [11, 11, 11], "as many as are kept");
        assert_eq!(rotate(1), [1, 11, 11]);
        for _ in 0..6 {
            rotate(1);
        }
        assert_eq!(rotate(1), [1, 1, 1, 1, 1, 1, 1, 1, 11, 11], "30 bytes at most");
        assert_eq!(rotate(1), [1, 1, 1, 1, 1, 1, 1, 1, 1, 11], "then the oldest goes");
        rotate(11);
        assert_eq!(rotate(11), [11, 11, 1, 1, 1, 1, 1, 1, 1, 1], "all of them older");
        assert_eq!(rotate(11), [11, 11, 11], "and those before it");
    }
}
