//! A tap on the way to a server: what went either way, as it went.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came one way over one connection.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A way to a server on which somebody listens.
pub(super) struct Tap {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Heard>>>,
    answered: Arc<Mutex<Vec<Heard>>>,
}

impl Tap {
    pub(super) async fn on(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tap = Self { address, asked: Arc::default(), answered: Arc::default() };
        let ways = [&tap.asked, &tap.answered].map(Arc::clone);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(server).await else { continue };
                let [asked, answered] = ways.each_ref().map(|way| {
                    let heard = Heard::default();
                    way.lock().unwrap().push(Arc::clone(&heard));
                    heard
                });
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), upstream.into_split());
                tokio::spawn(carry(from_client, to_server, asked));
                tokio::spawn(carry(from_server, to_client, answered));
            }
        });
        tap
    }

    /// What the server was asked, one text for each connection.
    pub(super) fn asked(&self) -> Vec<String> {
        texts(&self.asked)
    }

    /// What stands in the server's answers as the value of this name, each value once.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        let mark = format!("\"{name}\":\"");
        let mut values = Vec::new();
        for text in texts(&self.answered) {
            let found = text.split(&mark).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
            values.extend(found.filter(|value| !value.is_empty()));
        }
        values.sort_unstable();
        values.dedup();
        values
    }
}

fn texts(way: &Mutex<Vec<Heard>>) -> Vec<String> {
    let heard = way.lock().unwrap();
    heard.iter().map(|heard| String::from_utf8_lossy(&heard.lock().unwrap()).into_owned()).collect()
}

/// Carries one way to its end, and tells the other side of that.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, heard: Heard) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        heard.lock().unwrap().extend_from_slice(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
