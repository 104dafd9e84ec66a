//! UDP: lines in datagrams, whole lines in each.
//!
//! Nobody answers, so nothing is tried again or kept: what the system does not take is dropped
//! and counted, and what it takes counts as written. A datagram has at most [`DATAGRAM_BYTES`],
//! so that no network cuts it; a longer line has one for itself, up to the 64 KiB that UDP
//! carries, and beyond these it is dropped.

use std::io;

use tokio::net::{UdpSocket, lookup_host};

use super::load::{Load, cut_at};
use super::target::Trouble;
use crate::telemetry;

/// Most bytes of a datagram of several lines: what Ethernet carries in one frame, less the
/// headers of IPv6 and UDP and some for a tunnel.
const DATAGRAM_BYTES: usize = 1400;

/// A peer that takes lines in datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    /// `host:port`.
    address: String,
    socket: Option<UdpSocket>,
}

impl Datagrams {
    /// A peer; its name is not looked up yet.
    pub(super) const fn new(address: String) -> Self {
        Self { address, socket: None }
    }

    /// Settles all of the load.
    ///
    /// # Errors
    /// The last thing that went wrong.
    pub(super) async fn step(&mut self, load: &mut Load, tally: &telemetry::Sink) -> Result<(), Trouble> {
        let connected = match self.socket.take() {
            Some(socket) => Ok(socket),
            None => connect(&self.address).await,
        };
        let socket = connected.inspect_err(|_| {
            tally.dropped.inc_by(load.lines());
            *load = Load::default();
        })?;
        let mut trouble = None;
        while let Some(piece) = load.front().cloned() {
            let (datagram, _) = piece.split_at(cut_at(&piece, DATAGRAM_BYTES));
            let sent = socket.send(datagram).await;
            // Given up before this, the lines are on the load still.
            let lines = load.advance(datagram.len());
            match sent {
                Ok(_) => drop(tally.written.inc_by(lines)),
                Err(err) => {
                    tally.dropped.inc_by(lines);
                    trouble = Some(err);
                }
            }
        }
        if let Some(err) = trouble {
            // The name may lead elsewhere by now: it is looked up again.
            return Err(err.into());
        }
        self.socket = Some(socket);
        Ok(())
    }
}

async fn connect(address: &str) -> io::Result<UdpSocket> {
    let peer = lookup_host(address).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn a_step_that_is_given_up_half_way_leaves_what_it_has_not_sent() {
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut datagrams = Datagrams::new(peer.local_addr().unwrap().to_string());
        let tally = Telemetry::new(1).sink("main");
        datagrams.step(&mut Load::new(b"a x=1 1\n".to_vec(), 100), &tally).await.unwrap();
        // More datagrams than the runtime lets one task send at a time.
        let line = format!("a x=\"{}\" 1\n", "x".repeat(DATAGRAM_BYTES));
        let mut load = Load::new(line.repeat(1000).into_bytes(), usize::MAX);
        assert!(datagrams.step(&mut load, &tally).now_or_never().is_none(), "it waits");
        let settled = tally.written.get() + tally.dropped.get();
        assert!(settled > 1);
        assert_eq!(settled + load.lines(), 1001);
    }
}
