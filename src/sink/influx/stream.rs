//! A connection that lines are written to: TCP or a Unix socket.
//!
//! Nobody tells whether lines arrived, only that a connection died. So what was written last is
//! kept for [`CONFIRM_TIME`], and is written again, first of all, when the connection turns out
//! to be dead within that time: a line may come twice, which for a point with a time is the same
//! point. After a write that takes too long the next connection goes on with the first line that
//! was not wholly taken; after any other failure all of the piece is written again. What the
//! peer sends is read and thrown away.

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
const CONFIRM_TIME: Duration = Duration::from_secs(10);
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
    doubtful: Option<(Bytes, Instant)>,
}

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// A peer; it is not called yet.
    pub(super) const fn new(address: Address, timeout: Duration) -> Self {
        Self { address, timeout, connection: None, doubtful: None }
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
                    self.doubtful = Some((piece, Instant::now()));
                }
                Err(trouble) => {
                    // A peer that is only slow has what was taken, and must not be sent it for ever.
                    if matches!(trouble, Trouble::TimedOut) {
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
        if let Some((lines, written_at)) = &self.doubtful
            && written_at.elapsed() < CONFIRM_TIME
        {
            write(&mut connection, lines, self.timeout, &mut 0).await?;
        }
        self.doubtful = None;
        Ok(connection)
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
