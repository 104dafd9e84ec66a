//! The simulator from outside, over real sockets: a small client, and what it sees.
//!
//! No test sleeps for what it can wait for; every wait ends after [`PATIENCE`].

mod faults;
mod interfaces;
mod sessions;

use std::{fmt::Write as _, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::*;

/// Longest wait for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(5);

type Client = WebSocketStream<TcpStream>;

/// A running simulator and a client of it.
struct Bench {
    handle: SimulatorHandle,
    address: SocketAddr,
    known: Credentials,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Small and quick, and without rows sent again.
fn options() -> SimulatorOptions {
    SimulatorOptions {
        centre: CentreOptions { agents: 40, queues: 3, events_per_second: 60.0 },
        seed: Some(1),
        tick: Duration::from_millis(5),
        ..SimulatorOptions::default()
    }
}

impl Bench {
    async fn start() -> Self {
        Self::with(options()).await
    }

    async fn with(options: SimulatorOptions) -> Self {
        let simulator = Simulator::bind(options).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (handle, address, known) = (simulator.handle(), simulator.local_addr(), simulator.credentials());
        let task = tokio::spawn(simulator.run(async {
            let _ = stopped.await;
        }));
        Self { handle, address, known, stop: Some(stop), task: Some(task) }
    }

    async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        timeout(PATIENCE, self.task.take().unwrap()).await.unwrap().unwrap();
    }

    /// One request on a connection of its own; `None` if it was closed without an answer.
    async fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        write!(text, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = Vec::new();
        let exchange = async {
            stream.write_all(text.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        };
        let _ = timeout(PATIENCE, exchange).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_request(method, path, headers, body).await.unwrap()
    }

    async fn ask_token(&self, form: &str, app_key: &str) -> Answer {
        let path = format!("/api/auth/v1/{}/protocol/openid-connect/token", self.known.account_id);
        let headers = [("appkey", app_key), ("content-type", "application/x-www-form-urlencoded")];
        self.request("POST", &path, &headers, form).await
    }

    fn form(&self) -> String {
        let Credentials { client_id, client_secret, .. } = &self.known;
        format!("grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}")
    }

    async fn token(&self) -> String {
        let answer = self.ask_token(&self.form(), &self.known.app_key).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn api(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.request(method, path, &[("appkey", &self.known.app_key), ("authorization", &bearer)], body).await
    }

    fn subscriptions(&self) -> String {
        format!("/api/notification/v1/accounts/{}/subscriptions", self.known.account_id)
    }

    async fn create(&self, token: &str, producer: &str) -> Answer {
        let body = json!({
            "family": "ANALYTICS", "events": ["ALL"], "transport": { "type": "WEBSOCKET" },
            "extensions": { "measureProducerId": producer },
        });
        self.api("POST", &self.subscriptions(), token, &body.to_string()).await
    }

    /// A token, a subscription, and its id.
    async fn subscribe(&self, producer: &str) -> (String, String) {
        let token = self.token().await;
        let answer = self.create(&token, producer).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        (token, answer.json()["subscriptionId"].as_str().unwrap().to_owned())
    }

    fn endpoint(&self, subscription: &str) -> String {
        let account = &self.known.account_id;
        format!("ws://{}/ws/notification/v1/analytics/realtime/{account}/{subscription}", self.address)
    }

    async fn connect(&self, endpoint: &str) -> Result<Client, tokio_tungstenite::tungstenite::Error> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        timeout(PATIENCE, client_async(endpoint, stream)).await.unwrap().map(|(client, _)| client)
    }

    /// A socket that has authenticated.
    async fn feed(&self, producer: &str) -> Client {
        let (token, subscription) = self.subscribe(producer).await;
        let (client, status) = self.authenticate(&token, &subscription).await;
        assert_eq!(status, "CONNECTION_CONFIRMED");
        client
    }

    async fn authenticate(&self, token: &str, subscription: &str) -> (Client, String) {
        let mut client = self.connect(&self.endpoint(subscription)).await.unwrap();
        let frame = json!({ "event": "authentication", "subscriptionId": subscription, "token": token });
        client.send(Message::text(frame.to_string())).await.unwrap();
        let answer = next_json(&mut client).await;
        let event = answer["event"].as_str().unwrap().replace('_', "").to_lowercase();
        assert_eq!(event, "authenticationresponse");
        (client, answer["status"].as_str().unwrap().to_owned())
    }

    async fn admin(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[], body).await
    }

    async fn fault(&self, fault: Value) -> Value {
        let answer = self.admin("/admin/faults", &fault.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }
}

async fn next(client: &mut Client) -> Option<Message> {
    timeout(PATIENCE, client.next()).await.expect("a frame or the end").and_then(Result::ok)
}

async fn next_json(client: &mut Client) -> Value {
    match next(client).await {
        Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
        other => panic!("not a text frame: {other:?}"),
    }
}

/// The code of the close frame that ends this socket, after whatever else comes; `None` if there is none.
async fn close_code(client: &mut Client) -> Option<u16> {
    loop {
        match next(client).await {
            Some(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
            Some(_) => {}
            None => return None,
        }
    }
}

/// Waits until something is so.
async fn until(mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it to become so");
}
