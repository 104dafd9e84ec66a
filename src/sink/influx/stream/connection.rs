//! A connection: TCP or a Unix socket, and how it ended.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// What the system may hold of ours that is under way; it takes twice as much, and counts what its
/// own book-keeping needs. Left to itself, it may go as far as an administrator lets it.
pub(super) const SEND_BYTES: usize = 1 << 20;
/// Most reads of what the peer sends, before each write.
const READS_MAX: usize = 16;
/// The shortest pause before the system asks an idle peer whether it is there.
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);

/// Where to connect to.
#[derive(Debug)]
pub(in crate::sink::influx) enum Address {
    /// `host:port`.
    Tcp(String),
    /// A socket's path.
    Unix(PathBuf),
}

/// A way to a peer.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By the peer, which had read all that had come.
    Well,
    /// With bytes that nobody has read, or will.
    Broken,
}

impl Address {
    /// Connects; a peer that answers nothing for `timeout` is to be taken for dead.
    pub(super) async fn connect(&self, timeout: Duration) -> io::Result<Connection> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                stream.set_nodelay(true)?;
                let pause = timeout.max(KEEPALIVE_MIN);
                let socket = SockRef::from(&stream);
                socket.set_send_buffer_size(SEND_BYTES)?;
                socket.set_tcp_user_timeout(Some(timeout))?;
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(pause).with_interval(pause))?;
                Ok(Connection::Tcp(stream))
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                SockRef::from(&stream).set_send_buffer_size(SEND_BYTES)?;
                Ok(Connection::Unix(stream))
            }
        }
    }
}

impl Connection {
    /// How it ended, if it has. A system whose program leaves something unread resets the
    /// connection, and one that gets something for a program that is gone does so, too.
    pub(super) fn end(&self) -> Option<End> {
        let mut bytes = [0; 1024];
        for _ in 0..READS_MAX {
            let read = match self {
                Self::Tcp(stream) => stream.try_read(&mut bytes),
                Self::Unix(stream) => stream.try_read(&mut bytes),
            };
            match read {
                Ok(0) => return Some(self.end_of_reading()),
                Ok(_) => {}
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(End::Broken),
            }
        }
        None
    }

    /// Says that nothing more comes, and reads until the peer says so too. To leave before, or what
    /// it sends unread, could have our system reset the connection, and the last lines with it.
    pub(super) async fn close(&mut self) -> End {
        let mut bytes = [0; 1024];
        let shut = match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Unix(stream) => stream.shutdown().await,
        };
        if shut.is_err() {
            return End::Broken;
        }
        loop {
            let read = match self {
                Self::Tcp(stream) => stream.read(&mut bytes).await,
                Self::Unix(stream) => stream.read(&mut bytes).await,
            };
            match read {
                Ok(0) => return self.end_of_reading(),
                Ok(_) => {}
                Err(_) => return End::Broken,
            }
        }
    }

    /// How it ended where there is nothing more to read: whether the system knows of something
    /// that went wrong.
    fn end_of_reading(&self) -> End {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        if matches!(error, Ok(None)) { End::Well } else { End::Broken }
    }

    /// Writes some of the bytes; says how many, one at least. Given up half-way, it wrote none.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Tcp(stream) => stream.write(bytes).await,
            Self::Unix(stream) => stream.write(bytes).await,
        };
        written.and_then(|bytes| if bytes > 0 { Ok(bytes) } else { Err(io::ErrorKind::WriteZero.into()) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    #[tokio::test]
    async fn a_connection_is_given_up_by_the_system_when_nobody_answers() {
        let timeout = Duration::from_secs(7);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        let Connection::Tcp(tcp) = address.connect(timeout).await.unwrap() else { panic!("TCP") };
        let socket = SockRef::from(&tcp);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(timeout));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), timeout);
    }

    #[tokio::test]
    async fn the_system_holds_no_more_of_ours_than_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (tcp, _unix) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), UnixListener::bind(&path).unwrap());
        for address in [Address::Tcp(tcp.local_addr().unwrap().to_string()), Address::Unix(path)] {
            let mut connection = address.connect(Duration::from_secs(7)).await.unwrap();
            let bytes = match &connection {
                Connection::Tcp(stream) => SockRef::from(stream).send_buffer_size().unwrap(),
                Connection::Unix(stream) => SockRef::from(stream).send_buffer_size().unwrap(),
            };
            assert!(bytes <= 2 * SEND_BYTES, "{bytes}");
            assert!(connection.write(b"a x=1 1\n").await.unwrap() > 0);
        }
    }
}
