//! A browser under remote control: Chromium without a window, spoken to by its
//! [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/) over a websocket.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::between;
use crate::support::{PATIENCE, Process, tool, wait_for};

/// How often a page is asked whether it shows what is awaited.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What the browser says when something is wrong with a page: violations of its policy are in the log.
const COMPLAINTS: [&str; 3] = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];

/// A browser with one page.
pub(crate) struct Browser {
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    calls: u64,
    /// What it has complained of so far.
    pub(crate) complaints: Vec<Value>,
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts it and opens a URL.
    pub(crate) async fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = tool("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // What it keeps beside the profile must not depend on whose home this is.
        command.env("HOME", profile.path()).arg("about:blank");
        let process = Process::start(command);
        let address = wait_for("address of the browser", PATIENCE, || {
            let said = process.stderr();
            let line = said.lines().find_map(|line| line.strip_prefix("DevTools listening on "));
            line.map(str::to_owned).ok_or(said)
        });
        let stream = TcpStream::connect(between(&address, "ws://", "/")).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(&address, stream).await.unwrap();
        let mut browser = Self {
            socket,
            session: None,
            calls: 0,
            complaints: Vec::new(),
            _process: process,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({})).await;
        }
        browser.call("Page.navigate", json!({"url": url})).await;
        browser
    }

    /// Evaluates an expression in the page.
    pub(crate) async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut evaluated = self.call("Runtime.evaluate", parameters).await;
        assert_eq!(evaluated["exceptionDetails"], Value::Null, "{expression}");
        evaluated["result"]["value"].take()
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.evaluate(expression).await != Value::Bool(true) {
            let text = "document.body ? document.body.innerText : ''";
            assert!(Instant::now() < deadline, "never {expression} in\n{}", self.evaluate(text).await);
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Calls a method; gives its result.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.expect("the browser answers").unwrap().unwrap();
            let mut message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if message["id"] == json!(self.calls) {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].take();
            }
            if message["method"].as_str().is_some_and(|method| COMPLAINTS.contains(&method)) {
                self.complaints.push(message);
            }
        }
    }
}
