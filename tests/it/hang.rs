//! A disk that hangs, for the tests of the parts and of the whole: who opens a pipe waits for its other end.

use std::fs::{File, OpenOptions};
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A pipe in the place of a file: who opens it waits.
pub(crate) struct Hang(PathBuf);

impl Hang {
    pub(crate) fn at(path: &Path) -> Self {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        Self(path.to_owned())
    }

    /// In the place of a file that is there, which comes back in the end.
    pub(crate) fn instead_of(file: &Path) -> Self {
        std::fs::rename(file, file.with_extension("aside")).unwrap();
        Self::at(file)
    }
}

impl Drop for Hang {
    /// Lets those go on who wait; they find that it is no file, or an empty one.
    fn drop(&mut self) {
        let (aside, pipe) = (self.0.with_extension("aside"), self.0.with_extension("pipe"));
        if aside.exists() {
            // Whoever comes from now on finds the file.
            std::fs::rename(&self.0, &pipe).unwrap();
            std::fs::rename(aside, &self.0).unwrap();
            self.0 = pipe;
        }
        let _both_ends = OpenOptions::new().read(true).write(true).open(&self.0).unwrap();
        // It stays open: somebody may be on the way to write, and would wait for ever.
        let _ = File::open(&self.0).unwrap().into_raw_fd();
    }
}
