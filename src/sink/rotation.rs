//! Rotation: a file that is full is moved out of the way, and the oldest of those before it goes.
//!
//! `path` becomes `path.1`, that `path.2` and so on.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Mode of a new file: it may hold personal data.
pub(crate) const FILE_MODE: u32 = 0o640;

/// What is to become of full files.
#[derive(Debug)]
pub(crate) struct Rotation {
    path: PathBuf,
    /// How many are kept.
    keep: u32,
}

impl Rotation {
    /// For the file at this path.
    pub(crate) fn new(path: &Path, keep: u32) -> Self {
        Self { path: path.to_owned(), keep }
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
        let is_free = |number: &u32| !std::fs::exists(self.numbered(*number)).unwrap_or(true);
        let free = (1..self.keep).find(is_free).unwrap_or(self.keep);
        for number in (1..free).rev() {
            std::fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        std::fs::rename(&self.path, self.numbered(1))
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
}
