//! A stand-in for AXP that costs next to nothing: it answers what `run` asks, and then sends
//! frames that were encoded before, as fast as they are taken.
//!
//! The simulator is a better AXP, but it thinks about each event; here that would be measured.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// How long the exporter may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stand-in.
pub(crate) struct Centre {
    /// Where it listens.
    pub(crate) url: String,
    sockets: Receiver<TcpStream>,
}

impl Centre {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (opened, sockets) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let opened = opened.clone();
                thread::spawn(move || serve(stream.unwrap(), &opened));
            }
        });
        Self { url, sockets }
    }

    /// The websocket of the exporter, once it has authenticated; frames may be written to it.
    pub(crate) fn socket(&self) -> TcpStream {
        self.sockets.recv_timeout(PATIENCE).unwrap()
    }
}

/// Answers the requests of one connection, up to its upgrade.
fn serve(mut stream: TcpStream, opened: &Sender<TcpStream>) {
    stream.set_nodelay(true).unwrap();
    while let Some(head) = read_request(&mut stream) {
        let line = head.lines().next().unwrap_or_default();
        if let Some(key) = header(&head, "sec-websocket-key") {
            return upgrade(stream, key, opened);
        }
        let address = stream.local_addr().unwrap();
        let body = match line {
            _ if line.contains("/token") => r#"{"access_token":"token","expires_in":3600}"#.to_owned(),
            _ if line.starts_with("POST") => format!(
                r#"{{"subscriptionId":"one","status":"ACTIVE","expiresIn":3600,"transport":{{"endpoint":"ws://{address}/ws"}}}}"#
            ),
            _ => r#"{"subscriptions":[]}"#.to_owned(),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    }
}

/// Reads a request, its body included; none where the connection ends.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(head.to_owned());
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn upgrade(mut stream: TcpStream, key: &str, opened: &Sender<TcpStream>) {
    let accept = derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .unwrap();
    let mut socket = WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Server, None);
    socket.read().unwrap();
    let confirmed = r#"{"event":"authenticationResponse","status":"CONNECTION_CONFIRMED"}"#;
    stream.write_all(&encode(&[confirmed.to_owned()])).unwrap();
    opened.send(stream).unwrap();
}

/// Text messages as a server sends them: unmasked, one frame each ([RFC 6455, section 5.2]).
///
/// [RFC 6455, section 5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
pub(crate) fn encode(messages: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.push(0x81);
        if let Ok(length @ ..126) = u8::try_from(message.len()) {
            bytes.push(length);
        } else {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        }
        bytes.extend_from_slice(message.as_bytes());
    }
    bytes
}
