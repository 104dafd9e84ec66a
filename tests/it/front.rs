//! A server in front of the simulator: REST goes through to it, and the websockets are the test's own, frame by frame.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::rig::{PATIENCE, Rig, simulator};

/// The server's end of a websocket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How a request for a websocket begins, and nothing else.
const UPGRADE: &[u8] = b"GET /ws/";
/// What the server's sockets hold before the client has to wait, as far as the system lets it be set.
const RECEIVE_BYTES: u32 = 16 << 10;

/// The front, with the requests for websockets that came in.
pub(crate) struct Front {
    requests: mpsc::Receiver<TcpStream>,
}

impl Front {
    /// A front, and a rig whose exporter knows nothing else.
    pub(crate) async fn start(more: &str, environment: &[(&str, &str)]) -> (Rig, Self) {
        let simulator = simulator().await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (requested, requests) = mpsc::channel(16);
        tokio::spawn(serve(listener, simulator.local_addr(), requested));
        let endpoint = format!(r#"{{"fault":"endpoint","endpoint":"ws://{address}{{path}}","times":null}}"#);
        let api_url = format!("http://{address}");
        let environment = [environment, &[("AXP_EXPORTER_AXP__API_URL", &api_url)]].concat();
        (Rig::start_on(simulator, more, &[&endpoint], &environment).await, Self { requests })
    }

    /// The next request for a websocket, unread.
    pub(crate) async fn request(&mut self) -> TcpStream {
        let request = tokio::time::timeout(PATIENCE, self.requests.recv());
        request.await.expect("a request for a websocket comes").unwrap()
    }

    /// Answers the next request for a websocket with this, and reads what else comes.
    pub(crate) async fn answer(&mut self, answer: &str) {
        let mut stream = self.request().await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
    }

    /// Opens the next websocket; authentication comes on it.
    pub(crate) async fn open(&mut self) -> Socket {
        tokio_tungstenite::accept_async(self.request().await).await.unwrap()
    }

    /// Opens the next websocket and confirms the authentication.
    pub(crate) async fn let_in(&mut self) -> Socket {
        let mut socket = self.open().await;
        authenticated(&mut socket).await;
        confirm(&mut socket).await;
        socket
    }
}

/// Waits for the authentication message.
pub(crate) async fn authenticated(socket: &mut Socket) {
    let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(message.to_text().unwrap().contains(r#""event":"authentication""#), "{message}");
}

/// Answers it.
pub(crate) async fn confirm(socket: &mut Socket) {
    let confirmed = r#"{"event":"authenticationResponse","status":"CONNECTION_CONFIRMED"}"#;
    socket.send(Message::text(confirmed)).await.unwrap();
}

/// Reads to the close frame, and gives its code.
pub(crate) async fn closed(socket: &mut Socket) -> CloseCode {
    let close = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => break frame.expect("a close frame has a code").code,
                Some(Ok(_)) => {}
                other => panic!("no close frame, but {other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, close).await.expect("a close frame comes")
}

async fn serve(listener: TcpListener, simulator: SocketAddr, requests: mpsc::Sender<TcpStream>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(lead(stream, simulator, requests.clone()));
    }
}

/// Leads a connection to the test or to the simulator, by how it begins.
async fn lead(mut stream: TcpStream, simulator: SocketAddr, requests: mpsc::Sender<TcpStream>) {
    let mut begin = [0; UPGRADE.len()];
    // What does not begin like that is seen at its first byte or a few on.
    let is_upgrade = loop {
        match stream.peek(&mut begin).await {
            Ok(0) | Err(_) => return,
            Ok(UPGRADE_LEN) => break begin == UPGRADE,
            Ok(some) if begin[..some] != UPGRADE[..some] => break false,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    if is_upgrade {
        let _ = requests.send(stream).await;
    } else if let Ok(mut upstream) = TcpStream::connect(simulator).await {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    }
}

const UPGRADE_LEN: usize = UPGRADE.len();
