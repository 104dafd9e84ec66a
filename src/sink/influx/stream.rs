//! A connection that lines are written to: TCP or a Unix socket.
//!
//! Nobody tells whether lines arrived, only that a connection died, and then what lay in buffers
//! on the way is gone, however long it lay there. So the last [`DOUBT_BYTES`] that were written
//! are kept, and are written again, first of all, when the connection turns out to be dead: a line
//! may come twice, which for a point with a time is the same point. A peer that ends a connection
//! well has read all that came; then only what was written in the last [`DOUBT_TIME`] is doubtful.
//!
//! A peer that takes nothing for a while is not dead but slow. Its connection is kept, and goes on
//! where it was, for as long as the system takes the peer for alive: a Unix socket's until one
//! side ends it; over TCP until bytes have waited for an answer, or for room in the peer's buffer,
//! as long as a write may take (`TCP_USER_TIMEOUT`). What the peer sends is read and thrown away.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::body::{Buf, Bytes};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::load::{Load, cut_at};
use super::target::Trouble;
use crate::telemetry;

/// How long after a write a connection that ended well makes it doubtful.
const DOUBT_TIME: Duration = Duration::from_secs(10);
/// Most bytes in doubt: about what the buffers of two systems hold.
const DOUBT_BYTES: usize = 8 << 20;
/// Most bytes that are doubted and forgotten together.
const DOUBT_STEP_BYTES: usize = 64 << 10;
/// Most reads of what the peer sends, before each write.
const READS_MAX: usize = 16;
/// The shortest pause before the system asks an idle peer whether it is there.
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);

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
    /// What was written last, and when: whole lines.
    doubtful: VecDeque<(Bytes, Instant)>,
    doubtful_bytes: usize,
    /// What of it this connection has not taken yet, to be written before anything else.
    unsent: VecDeque<Bytes>,
}

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By the peer, which had read all that had come.
    Well,
    /// With bytes that nobody has read, or will.
    Broken,
}

impl Stream {
    /// A peer; it is not called yet.
    pub(super) const fn new(address: Address, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            connection: None,
            doubtful: VecDeque::new(),
            doubtful_bytes: 0,
            unsent: VecDeque::new(),
        }
    }

    /// Writes the front piece of the load. A line of which a slow peer has taken a part counts as
    /// written: its rest goes out next, here or, with all of it, on the next connection, also when
    /// no line comes any more: see [`Self::finish`].
    ///
    /// # Errors
    /// What kept the rest from being delivered.
    pub(super) async fn step(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        let Some(piece) = load.front().cloned() else { return Ok(()) };
        let mut connection = self.ready().await?;
        let mut taken = 0;
        let written = write(&mut connection, &piece, self.timeout, &mut taken).await;
        if matches!(written, Ok(()) | Err(Trouble::TimedOut)) {
            let begun = end_of_line(&piece, taken);
            self.connection = Some(connection);
            self.doubt(piece.get(..begun).unwrap_or_default());
            if taken < begun {
                self.unsent.push_back(piece.slice(taken..begun));
            }
            tally.written.inc_by(load.advance(begun));
        }
        written
    }

    /// Whether lines that count as written are not written to their end.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes what counts as written and is not; at the end of the program also what is in doubt,
    /// if the connection has ended.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(super) async fn finish(&mut self, is_end: bool) -> Result<(), Trouble> {
        if self.has_unsent() || is_end && !self.doubtful.is_empty() {
            self.connection = Some(self.ready().await?);
        }
        Ok(())
    }

    /// The connection there is, or a new one, on which all that is in doubt was written. It is
    /// taken out, so that one that is given up half-way through a line is not used again.
    async fn ready(&mut self) -> Result<Connection, Trouble> {
        let kept = self.connection.take().map(|connection| (connection.end(), connection));
        let mut connection = match kept {
            Some((None, connection)) => connection,
            ended => {
                if matches!(ended, Some((Some(End::Well), _))) && self.unsent.is_empty() {
                    self.forget_old();
                }
                let connection = timed(self.timeout, self.address.connect(self.timeout)).await?;
                self.unsent = self.doubtful.iter().map(|(lines, _)| lines.clone()).collect();
                connection
            }
        };
        while let Some(lines) = self.unsent.front_mut() {
            let mut taken = 0;
            let written = write(&mut connection, lines, self.timeout, &mut taken).await;
            lines.advance(taken);
            match written {
                Ok(()) => drop(self.unsent.pop_front()),
                Err(trouble) => {
                    self.connection = matches!(trouble, Trouble::TimedOut).then_some(connection);
                    return Err(trouble);
                }
            }
            if self.unsent.is_empty() {
                self.doubtful.iter_mut().for_each(|(_, written_at)| *written_at = Instant::now());
            }
        }
        Ok(connection)
    }

    /// Keeps lines that were written for as long as they may be in doubt.
    fn doubt(&mut self, lines: &[u8]) {
        let (mut rest, now) = (lines, Instant::now());
        while !rest.is_empty() {
            let (step, after) = rest.split_at(cut_at(rest, DOUBT_STEP_BYTES));
            // A copy, as they may be a small part of a large piece of memory.
            self.doubtful.push_back((Bytes::copy_from_slice(step), now));
            self.doubtful_bytes += step.len();
            rest = after;
        }
        while self.doubtful_bytes > DOUBT_BYTES {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self) {
        while self.doubtful.front().is_some_and(|(_, written_at)| written_at.elapsed() >= DOUBT_TIME) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let forgotten = self.doubtful.pop_front().map_or(0, |(lines, _)| lines.len());
        self.doubtful_bytes -= forgotten;
    }
}

impl Address {
    /// Connects; a peer that answers nothing for `timeout` is to be taken for dead.
    async fn connect(&self, timeout: Duration) -> io::Result<Connection> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                stream.set_nodelay(true)?;
                let pause = timeout.max(KEEPALIVE_MIN);
                let socket = SockRef::from(&stream);
                socket.set_tcp_user_timeout(Some(timeout))?;
                socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(pause).with_interval(pause))?;
                Ok(Connection::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Connection::Unix),
        }
    }
}

impl Connection {
    /// How it ended, if it has. A system whose program leaves something unread resets the
    /// connection, and one that gets something for a program that is gone does so, too.
    fn end(&self) -> Option<End> {
        let mut bytes = [0; 1024];
        for _ in 0..READS_MAX {
            let read = match self {
                Self::Tcp(stream) => stream.try_read(&mut bytes),
                Self::Unix(stream) => stream.try_read(&mut bytes),
            };
            match read {
                Ok(0) => return Some(if self.is_sound() { End::Well } else { End::Broken }),
                Ok(_) => {}
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(End::Broken),
            }
        }
        None
    }

    /// Whether the system knows of nothing that went wrong.
    fn is_sound(&self) -> bool {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        matches!(error, Ok(None))
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes).await,
            Self::Unix(stream) => stream.write(bytes).await,
        }
    }
}

/// Where the line ends in which the first `taken` bytes end.
fn end_of_line(lines: &[u8], taken: usize) -> usize {
    let (before, after) = lines.split_at_checked(taken).unwrap_or((lines, &[]));
    match before.last() {
        None | Some(b'\n') => taken,
        Some(_) => after.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| taken + at + 1),
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::telemetry::Telemetry;

    const TIMEOUT: Duration = Duration::from_secs(7);

    /// A stream and its peer, which has got a line and read as much of it, an hour ago.
    async fn connected(read: usize) -> (Stream, TcpListener, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut stream = Stream::new(Address::Tcp(address), TIMEOUT);
        step(&mut stream, "old x=1 1\n").await;
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.read_exact(&mut vec![0; read]).await.unwrap();
        for (_, written_at) in &mut stream.doubtful {
            *written_at = written_at.checked_sub(Duration::from_secs(3600)).unwrap();
        }
        (stream, listener, peer)
    }

    /// Delivers these lines.
    async fn step(stream: &mut Stream, lines: &str) {
        let mut load = Load::new(lines.as_bytes().to_vec(), 1 << 20);
        while !load.is_empty() {
            let _ = stream.step(&mut load, &Telemetry::new(1).sink("main")).await;
        }
    }

    /// What comes on the next connection.
    async fn next(mut stream: Stream, listener: TcpListener) -> String {
        let Some(Connection::Tcp(tcp)) = &stream.connection else { panic!("a connection") };
        tcp.readable().await.unwrap();
        step(&mut stream, "new x=1 2\n").await;
        drop(stream);
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut read = String::new();
        peer.read_to_string(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn a_peer_that_leaves_a_line_unread_gets_it_again_however_old_it_is() {
        let (stream, listener, peer) = connected(3).await;
        drop(peer);
        assert_eq!(next(stream, listener).await, "old x=1 1\nnew x=1 2\n");
    }

    #[tokio::test]
    async fn a_peer_that_has_read_all_and_left_gets_nothing_again_that_is_old() {
        let (stream, listener, peer) = connected(10).await;
        drop(peer);
        assert_eq!(next(stream, listener).await, "new x=1 2\n");
    }

    #[tokio::test]
    async fn what_comes_for_a_peer_that_is_gone_is_in_doubt_though_it_left_well() {
        let (mut stream, listener, mut peer) = connected(10).await;
        // It says that it will say nothing more; the line comes when nobody is there any more.
        peer.shutdown().await.unwrap();
        let Some(Connection::Tcp(tcp)) = &mut stream.connection else { panic!("a connection") };
        assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0);
        drop(peer);
        tcp.write_all(b"lost x=1 1\n").await.unwrap();
        stream.doubt(b"lost x=1 1\n");
        for (_, written_at) in &mut stream.doubtful {
            *written_at = written_at.checked_sub(Duration::from_secs(3600)).unwrap();
        }
        assert_eq!(next(stream, listener).await, "old x=1 1\nlost x=1 1\nnew x=1 2\n");
    }

    #[tokio::test]
    async fn a_connection_is_given_up_by_the_system_when_nobody_answers() {
        let (stream, _listener, _peer) = connected(10).await;
        let Some(Connection::Tcp(tcp)) = &stream.connection else { panic!("a connection") };
        let socket = SockRef::from(tcp);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(TIMEOUT));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), TIMEOUT);
    }

    #[tokio::test]
    async fn doubt_is_bounded_and_of_whole_lines() {
        let mut stream = Stream::new(Address::Unix("/".into()), TIMEOUT);
        let lines = "a line x=1 1\n".repeat(1_000_000);
        stream.doubt(lines.as_bytes());
        let kept: Vec<u8> = stream.doubtful.iter().flat_map(|(lines, _)| lines.to_vec()).collect();
        assert!(kept.len() <= DOUBT_BYTES && kept.len() + DOUBT_STEP_BYTES > DOUBT_BYTES);
        assert!(kept.starts_with(b"a line") && kept.ends_with(b"1\n"));
    }
}
