//! A connection that lines are written to: TCP or a Unix socket.
//!
//! Nobody tells whether lines arrived, only that a connection died, and then what lay in buffers
//! on the way is gone. So what was written in the last [`DOUBT_TIME`] is kept, up to
//! [`DOUBT_BYTES`], and is written again, first of all, when the connection turns out to be dead:
//! a line may come twice, which for a point with a time is the same point. A peer that takes too
//! long is not dead but slow: the next connection goes on with the first line that was not wholly
//! taken. What the peer sends is read and thrown away.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::load::{Load, count_lines};
use super::target::Trouble;
use crate::telemetry;

/// How long after a write a dead connection makes it doubtful.
const DOUBT_TIME: Duration = Duration::from_secs(10);
/// Most bytes in doubt: about what the buffers of two systems hold.
const DOUBT_BYTES: usize = 8 << 20;
/// Most reads of what the peer sends, before each write.
const READS_MAX: usize = 16;

/// Where to connect to.
#[derive(Debug)]
pub(super) enum Address {
    /// `host:port`.
    Tcp(String),
    /// A socket's path.
    Unix(PathBuf),
}

/// A peer that takes lines on a connection.
#[derive(Debug)]
pub(super) struct Stream {
    address: Address,
    /// How long connecting, and each step of a write, may take.
    timeout: Duration,
    connection: Option<Connection>,
    /// What was written last, and when.
    doubtful: VecDeque<(Bytes, Instant)>,
}

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// A peer; it is not called yet.
    pub(super) const fn new(address: Address, timeout: Duration) -> Self {
        Self { address, timeout, connection: None, doubtful: VecDeque::new() }
    }

    /// Delivers the load as far as possible.
    ///
    /// # Errors
    /// What kept the rest from being delivered.
    pub(super) async fn deliver(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        while let Some(piece) = load.front().cloned() {
            let mut connection = self.connected().await?;
            let mut taken = 0;
            match write(&mut connection, &piece, self.timeout, &mut taken).await {
                Ok(()) => {
                    load.pop();
                    tally.written.inc_by(count_lines(&piece));
                    self.connection = Some(connection);
                    self.doubt(piece);
                }
                Err(trouble) => {
                    // A peer that is only slow has what was taken, and must not be sent it for ever.
                    if matches!(trouble, Trouble::TimedOut) {
                        self.doubtful.clear();
                        tally.written.inc_by(load.advance(taken));
                    }
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }

    /// The connection there is, or a new one on which nothing is in doubt any more. It is taken
    /// out, so that one that is given up half-way through a line is not used again.
    async fn connected(&mut self) -> Result<Connection, Trouble> {
        if let Some(connection) = self.connection.take().filter(|connection| !connection.is_closed()) {
            return Ok(connection);
        }
        let mut connection = timed(self.timeout, self.address.connect()).await?;
        self.forget_old();
        for (lines, written_at) in &mut self.doubtful {
            write(&mut connection, lines, self.timeout, &mut 0).await?;
            *written_at = Instant::now();
        }
        Ok(connection)
    }

    /// Keeps lines that were written for as long as they are in doubt.
    fn doubt(&mut self, lines: Bytes) {
        self.doubtful.push_back((lines, Instant::now()));
        self.forget_old();
        let mut bytes: usize = self.doubtful.iter().map(|(lines, _)| lines.len()).sum();
        while bytes > DOUBT_BYTES {
            bytes -= self.doubtful.pop_front().map_or(bytes, |(lines, _)| lines.len());
        }
    }

    fn forget_old(&mut self) {
        while self.doubtful.front().is_some_and(|(_, written_at)| written_at.elapsed() >= DOUBT_TIME) {
            self.doubtful.pop_front();
        }
    }
}

impl Address {
    async fn connect(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                stream.set_nodelay(true)?;
                Ok(Connection::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Connection::Unix),
        }
    }
}

impl Connection {
    /// Whether the peer has ended it.
    fn is_closed(&self) -> bool {
        let mut bytes = [0; 1024];
        for _ in 0..READS_MAX {
            let read = match self {
                Self::Tcp(stream) => stream.try_read(&mut bytes),
                Self::Unix(stream) => stream.try_read(&mut bytes),
            };
            match read {
                Ok(0) => return true,
                Ok(_) => {}
                Err(err) => return err.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes).await,
            Self::Unix(stream) => stream.write(bytes).await,
        }
    }
}

/// Writes all lines; `taken` counts the bytes that the system took.
async fn write(
    connection: &mut Connection,
    lines: &[u8],
    timeout: Duration,
    taken: &mut usize,
) -> Result<(), Trouble> {
    while let Some(rest) = lines.get(*taken..).filter(|rest| !rest.is_empty()) {
        match timed(timeout, connection.write(rest)).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            bytes => *taken += bytes,
        }
    }
    Ok(())
}

async fn timed<T>(timeout: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    Ok(tokio::time::timeout(timeout, work).await.map_err(|_| Trouble::TimedOut)??)
}
