//! A connection that lines are written to: TCP or a Unix socket.
//!
//! Nobody tells whether lines arrived, only that a connection died, and then what lay in buffers
//! on the way is gone, however long it lay there. So what was written last is kept
//! ([`doubt`]), and is written again, first of all, when the connection turns out to be dead: a line
//! may come twice, which for a point with a time is the same point. A peer that ends a connection
//! well has read all that came; then only what was written in the last seconds is doubtful.
//!
//! A peer that takes nothing for a while is not dead but slow. Its connection is kept, and goes on
//! where it was, for as long as the system takes the peer for alive: a Unix socket's until one
//! side ends it; over TCP until bytes have waited for an answer, or for room in the peer's buffer,
//! as long as a write may take (`TCP_USER_TIMEOUT`). What the peer sends is read and thrown away.
//!
//! Whatever is done here may be given up at any moment, and nothing is lost by that or comes twice:
//! each part that the system takes is noted before anything else is waited for.

mod connection;
mod doubt;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use hyper::body::{Buf, Bytes};

use super::load::{Load, last_line_end};
use super::target::{Trouble, timed};
use crate::telemetry;

pub(super) use connection::Address;
use connection::{Connection, End};
use doubt::Doubt;

/// A peer that takes lines on a connection.
#[derive(Debug)]
pub(super) struct Stream {
    address: Address,
    /// How long a step may take, be it connecting or writing.
    timeout: Duration,
    connection: Option<Connection>,
    /// What was written last: whole lines.
    doubt: Doubt,
    /// What of it this connection, or the next, has not taken yet, to be written before anything
    /// else.
    unsent: VecDeque<Bytes>,
    /// Whether that is all that is in doubt, after a connection was lost.
    is_repeating: bool,
}

impl Stream {
    /// A peer; it is not called yet.
    pub(super) fn new(address: Address, timeout: Duration) -> Self {
        let (doubt, unsent) = (Doubt::default(), VecDeque::new());
        Self { address, timeout, connection: None, doubt, unsent, is_repeating: false }
    }

    /// Writes the front piece of the load. A line of which a slow peer has taken a part counts as
    /// written: its rest goes out next, here or, with all of it, on the next connection, also when
    /// no line comes any more: see [`Self::resume`].
    ///
    /// # Errors
    /// What kept the rest from being delivered.
    pub(super) async fn step(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        // For all of it: a peer that takes a little at a time could hold up new lines for ever.
        timed(self.timeout, self.write_front(load, tally)).await
    }

    async fn write_front(&mut self, load: &mut Load, tally: &telemetry::Sink) -> io::Result<()> {
        let mut rest = load.front().cloned().unwrap_or_default();
        while !rest.is_empty() {
            self.catch_up().await?;
            let taken = self.write(&rest).await?;
            let mut begun = rest.split_to(end_of_line(&rest, taken));
            self.doubt.add(&begun);
            tally.written.inc_by(load.advance(begun.len()));
            begun.advance(taken);
            if !begun.is_empty() {
                self.unsent.push_back(begun);
            }
        }
        self.write_unsent().await
    }

    /// Whether lines that count as written are not written to their end.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Such lines, whole.
    pub(super) fn unsent_lines(&self) -> Vec<u8> {
        let unsent: usize = self.unsent.iter().map(Bytes::len).sum();
        let mut doubtful = Vec::from(self.doubt.lines()).concat();
        // They are the last of those in doubt.
        let sent = doubtful.get(..doubtful.len().saturating_sub(unsent)).map_or(0, last_line_end);
        doubtful.split_off(sent)
    }

    /// Writes what counts as written and is not.
    ///
    /// # Errors
    /// What kept it from being written.
    pub(super) async fn resume(&mut self) -> Result<(), Trouble> {
        if self.has_unsent() { timed(self.timeout, self.catch_up()).await } else { Ok(()) }
    }

    /// Writes what counts as written and is not, and what is in doubt if the connection has ended;
    /// then ends it, and waits until the peer has read everything. It may wait for long.
    ///
    /// # Errors
    /// What kept lines from being written.
    pub(super) async fn finish(&mut self) -> Result<(), Trouble> {
        // The second connection is for what the first is found to have lost.
        for _ in 0..2 {
            if self.doubt.is_empty() {
                break;
            }
            self.catch_up().await?;
            let Some(mut connection) = self.connection.take() else { break };
            match connection.close().await {
                End::Well => break,
                End::Broken => self.lose(End::Broken),
            }
        }
        Ok(())
    }

    /// Connects where need be, and writes what comes before anything else.
    async fn catch_up(&mut self) -> io::Result<()> {
        if let Some(end) = self.connection.as_ref().and_then(Connection::end) {
            self.lose(end);
        }
        if self.connection.is_none() {
            self.connection = Some(self.address.connect(self.timeout).await?);
        }
        self.write_unsent().await
    }

    async fn write_unsent(&mut self) -> io::Result<()> {
        while let Some(lines) = self.unsent.front().cloned() {
            let taken = self.write(&lines).await?;
            if taken == lines.len() {
                self.unsent.pop_front();
            } else if let Some(lines) = self.unsent.front_mut() {
                lines.advance(taken);
            }
        }
        if std::mem::take(&mut self.is_repeating) {
            self.doubt.renew();
        }
        Ok(())
    }

    /// Writes some of the bytes on the connection there is; says how many.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(connection) = &mut self.connection else { return Err(io::ErrorKind::NotConnected.into()) };
        let written = connection.write(bytes).await;
        written.inspect_err(|_| self.lose(End::Broken))
    }

    /// The connection is of no use any more; what is in doubt has to be written again.
    fn lose(&mut self, end: End) {
        self.connection = None;
        if end == End::Well && self.unsent.is_empty() {
            self.doubt.forget_old();
        }
        self.unsent = self.doubt.lines();
        self.is_repeating = true;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

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
        stream.doubt.age(Duration::from_secs(3600));
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

    #[test]
    fn of_a_line_that_is_half_out_all_is_unsent() {
        let mut stream = Stream::new(Address::Tcp(String::new()), TIMEOUT);
        stream.doubt.add(b"a x=1 1\nb x=1 1\nc x=1 1\n");
        assert_eq!(stream.unsent_lines(), b"");
        stream.unsent = [&b"x=1 1\n"[..], b"c x=1 1\n"].map(Bytes::from_static).into();
        assert_eq!(stream.unsent_lines(), b"b x=1 1\nc x=1 1\n");
        stream.lose(End::Broken);
        assert_eq!(stream.unsent_lines(), b"a x=1 1\nb x=1 1\nc x=1 1\n");
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
        stream.doubt.add(b"lost x=1 1\n");
        stream.doubt.age(Duration::from_secs(3600));
        assert_eq!(next(stream, listener).await, "old x=1 1\nlost x=1 1\nnew x=1 2\n");
    }
}
