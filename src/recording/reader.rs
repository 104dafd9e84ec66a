//! The reader: a recording, line by line.
//!
//! It holds one line at a time, and refuses one that is longer than a recording by this configuration
//! can have. What a crash or a full disk has cut off is no damage: the records up to there are given,
//! and [`Reader::is_torn`] says so. Everything else that is not as it was written is an error with its
//! place. Beside gzip, plain text is read, as one may want to look into a recording and change it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::parts::GZIP;
use super::record::{Entry, FORMAT, Header, Record};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// Most bytes of what a line has beside its event, of a header, and of a dictionary.
const REST_BYTES_MAX: usize = 4 << 20;

/// Why a recording cannot be used.
#[derive(Debug)]
pub enum Error {
    /// It cannot be opened or read.
    Read(PathBuf, io::Error),
    /// It does not begin as a recording does.
    Foreign(PathBuf),
    /// It is in a format that a later version has brought.
    Newer(PathBuf, u64),
    /// It is damaged, from this line on.
    Damaged(PathBuf, u64, String),
    /// It cannot be replayed together with the others; why.
    Unfit(PathBuf, &'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(path, _) => write!(formatter, "read {}", path.display()),
            Self::Foreign(path) => write!(formatter, "read {}: it is no recording", path.display()),
            Self::Newer(path, format) => {
                let path = path.display();
                write!(formatter, "read {path}: its format {format} is of a later version of this program")
            }
            Self::Damaged(path, line, what) => {
                write!(formatter, "read {}: damaged at line {line}: {what}", path.display())
            }
            Self::Unfit(path, why) => write!(formatter, "use {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(_, err) => Some(err),
            Self::Foreign(_) | Self::Newer(..) | Self::Damaged(..) | Self::Unfit(..) => None,
        }
    }
}

/// Counts what is read of a file, before it is unpacked.
#[derive(Debug)]
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(bytes)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What lines are read from.
#[derive(Debug)]
enum Input {
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<Counted>>>>),
    Plain(BufReader<Counted>),
}

/// A recording that is being read.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    input: Input,
    header: Header,
    first: (std::time::Duration, i64),
    line: Vec<u8>,
    number: u64,
    line_bytes_max: usize,
    is_torn: bool,
}

impl Reader {
    /// Opens a recording whose events are no longer than `frame_bytes_max`, and reads its header. Adds
    /// what is read of the file to `bytes_read`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(path: &Path, frame_bytes_max: usize, bytes_read: Arc<AtomicU64>) -> Result<Self, Error> {
        let failed = |err| Error::Read(path.to_owned(), err);
        let mut file = File::open(path).map_err(failed)?;
        let mut begin = Vec::new();
        (&file).take(GZIP.len() as u64).read_to_end(&mut begin).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let counted = BufReader::with_capacity(READ_BYTES, Counted(file, bytes_read));
        let input = if begin == GZIP {
            Input::Gzip(Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(counted))))
        } else {
            Input::Plain(counted)
        };
        let mut reader = Self {
            path: path.to_owned(),
            input,
            header: Header::default(),
            first: Default::default(),
            line: Vec::new(),
            number: 0,
            line_bytes_max: frame_bytes_max.saturating_add(REST_BYTES_MAX),
            is_torn: false,
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// How it begins.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// When it begins, by both clocks.
    pub const fn begins_at(&self) -> (std::time::Duration, i64) {
        self.first
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if its end is not one: a crash or a full disk has cut it off.
    pub const fn is_torn(&self) -> bool {
        self.is_torn
    }

    fn read_header(&mut self) -> Result<(), Error> {
        let path = self.path.clone();
        let foreign = || Error::Foreign(path.clone());
        let is_there = self.read_line().map_err(|err| match err {
            Error::Damaged(path, ..) => Error::Foreign(path),
            err => err,
        })?;
        let text = std::str::from_utf8(&self.line).unwrap_or_default();
        if !is_there {
            return Err(foreign());
        }
        if let Ok(Record { at, unix_ns, entry: Entry::Header(header) }) = Record::read(text)
            && header.format <= FORMAT
        {
            (self.header, self.first) = (header, (at, unix_ns));
            return Ok(());
        }
        // A later format may have another header; its number stays where it is.
        let value: serde_json::Value = serde_json::from_str(text).map_err(|_| foreign())?;
        match value.pointer("/header/format").and_then(serde_json::Value::as_u64) {
            Some(format) if format > FORMAT => Err(Error::Newer(self.path.clone(), format)),
            _ => Err(foreign()),
        }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// Where the file cannot be read, or is damaged.
    #[expect(clippy::should_implement_trait, reason = "what it gives lives in its own buffer")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        if !self.read_line()? {
            return Ok(None);
        }
        let Self { path, line, number, .. } = self;
        let damaged = |what: String| Error::Damaged(path.clone(), *number, what);
        let text = std::str::from_utf8(line).map_err(|_| damaged("it is not UTF-8".to_owned()))?;
        let record = Record::read(text).map_err(damaged)?;
        if matches!(record.entry, Entry::Header(_)) {
            return Err(damaged("a second header".to_owned()));
        }
        Ok(Some(record))
    }

    /// Reads a whole line; false at the end, and where the rest is torn.
    fn read_line(&mut self) -> Result<bool, Error> {
        let Self { input, line, line_bytes_max, .. } = self;
        line.clear();
        let limit = *line_bytes_max as u64 + 1;
        let read = match input {
            Input::Gzip(input) => input.take(limit).read_until(b'\n', line),
            Input::Plain(input) => input.take(limit).read_until(b'\n', line),
        };
        self.number += 1;
        match read {
            Ok(_) if self.line.ends_with(b"\n") => Ok(true),
            Ok(0) => Ok(false),
            Ok(bytes) if bytes as u64 == limit => Err(self.damaged("the line is too long")),
            // Its writer was stopped on the way.
            Ok(_) => Ok(self.tear()),
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Ok(self.tear()),
            Err(err) if matches!(err.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                Err(self.damaged(&err.to_string()))
            }
            Err(err) => Err(Error::Read(self.path.clone(), err)),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged(self.path.clone(), self.number, what.to_owned())
    }

    const fn tear(&mut self) -> bool {
        self.is_torn = true;
        false
    }
}
