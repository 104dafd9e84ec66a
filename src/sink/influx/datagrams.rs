//! UDP: lines in datagrams, whole lines in each.
//!
//! Nobody answers, so nothing is tried again or kept: what the system does not take is dropped
//! and counted, and what it takes counts as written. A datagram has at most [`DATAGRAM_BYTES`],
//! so that no network cuts it; a longer line has one for itself, up to the 64 KiB that UDP
//! carries, and beyond these it is dropped.

use std::io;

use tokio::net::{UdpSocket, lookup_host};

use super::load::{Load, count_lines, cut_at};
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
        while let Some(piece) = load.pop() {
            let mut rest = &*piece;
            while !rest.is_empty() {
                let (datagram, after) = rest.split_at(cut_at(rest, DATAGRAM_BYTES));
                match socket.send(datagram).await {
                    Ok(_) => {
                        tally.written.inc_by(count_lines(datagram));
                    }
                    Err(err) => {
                        tally.dropped.inc_by(count_lines(datagram));
                        trouble = Some(err);
                    }
                }
                rest = after;
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
