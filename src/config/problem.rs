//! What is wrong with a configuration, one line a problem, all of them at once.
//!
//! A [`Problem`] says where it was found, at which key, what stands there and what would be
//! right. Text that came from a file or the environment is escaped and cut, so that a line stays
//! a line; what stands under a secret's key is never part of it.

use std::fmt;

/// Longer found text is cut here: enough to recognise a value by, short enough for one line.
const SHOWN_CHARS_MAX: usize = 80;

/// One thing that is wrong. `Display` gives one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named, or `environment variable X`.
    pub source: String,
    /// The key in words, such as `axp.client_id` or `influx "main" target`; empty where the
    /// problem is the file or the variable itself.
    pub key: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a key, a file or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No such key, or no such variable.
    Unknown {
        /// `key` or `variable`.
        noun: &'static str,
        /// The known one that looks most like it.
        nearest: Option<String>,
    },
    /// The value is of the wrong type, out of range or does not fit the others.
    Value {
        /// What stands there: quoted text, a number, or words such as `nothing`.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The value is refused by the part that would use it.
    Refused {
        /// What stands there.
        found: String,
        /// What is wrong with it; continues after `found`.
        why: String,
    },
    /// The file is not TOML.
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// The parser's words.
        message: String,
    },
    /// There is no configuration file; `hint` says what to do next.
    NoFile {
        /// Empty unless the path is the default one.
        hint: &'static str,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.source)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        match &self.fault {
            Fault::Unknown { noun, nearest } => {
                write!(out, "unknown {noun}")?;
                nearest.as_ref().map_or(Ok(()), |name| write!(out, "; did you mean {name}?"))
            }
            Fault::Value { found, expected } => write!(out, "found {found}, expected {expected}"),
            Fault::Refused { found, why } => write!(out, "{found} {why}"),
            Fault::Syntax { line, column, message } => write!(out, "line {line}, column {column}: {message}"),
            Fault::NoFile { hint } => write!(out, "no such file{hint}"),
        }
    }
}

/// Everything that is wrong: first what could not be read, then what makes no sense. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// None if there are no problems.
    pub(super) fn new(problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Whether the one problem is that the file does not exist.
    pub fn is_missing_file(&self) -> bool {
        self.0.iter().any(|problem| matches!(problem.fault, Fault::NoFile { .. }))
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The candidate that looks most like `name`.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(name, candidate);
    candidates.into_iter().min_by_key(distance).map(str::to_owned)
}

/// Text in quotes, on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Text without control and invisible characters, cut to [`SHOWN_CHARS_MAX`].
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in cut(text, SHOWN_CHARS_MAX).chars() {
        match char {
            '\'' => out.push(char),
            _ => out.extend(char.escape_debug()),
        }
    }
    out
}

/// The text, or its beginning with a sign that there is more.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
