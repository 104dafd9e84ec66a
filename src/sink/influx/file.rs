//! A file that lines are appended to.
//!
//! It holds whole lines only: what a write that failed left of a line is cut off, as is what a
//! crash left when the file is opened again. It is new at `rotate_bytes`: the full one becomes
//! `….1`, that `….2` and so on, and what is beyond `rotate_keep` is deleted. One that somebody
//! else moved or deleted is made anew with the next lines; one that somebody else emptied is
//! gone on with. No link is followed in its place, and only a regular file will do.
//!
//! Lines that nobody waited for to be written, since the disk took too long, are elsewhere by the
//! time they are: they are cut off again ([`Heard`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::load::last_line_end;
use crate::sink::rotation::{FILE_MODE, Rotation, is_at};

/// How much is read at once to find where the last whole line ends.
const LOOK_BYTES: usize = 64 << 10;
/// How it is opened: no link is followed, and nobody waited for.
const FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// A file that grows by lines.
#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    /// 0 is never.
    rotate_bytes: u64,
    rotation: Rotation,
    /// None until it is used again.
    file: Option<File>,
    last: Option<Appended>,
}

/// What was appended last.
#[derive(Debug)]
struct Appended {
    heard: Heard,
    /// How long the file was before, and after.
    before: u64,
    after: u64,
}

/// Whether somebody has heard what came of an append. Where nobody has when the file is used next,
/// the lines are taken back.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Somebody has.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl LineFile {
    /// A file at this path; it is not opened yet.
    pub(super) fn new(path: &Path, rotate_bytes: u64, rotate_keep: u32) -> Self {
        let rotation = Rotation::new(path, rotate_keep);
        Self { path: path.to_owned(), rotate_bytes, rotation, file: None, last: None }
    }

    /// Opens the file, made if need be. Where this fails, the next lines try again.
    ///
    /// # Errors
    /// Where it cannot be opened for writing.
    pub(super) fn open(&mut self) -> io::Result<()> {
        self.file = Some(open(&self.path)?);
        Ok(())
    }

    /// Whether it is open.
    #[cfg(test)]
    pub(super) const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Has it opened anew before the next lines.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Takes back what was appended last, if nobody has heard of it.
    pub(super) fn settle(&mut self) {
        if self.last.as_ref().is_some_and(|last| !last.heard.is_set()) {
            // Where this fails, lines come twice.
            let _ = self.file_for(0);
        }
    }

    /// Appends lines; says how many bytes of whole lines are in the file now, and what kept the
    /// others out. They stay if somebody hears of it.
    pub(super) fn append(&mut self, lines: &[u8], heard: Heard) -> (usize, io::Result<()>) {
        let (before, whole, appended) = match self.file_for(lines.len()) {
            Ok((file, length)) => {
                let (whole, appended) = write(file, length, lines);
                (length, whole, appended)
            }
            Err(err) => return (0, Err(err)),
        };
        if appended.is_err() {
            self.file = None;
        }
        self.last = Some(Appended { heard, before, after: before + whole as u64 });
        (whole, appended)
    }

    /// The file with its length, ready for so many bytes more.
    fn file_for(&mut self, bytes: usize) -> io::Result<(&File, u64)> {
        let moved = match &self.file {
            Some(file) => !is_at(file, &self.path)?,
            None => false,
        };
        if moved {
            self.file = None;
        }
        // Asked each time: others may have cut the file.
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let mut length = file.metadata()?.len();
        if let Some(last) = self.last.take()
            && !last.heard.is_set()
            && last.after == length
        {
            file.set_len(last.before)?;
            length = last.before;
        }
        self.file = Some(file);
        if self.rotate_bytes > 0 && length > 0 && length + bytes as u64 > self.rotate_bytes {
            self.rotation.rotate()?;
            self.file = Some(open(&self.path)?);
            length = 0;
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok((file, length))
    }
}

/// Writes lines at the end of a file of this length; says how many bytes of whole lines are in it
/// now, and what kept the others out.
fn write(mut file: &File, length: u64, lines: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
        let err = match file.write(rest) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(bytes) => {
                written += bytes;
                continue;
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            Err(err) => err,
        };
        let whole = lines.get(..written).map_or(0, last_line_end);
        // Half a line would spoil the one after it. Where even this fails, opening cuts it.
        let _ = file.set_len(length + whole as u64);
        return (whole, Err(err));
    }
    (written, Ok(()))
}

fn open(path: &Path) -> io::Result<File> {
    // Of a pipe nobody could say how long its opening takes; O_NONBLOCK means nothing for files.
    let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).custom_flags(FLAGS).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    if metadata.len() > 0 {
        cut_torn_line(path, &file, metadata.len())?;
    }
    Ok(file)
}

/// Cuts off what a crash left behind the last whole line.
fn cut_torn_line(path: &Path, file: &File, length: u64) -> io::Result<()> {
    // A file that we may write but not read is left as it is.
    let Ok(reader) = OpenOptions::new().read(true).custom_flags(FLAGS).open(path) else {
        return Ok(());
    };
    let mut end = length;
    let mut block = vec![0; LOOK_BYTES];
    while end > 0 {
        let begin = end.saturating_sub(LOOK_BYTES as u64);
        let block = block.get_mut(..usize::try_from(end - begin).unwrap_or(0)).unwrap_or_default();
        reader.read_exact_at(block, begin)?;
        let whole = last_line_end(block);
        if whole > 0 {
            end = begin + whole as u64;
            break;
        }
        end = begin;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::sink::disk::is_mistake;

    fn append(file: &mut LineFile, lines: &str) {
        let heard = Heard::default();
        let (bytes, appended) = file.append(lines.as_bytes(), heard.clone());
        heard.set();
        appended.unwrap();
        assert_eq!(bytes, lines.len());
    }

    #[test]
    fn a_file_grows_and_only_its_owner_and_group_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for _ in 0..2 {
            append(&mut LineFile::new(&path, 0, 5), "a x=1 1\nb x=1 1\n");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a x=1 1\nb x=1 1\n".repeat(2));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn a_full_file_is_moved_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let read = |suffix: &str| std::fs::read_to_string(format!("{}{suffix}", path.display())).ok();
        let mut file = LineFile::new(&path, 4, 2);
        for line in ["1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n"] {
            append(&mut file, line);
        }
        assert_eq!(
            [read(""), read(".1"), read(".2"), read(".3")].map(Option::unwrap_or_default),
            ["7\n", "5\n6\n", "3\n4\n", ""]
        );
        append(&mut file, "a line that is too long for any file\n");
        append(&mut file, "8\n");
        assert_eq!(read(".1").unwrap(), "a line that is too long for any file\n");
        let mut file = LineFile::new(&path, 4, 0);
        append(&mut file, "9\n");
        append(&mut file, "10\n");
        assert_eq!(read("").unwrap(), "10\n", "nothing is kept");
    }

    #[test]
    fn a_file_that_was_moved_deleted_or_emptied_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("lines"), folder.path().join("moved"));
        let mut file = LineFile::new(&path, 0, 5);
        append(&mut file, "1\n");
        std::fs::rename(&path, &moved).unwrap();
        append(&mut file, "2\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "1\n");
        std::fs::remove_file(&path).unwrap();
        append(&mut file, "3\n");
        File::create(&path).unwrap();
        append(&mut file, "4\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4\n");
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        LineFile::new(&link, 0, 5).open().unwrap_err();
        // Nor one that appears later.
        let path = folder.path().join("lines");
        let mut file = LineFile::new(&path, 0, 5);
        std::fs::rename(&link, &path).unwrap();
        assert!(file.append(b"1\n", Heard::default()).1.is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "");
    }

    #[test]
    fn a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let long = "x".repeat(3 * LOOK_BYTES);
        for (found, kept) in [
            ("1\n2\n3", "1\n2\n"),
            ("torn", ""),
            ("", ""),
            ("1\n", "1\n"),
            (&format!("1\n{long}"), "1\n"),
            (&format!("{long}\n{long}"), &format!("{long}\n")),
        ] {
            std::fs::write(&path, found).unwrap();
            append(&mut LineFile::new(&path, 0, 5), "new\n");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{kept}new\n"));
        }
    }

    #[test]
    fn what_nobody_waited_for_is_taken_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let read = || std::fs::read_to_string(&path).unwrap();
        let mut file = LineFile::new(&path, 0, 5);
        append(&mut file, "1\n");
        let unheard = |file: &mut LineFile| assert_eq!(file.append(b"2\n2\n", Heard::default()).0, 4);
        unheard(&mut file);
        append(&mut file, "3\n");
        assert_eq!(read(), "1\n3\n");
        unheard(&mut file);
        file.settle();
        file.settle();
        assert_eq!(read(), "1\n3\n");
        unheard(&mut file);
        file.close();
        append(&mut file, "5\n");
        assert_eq!(read(), "1\n3\n5\n");
        // Somebody else has emptied it since.
        unheard(&mut file);
        File::create(&path).unwrap();
        append(&mut file, "4\n");
        assert_eq!(read(), "4\n");
    }

    #[test]
    fn only_a_regular_file_will_do_and_nobody_waits_for_the_reader_of_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let open = |path: &Path| LineFile::new(path, 0, 5).open().unwrap_err();
        assert_eq!(open(&pipe).raw_os_error(), Some(libc::ENXIO), "nobody reads it");
        let _reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        assert_eq!(open(&pipe).to_string(), "it is no regular file");
        let err = open(Path::new("/dev/full"));
        assert!(err.to_string() == "it is no regular file" && is_mistake(&err));
    }
}
