//! What a disk says when a file is to be opened at the start.
//!
//! A mistake in the configuration stays one until somebody mends it, and a start says so and
//! fails. Everything else may pass: a disk that is full, read-only or broken, a file server that
//! is away, too many open files. Then the exporter starts without, and tries again.
//!
//! What two processes would spoil for each other is held by a lock, until the process ends, however
//! that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes the lock at this path, or takes the one there is; it holds as long as the file is open.
///
/// # Errors
/// Where another process has it, or there can be none.
pub(crate) fn lock(path: &Path, mode: u32) -> io::Result<File> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another process uses it"))
        }
        Err(TryLockError::Error(err)) => Err(err),
    }
}

/// Whether a path that cannot be opened is a mistake: not there, not ours, not what it should be,
/// or in use by another.
pub(crate) fn is_mistake(err: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, WouldBlock,
    };
    let by_kind = matches!(
        err.kind(),
        NotFound
            | PermissionDenied
            | NotADirectory
            | IsADirectory
            | AlreadyExists
            | InvalidInput
            | InvalidFilename
            | WouldBlock
    );
    // A link, which is not followed; a socket.
    by_kind || matches!(err.raw_os_error(), Some(libc::ELOOP | libc::ENXIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_makes_nothing_where_a_link_leads() {
        let folder = tempfile::tempdir().unwrap();
        let (link, elsewhere) = (folder.path().join("lock"), folder.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        assert_eq!(lock(&link, 0o600).unwrap_err().raw_os_error(), Some(libc::ELOOP));
        assert!(!elsewhere.exists());
    }

    #[test]
    fn what_a_disk_recovers_from_is_no_mistake() {
        for code in [
            libc::ENOSPC,
            libc::EDQUOT,
            libc::EROFS,
            libc::EIO,
            libc::ESTALE,
            libc::ETIMEDOUT,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOMEM,
            libc::EFBIG,
            libc::EBUSY,
            libc::ENODEV,
        ] {
            let err = io::Error::from_raw_os_error(code);
            assert!(!is_mistake(&err), "{err}");
        }
        for code in [
            libc::ENOENT,
            libc::EACCES,
            libc::EPERM,
            libc::ENOTDIR,
            libc::EISDIR,
            libc::EEXIST,
            libc::ELOOP,
            libc::ENXIO,
            libc::EINVAL,
            libc::ENAMETOOLONG,
            libc::EWOULDBLOCK,
        ] {
            let err = io::Error::from_raw_os_error(code);
            assert!(is_mistake(&err), "{err}");
        }
    }
}
