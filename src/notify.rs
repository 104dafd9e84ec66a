//! What the service manager is told, by the protocol of
//! [`sd_notify`](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html): that the
//! exporter is ready, how it stands (`notify/status.rs`), that it lives (`notify/watchdog.rs`), that
//! it reloads and that it stops.
//!
//! The protocol is a few words in a datagram. They go to the socket that `NOTIFY_SOCKET` names: a
//! path, or behind `@` a name in the abstract namespace. Without the variable nothing is sent. It is
//! read by `run` alone: under Telegraf a plugin inherits the variable of Telegraf's own unit. The
//! exporter starts no other programs, so none can inherit it from here.
//!
//! A message is sent at once, and waits a second at most where the manager is busy. One that
//! cannot be sent is lost, and said in the log.

pub mod status;
pub mod watchdog;

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::{info, warn};

use crate::label::labels::clean_value;

/// How long a message may wait for a manager that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes of a status: a line of `systemctl status`.
const STATUS_BYTES_MAX: usize = 300;

/// The way to the service manager; the default has nobody at its end.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    manager: Option<Arc<Manager>>,
}

/// Who listens.
#[derive(Debug)]
struct Manager {
    address: SocketAddr,
    socket: UnixDatagram,
    /// Whether the last message was lost.
    is_failing: AtomicBool,
}

impl Notifier {
    /// The manager that the environment names, if it names one.
    pub fn from_environment() -> Self {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        Self::to(&address).unwrap_or_else(|err| {
            warn!(err = %err, address = %address.display(), "cannot talk to the service manager");
            Self::default()
        })
    }

    /// The manager at an address as `NOTIFY_SOCKET` has it.
    ///
    /// # Errors
    /// Where this is no address, or the system gives no socket.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(Path::new(address))?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "neither a path nor an abstract name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self { manager: Some(Arc::new(Manager { address, socket, is_failing: AtomicBool::new(false) })) })
    }

    /// Whether anybody listens.
    pub const fn is_heard(&self) -> bool {
        self.manager.is_some()
    }

    /// It has started, or has reloaded its configuration, well or not: it serves.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// It begins to reload its configuration; [`Self::ready`] has to follow. A manager that waits
    /// for this (`Type=notify-reload`, systemd 253) tells by the time that it is no older one.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::try_from(now).unwrap_or_default();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// How it stands, in a line for people.
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={}", clean_value(text, STATUS_BYTES_MAX)));
    }

    /// It lives.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    /// It begins to stop.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    fn send(&self, message: &str) {
        let Some(manager) = &self.manager else { return };
        let sent = manager.socket.send_to_addr(message.as_bytes(), &manager.address);
        let was_failing = manager.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Err(err) if !was_failing => warn!(err = %err, "the service manager is not reached"),
            Ok(_) if was_failing => info!("the service manager is reached again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager at a path, and the text of what it hears next.
    fn manager(folder: &tempfile::TempDir) -> (Notifier, impl Fn() -> String) {
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let heard = move || {
            let mut message = [0; 4096];
            let length = socket.recv(&mut message).unwrap();
            String::from_utf8(message[..length].to_vec()).unwrap()
        };
        (Notifier::to(path.as_os_str()).unwrap(), heard)
    }

    #[test]
    fn each_message_is_as_the_protocol_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (notifier, heard) = manager(&folder);
        notifier.ready();
        assert_eq!(heard(), "READY=1");
        notifier.watchdog();
        assert_eq!(heard(), "WATCHDOG=1");
        notifier.stopping();
        assert_eq!(heard(), "STOPPING=1\nSTATUS=stopping");
    }

    #[test]
    fn a_status_is_one_line_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (notifier, heard) = manager(&folder);
        notifier.status(&format!("up\nREADY=0\u{7}{}", "x".repeat(1000)));
        let message = heard();
        assert!(message.starts_with("STATUS=up") && message.contains("READY=0"), "{message}");
        assert!(!message.contains(char::is_control) && message.len() < 320, "{message}");
    }

    #[test]
    fn a_reload_bears_the_time_of_the_clock_that_systemd_compares() {
        let folder = tempfile::tempdir().unwrap();
        let (notifier, heard) = manager(&folder);
        let now = || u128::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap();
        let before = now();
        notifier.reloading();
        let message = heard();
        let micros: u128 = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!((before..=now()).contains(&(micros / 1_000_000)), "{message}");
    }

    #[test]
    fn without_a_manager_nothing_happens_and_one_that_went_away_is_no_trouble() {
        Notifier::default().ready();
        assert!(!Notifier::default().is_heard());
        for address in ["", "notify", "vsock:2:1", "@a\0b".repeat(99).as_str()] {
            assert!(Notifier::to(OsStr::new(address)).is_err(), "{address}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (notifier, _) = manager(&folder);
        std::fs::remove_file(folder.path().join("notify")).unwrap();
        notifier.ready();
        assert!(notifier.is_heard());
        // One that is restarted is found again.
        let (_, heard) = manager(&folder);
        notifier.ready();
        assert_eq!(heard(), "READY=1");
    }
}
