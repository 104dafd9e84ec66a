//! A stand-in for the service manager: a socket that hears what it is told.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::support::PATIENCE;

/// Hears messages at a path, or at a name in the abstract namespace.
pub(super) struct Manager {
    socket: UnixDatagram,
    /// As `NOTIFY_SOCKET` has it.
    pub(super) address: String,
}

impl Manager {
    pub(super) fn at_path(folder: &tempfile::TempDir) -> Self {
        let path = folder.path().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), address: path.to_str().unwrap().to_owned() }
    }

    pub(super) fn in_the_abstract() -> Self {
        let name = format!("axp-exporter-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self { socket: UnixDatagram::bind_addr(&address).unwrap(), address: format!("@{name}") }
    }

    /// The next message, if one comes within this time.
    pub(super) fn next_within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(length) => Some(String::from_utf8(message[..length].to_vec()).unwrap()),
            Err(err) if err.kind() == ErrorKind::WouldBlock => None,
            Err(err) => panic!("failed to hear: {err}"),
        }
    }

    /// Hears messages until one is what a test waits for; gives that one.
    #[track_caller]
    pub(super) fn hear(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let mut heard = Vec::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < deadline {
            match self.next_within(Duration::from_secs(1)) {
                Some(message) if is_it(&message) => return message,
                message => heard.extend(message),
            }
        }
        panic!("heard no {what} within {PATIENCE:?}, but {heard:?}");
    }

    /// Whether it hears a message like this within this time.
    pub(super) fn hears(&self, message: &str, time: Duration) -> bool {
        let deadline = std::time::Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match (left.is_zero(), self.next_within(left.max(Duration::from_millis(1)))) {
                (_, Some(heard)) if heard == message => return true,
                (true, None) => return false,
                _ => {}
            }
        }
    }

    /// Forgets what it has heard.
    pub(super) fn forget(&self) {
        while self.next_within(Duration::from_millis(1)).is_some() {}
    }
}
