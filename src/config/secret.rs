//! Secrets: where they come from, and the promise that they show up nowhere.
//!
//! A secret stands in the configuration itself ([`SecretText`]) or, better, in a file of its own.
//! A [`SecretSource`] reads the file anew at each call, so that a rotated secret is picked up
//! without a restart. No `Debug`, no error and no serialised form holds a secret.
//!
//! A file that its group or others may open is refused, except inside `$CREDENTIALS_DIRECTORY`,
//! which systemd protects by other means (see <https://systemd.io/CREDENTIALS/>).

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::io_words;

/// No secret is longer than this; a path that leads to something else is noticed early.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// What stands for a secret wherever one would be shown.
const REDACTED: &str = "[REDACTED]";

/// Where relative paths are looked up: `$CREDENTIALS_DIRECTORY`, then the folder of the
/// configuration file, then the working directory. The first place that has the file wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `$CREDENTIALS_DIRECTORY`, if the environment has it.
    pub credentials: Option<PathBuf>,
    /// The folder of the configuration file.
    pub folder: PathBuf,
}

impl Places {
    /// The file that `path` means now; where none exists, the path as it was given.
    pub fn find(&self, path: &Path) -> PathBuf {
        let bases = self.credentials.iter().chain([&self.folder]);
        let mut candidates = bases.map(|base| base.join(path));
        candidates.find(|candidate| candidate.symlink_metadata().is_ok()).unwrap_or_else(|| path.to_owned())
    }

    /// Whether the file itself, links followed, lies in `$CREDENTIALS_DIRECTORY`.
    fn is_credential(&self, path: &Path) -> bool {
        let Some(credentials) = self.credentials.as_ref().and_then(|folder| folder.canonicalize().ok())
        else {
            return false;
        };
        path.canonicalize().is_ok_and(|path| path.starts_with(credentials))
    }
}

/// Where one secret comes from.
#[derive(Clone)]
pub enum SecretSource {
    /// Neither `x` nor `x_file` is set.
    Unset,
    /// It stands in the configuration.
    Inline(SecretString),
    /// It stands in a file, which is read at each use.
    File {
        /// As configured.
        path: PathBuf,
        /// Where to look for a relative path.
        places: Places,
    },
}

impl SecretSource {
    /// The source that a pair of keys `x` and `x_file` names; the file wins.
    pub(super) fn new(text: &SecretText, file: &Path, places: &Places) -> Self {
        if !file.as_os_str().is_empty() {
            Self::File { path: file.to_owned(), places: places.clone() }
        } else if text.is_empty() {
            Self::Unset
        } else {
            Self::Inline(text.0.clone())
        }
    }

    /// Whether there is a secret to read.
    pub const fn is_set(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    /// The secret as it is now, without the line ends that follow it.
    ///
    /// # Errors
    ///
    /// Fails when nothing is configured, or when the file cannot be opened, is not a regular
    /// file, may be read by others, holds more than 64 KiB, is not UTF-8 or is empty.
    pub fn read(&self) -> Result<SecretString, Error> {
        match self {
            Self::Unset => Err(Error::Unset),
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File { path, places } => {
                let path = places.find(path);
                read_file(&path, places).map_err(|cause| Error::File { path, cause })
            }
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => out.write_str("Unset"),
            Self::Inline(_) => write!(out, "Inline({REDACTED})"),
            Self::File { path, .. } => out.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Why a secret cannot be had.
#[derive(Debug)]
pub enum Error {
    /// Nothing is configured.
    Unset,
    /// The file does not serve.
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong with it.
        cause: FileError,
    },
}

/// What is wrong with a secret's file.
#[derive(Debug)]
pub enum FileError {
    /// It is missing or cannot be read.
    Io(io::Error),
    /// It is a folder, a pipe or a device.
    NotRegular,
    /// Its group or others may open it; the mode, such as 0644.
    Exposed(u32),
    /// It is longer than 64 KiB.
    TooLong,
    /// It is not text.
    NotUtf8,
    /// There is nothing in it.
    Empty,
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => out.write_str("no secret is configured"),
            Self::File { path, cause } => {
                write!(out, "read the secret in {}: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { cause: FileError::Io(err), .. } => Some(err),
            _ => None,
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(err) => out.write_str(io_words(err)),
            Self::NotRegular => out.write_str("not a regular file"),
            Self::Exposed(mode) => write!(out, "open to others, mode {mode:04o}"),
            Self::TooLong => write!(out, "longer than {} KiB", SECRET_BYTES_MAX / 1024),
            Self::NotUtf8 => out.write_str("not UTF-8 text"),
            Self::Empty => out.write_str("empty"),
        }
    }
}

fn read_file(path: &Path, places: &Places) -> Result<SecretString, FileError> {
    // Asked before opening: opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(FileError::Io)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let file = File::open(path).map_err(FileError::Io)?;
    let mode = file.metadata().map_err(FileError::Io)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 && !places.is_credential(path) {
        return Err(FileError::Exposed(mode));
    }
    // Room from the start: a buffer that grows leaves copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    let limit = SECRET_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(FileError::Io)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(FileError::TooLong);
    }
    let text = str::from_utf8(&bytes).map_err(|_| FileError::NotUtf8)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(FileError::Empty) } else { Ok(SecretString::from(text)) }
}

/// A secret that stands in the configuration itself; `""` is none.
#[derive(Clone, Default)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }

    /// The secret itself.
    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_empty() { "\"\"" } else { REDACTED })
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { REDACTED })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}
