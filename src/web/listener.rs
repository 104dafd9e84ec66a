//! Sockets that scrapes come in at: TCP, sockets in the file system, and those of systemd.
//!
//! A socket in the file system is for owner and group (mode 0660). One that a crash left behind,
//! at which nobody answers, is replaced; anything else of that name is left alone. It is removed
//! at the end, if it is still ours. systemd passes sockets by number
//! ([`sd_listen_fds`](https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html)),
//! and keeps those in the file system itself.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::{ADDRESSES_MAX, Address};

/// Who may connect to a socket in the file system: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// A socket that was bound and listens.
#[derive(Debug)]
pub enum Listener {
    /// Over the network.
    Tcp(TcpListener, SocketAddr),
    /// In the file system.
    Unix(UnixListener, Node),
}

/// A connection that came in.
#[derive(Debug)]
pub enum Stream {
    /// Over the network.
    Tcp(TcpStream),
    /// On this machine.
    Unix(UnixStream),
}

/// A socket's place in the file system, removed at the end where it is ours to remove.
#[derive(Debug)]
pub struct Node {
    path: PathBuf,
    /// Device and inode of what we made.
    ours: Option<(u64, u64)>,
}

/// Binds what an address stands for: one socket, or as many as systemd passes.
///
/// # Errors
/// If it cannot be bound.
pub async fn bind(address: &Address) -> io::Result<Vec<Listener>> {
    let listener = match address {
        Address::Host(text) => TcpListener::bind(text).await?,
        Address::Everywhere(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).await {
            // A machine without IPv6.
            Err(err) if err.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).await?
            }
            bound => bound?,
        },
        Address::Unix(path) => return bind_path(path).map(|listener| vec![listener]),
        Address::Systemd => return passed(),
    };
    Ok(vec![Listener::tcp(listener)?])
}

fn bind_path(path: &Path) -> io::Result<Listener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else of that name"));
        }
        Ok(_) => match unix::UnixStream::connect(path) {
            Err(err) if err.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(err) => return Err(err),
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        },
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    let made = fs::symlink_metadata(path)?;
    let node = Node { path: path.to_owned(), ours: Some((made.dev(), made.ino())) };
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    Ok(Listener::Unix(listener, node))
}

/// The sockets that systemd passes to this process.
fn passed() -> io::Result<Vec<Listener>> {
    /// Whether they are owned already.
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let count = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<usize>().ok());
    if count.is_some_and(|count| count > ADDRESSES_MAX) {
        return Err(io::Error::other(format!("systemd passes more than {ADDRESSES_MAX} sockets")));
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other("the sockets that systemd passed are in use"));
    }
    let sockets = sd_listen_fds::get().map_err(io::Error::other)?;
    if sockets.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "systemd has passed no socket to this process"));
    }
    sockets.into_iter().map(|(_, socket)| Listener::passed(socket.into_std())).collect()
}

impl Listener {
    fn tcp(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self::Tcp(listener, address))
    }

    /// A socket that somebody else has bound.
    fn passed(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::net::TcpListener::from(socket);
        if socket.local_addr().is_ok() {
            socket.set_nonblocking(true)?;
            return Self::tcp(TcpListener::from_std(socket)?);
        }
        let socket = unix::UnixListener::from(OwnedFd::from(socket));
        let address =
            socket.local_addr().map_err(|_| io::Error::other("a socket that is neither TCP nor unix"))?;
        socket.set_nonblocking(true)?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        Ok(Self::Unix(UnixListener::from_std(socket)?, Node { path, ours: None }))
    }

    /// The next connection.
    ///
    /// # Errors
    /// If it cannot be accepted.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // Without it only the last packet of an answer may come later.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// Whether other machines can reach it.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Tcp(_, address) if !address.ip().is_loopback())
    }
}

/// As a URL has it: host and port, or `unix:`, the path and `:`, as nginx writes it.
impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => address.fmt(formatter),
            Self::Unix(_, node) => write!(formatter, "unix:{}:", node.path.display()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|there| (there.dev(), there.ino()));
        if self.ours.is_some() && there.ok() == self.ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
