//! Servers of others, started on loopback: on a port that was free a moment ago, until they say that they are ready.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::support::{Answer, PATIENCE, Process, try_request, wait_for};

/// How often a port may be lost between finding it free and the server's taking it.
const PORT_ATTEMPTS: usize = 5;

/// Starts the server that `command` makes for an address; gives it, ready, and the address.
///
/// They cannot be told to take any port, or not asked which one they took.
#[track_caller]
pub(crate) fn start(ready_path: &str, command: impl Fn(SocketAddr) -> Command) -> (Process, SocketAddr) {
    for _ in 0..PORT_ATTEMPTS {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a port is free");
        match start_at(address, ready_path, command(address)) {
            Ok(process) => return (process, address),
            Err(said) => assert!(said.contains("address already in use"), "the server ended:\n{said}"),
        }
    }
    panic!("{PORT_ATTEMPTS} free ports were taken before the server could take them");
}

/// Starts the server that is to listen at this address, until it is ready; if it ends instead, what it said.
#[track_caller]
pub(crate) fn start_at(address: SocketAddr, ready_path: &str, command: Command) -> Result<Process, String> {
    let mut process = Process::start(command);
    let url = format!("http://{address}{ready_path}");
    let ended = wait_for("ready server", PATIENCE, || {
        if process.ended().is_some() {
            return Ok(Some(process.stderr()));
        }
        match try_request("GET", &url, &[], "") {
            Ok(Answer { status: 200 | 204, .. }) => Ok(None),
            Ok(answer) => Err(answer.head),
            Err(err) => Err(err.to_string()),
        }
    });
    ended.map_or(Ok(process), Err)
}
