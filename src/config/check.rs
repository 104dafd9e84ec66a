//! Checks that several sections share: addresses, ranges, secrets, names.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::key::Key;
use super::problem::shown;
use super::report::Report;
use super::secret::{Error, Places, SecretSource, SecretText};
use super::units::Bytes;

/// A smaller file would be full with a handful of lines.
const ROTATE_BYTES_MIN: Bytes = Bytes::new(1 << 10);
/// Each rotation renames them all.
const ROTATE_KEEP_MAX: u32 = 1000;

/// What the checks need to know beside the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// Where relative paths are looked up.
    pub(super) places: &'a Places,
    /// Whether the program will talk to AXP; else the account may be left empty, and nothing is recorded.
    pub(super) account_required: bool,
    /// Whether files are needed that hold secrets, certificates or the server's settings, and folders
    /// that sinks write to.
    pub(super) files_needed: bool,
}

impl Scene<'_> {
    /// The file that a key names, if it names one.
    pub(super) fn file(&self, path: &Path) -> Option<PathBuf> {
        (!path.as_os_str().is_empty()).then(|| self.places.find(path))
    }
}

/// An address to which secrets go: `https`, or `http` within this machine.
pub(super) fn url(key: &Key, text: &str, report: &mut Report) {
    const EXAMPLE: &str = "an address such as https://host.example";
    let expected = match Url::parse(text) {
        Err(_) => EXAMPLE,
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "an address without user and password"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "an address without query and fragment"
        }
        Ok(url) => match (url.scheme(), url.host()) {
            ("https", Some(_)) => return,
            ("http", Some(host)) if is_loopback(&host) => return,
            ("http", Some(_)) => "https; plain http is for loopback only",
            _ => EXAMPLE,
        },
    };
    let found = if text.is_empty() { "nothing".to_owned() } else { shown(&without_secrets(text)) };
    report.value(key, found, expected);
}

/// Whether what is sent to this host stays on this machine.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// An address as a message may show it: user information and query can hold passwords.
fn without_secrets(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{host}")
        }
        None => text.to_owned(),
    };
    match shown.split_once(['?', '#']) {
        Some((address, _)) => format!("{address}?…"),
        None => shown,
    }
}

/// A span or size between two bounds, both allowed.
pub(super) fn span<T: PartialOrd + Display + Copy>(
    key: &Key,
    value: T,
    least: T,
    most: T,
    report: &mut Report,
) {
    if value < least || value > most {
        report.value(key, format!("\"{value}\""), format!("\"{least}\" to \"{most}\""));
    }
}

/// When files are full, and how many are kept.
pub(super) fn rotation(section: &Key, bytes: Bytes, keep: u32, report: &mut Report) {
    if bytes.get() > 0 && bytes < ROTATE_BYTES_MIN {
        let expected = format!("\"0\", or \"{ROTATE_BYTES_MIN}\" or more");
        report.value(&section.at("rotate_bytes"), format!("\"{bytes}\""), expected);
    }
    if keep > ROTATE_KEEP_MAX {
        report.value(&section.at("rotate_keep"), keep.to_string(), format!("0 to {ROTATE_KEEP_MAX}"));
    }
}

/// The path of a file to write; `expected` is said where there is none.
pub(super) fn path_to_write(key: &Key, path: &Path, expected: &str, report: &mut Report) {
    let shown_path = shown(&path.to_string_lossy());
    let Some(parent) = path.parent() else {
        let found = if path.as_os_str().is_empty() { "nothing".to_owned() } else { shown_path };
        return report.value(key, found, expected);
    };
    // The parent of a bare file name is empty, and means the working directory.
    if !parent.as_os_str().is_empty() && !parent.is_dir() {
        let found = format!("{shown_path}, whose folder does not exist");
        report.value(key, found, "a path in an existing folder");
    } else if path.is_dir() {
        report.value(key, format!("{shown_path}, a folder"), "the path of a file");
    }
}

/// A secret given as `name` or `name_file`; `required` asks for one of the two.
pub(super) fn secret(
    section: &Key,
    name: &str,
    (text, file): (&SecretText, &Path),
    required: bool,
    scene: &Scene<'_>,
    report: &mut Report,
) {
    let file_name = format!("{name}_file");
    let file_key = section.at(&file_name);
    if !text.is_empty() && !file.as_os_str().is_empty() {
        report.value(&file_key, format!("{name} beside it"), "one of the two");
    }
    let source = SecretSource::new(text, file, scene.places);
    if required && !source.is_set() && !report.is_broken(&section.at(name)) {
        report.value(&file_key, "nothing", format!("a file that holds the secret, or {name}"));
    }
    if scene.files_needed {
        secret_file(&file_key, &source, report);
    }
}

/// The file of a secret, if that is where it comes from.
pub(super) fn secret_file(key: &Key, source: &SecretSource, report: &mut Report) {
    if let SecretSource::File { path, .. } = source
        && let Err(Error::File { cause, .. }) = source.read()
    {
        let found = format!("{}, {cause}", shown(&path.to_string_lossy()));
        report.value(key, found, "a file with the secret that its owner alone may open (mode 0600)");
    }
}

/// Why a file cannot be read.
pub(super) fn io_words(err: &io::Error) -> &'static str {
    match err.kind() {
        io::ErrorKind::NotFound => "no such file",
        io::ErrorKind::PermissionDenied => "not readable by this user",
        _ => "not readable",
    }
}

/// Part of a metric name: lower-case letters, digits and `_`, no digit in front.
pub(super) fn is_name_part(text: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.bytes().all(is_name_byte) && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Text on one line.
pub(super) fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Each text of a list: something, on one line, not twice.
pub(super) fn lines(key: &Key, texts: &[String], what: &str, report: &mut Report) {
    for (index, text) in texts.iter().enumerate() {
        let key = key.index(index);
        if !is_line(text) {
            report.text(&key, text, what);
        } else if texts.iter().take(index).any(|earlier| earlier == text) {
            report.text(&key, text, format!("{what}, each once"));
        }
    }
}
