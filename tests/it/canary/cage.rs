//! The program with all of its parts at work, and what it has told.

use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axp_exporter::simulator::{Credentials, SimulatorHandle};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use super::tap::Tap;
use super::{AGENTS, HASH_KEY, NUMBER, PASSWORD, PERSONAL, QUEUES, TOKEN, WEB_PASSWORD};
use crate::commands::write_config;
use crate::influx::stand_in::{Reply, Seen, StandIn, json as reply, status};
use crate::producers::program;
use crate::rig::simulator;
use crate::session::answer;
use crate::support::{Answer, PATIENCE, Process, request, wait_for};

/// The folders that the program writes to.
const FOLDERS: [&str; 4] = ["state", "spool-two", "spool-one", "record"];

/// The program, what it works with, and what it has told so far.
pub(super) struct Cage {
    pub(super) folder: tempfile::TempDir,
    pub(super) centre: SimulatorHandle,
    pub(super) client_secret: String,
    pub(super) app_key: String,
    web_hash: String,
    pub(super) tap: Tap,
    pub(super) server: StandIn,
    pub(super) configuration: String,
    process: Process,
    url: String,
    /// Where it was told, and what.
    pub(super) told: Vec<(String, String)>,
}

impl Cage {
    /// Starts the program. Its first request for a token fails, as do all lines, and what it said comes back.
    pub(super) async fn start(format: &str) -> Self {
        let simulator = simulator().await;
        let (centre, credentials) = (simulator.handle(), simulator.credentials());
        let (tap, server) = (Tap::on(simulator.local_addr()).await, StandIn::start(refuse).await);
        tokio::spawn(simulator.run(std::future::pending()));
        let folder = tempfile::tempdir().unwrap();
        for name in FOLDERS {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let web_hash = bcrypt::hash(WEB_PASSWORD, 4).unwrap();
        for (name, secret) in [
            ("app_key", &*credentials.app_key),
            ("hash_key", HASH_KEY),
            ("password", PASSWORD),
            ("web.yml", &format!("basic_auth_users: {{alice: {web_hash}}}")),
        ] {
            write_secret(&folder.path().join(name), secret);
        }
        let configuration = configuration(format, &credentials, folder.path(), tap.address, &server.url());
        let through_tap =
            format!(r#"{{"fault":"endpoint","endpoint":"ws://{}{{path}}","times":null}}"#, tap.address);
        inject(&centre, &through_tap);
        let form =
            format!("client_secret={0}&{0}&appkey={1}", credentials.client_secret, credentials.app_key);
        inject(&centre, &echo("token", 503, &form));
        let mut command = program(&["run", "-c", &write_config(folder.path(), &configuration)]);
        command.env("AXP_EXPORTER_AXP__CLIENT_SECRET", &credentials.client_secret);
        let process = Process::start(command);
        let url = wait_for("address", PATIENCE, || {
            let log = process.stderr();
            let rest = log.split_once("http://").map(|(_, rest)| rest.to_owned());
            rest.and_then(|rest| Some(format!("http://{}", rest.split_once("/metrics")?.0))).ok_or(log)
        });
        let (client_secret, app_key, told) = (credentials.client_secret, credentials.app_key, Vec::new());
        Self {
            folder,
            centre,
            client_secret,
            app_key,
            web_hash,
            tap,
            server,
            configuration,
            process,
            url,
            told,
        }
    }

    /// Asks it for a page, and keeps what it tells.
    fn ask(&mut self, method: &str, path: &str, password: &str) -> Answer {
        let authorization = format!("Basic {}", STANDARD.encode(format!("alice:{password}")));
        let headers = [("Authorization", authorization.as_str())];
        let answer = request(method, &format!("{}{path}", self.url), &headers, "");
        self.told.push((path.to_owned(), format!("{}\n{}", answer.head, answer.body)));
        answer
    }

    /// Waits for samples of its metrics that have these words.
    pub(super) fn wait_for(&mut self, what: &str, is_there: impl Fn(&str) -> bool) {
        wait_for(what, PATIENCE, || {
            let page = self.ask("GET", "/metrics", WEB_PASSWORD).ok();
            if is_there(&page) {
                return Ok(());
            }
            // Of so many pages the last one tells enough.
            self.told.pop();
            Err(format!("{}\n{page}", self.process.stderr()))
        });
    }

    /// Waits until lines with these words are stored.
    pub(super) fn wait_for_lines(&self, words: &str) {
        wait_for("such lines", PATIENCE, || {
            let is_there = self.server.lines().iter().any(|line| line.contains(words));
            if is_there { Ok(()) } else { Err(self.process.stderr()) }
        });
    }

    /// Waits until all feeds have their rows.
    pub(super) fn settle(&mut self) {
        self.wait_for("rows of both feeds", |page| {
            [AGENTS, QUEUES].iter().all(|id| {
                let complete = format!("feed_snapshot_complete{{measure_producer_id=\"{id}\"}} 1\n");
                page.contains(&complete)
            })
        });
    }

    /// Has AXP tell of persons, in ways that the program takes and in ways that it refuses.
    pub(super) fn tell_of_persons(&mut self, round: &str) {
        let event = |keys: Value, measures: Value| {
            json!({
                "accountId": "EZCLTR", "keys": keys, "eventAction": "UPSERT", "eventSourceId": "IXCC_1.0.0",
                "measureProducerId": AGENTS, "payloadType": "LIVE", "measures": measures,
            })
            .to_string()
        };
        let names = |value: Value| {
            let mut names = Map::from_iter(PERSONAL.map(|name| (name.to_owned(), value.clone())));
            names.insert("agentLogonDuration".to_owned(), json!("7"));
            Value::Object(names)
        };
        // The one name that the centre does not tell, since a measure of a key's name is refused.
        let key = json!({ "agentId": "key", "agentUserHandle": "canary-of-a-key" });
        let whole = event(json!({ "agentId": round }), names(json!("canary of\na person")));
        for frame in [
            &event(json!({ "agentId": "odd" }), names(json!({ "of": ["canary of a person"] }))),
            &event(json!({ "agentId": "number" }), names(json!(NUMBER))),
            &event(key, json!({ "agentLogonDuration": "7" })),
            &whole.replace("UPSERT", "canary of an action"),
            &whole[..whole.len() - 1],
            &whole,
        ] {
            assert!(self.centre.emit(frame, AGENTS) >= 1, "a socket");
        }
        // They come in order.
        self.wait_for("the last of them", |page| page.contains(&format!("agent_id=\"{round}\"")));
    }

    /// Keeps what it tells on all pages and in all files, to those who may ask and to others.
    pub(super) fn look(&mut self) {
        for path in
            ["/metrics", "/", "/api/v1/status", "/api/v1/measures", "/-/ready", "/-/healthy", "/nothing"]
        {
            self.ask("GET", path, WEB_PASSWORD);
            assert_eq!(self.ask("GET", path, "canary-of-nobody").status, 401);
        }
        self.look_into_files();
    }

    fn look_into_files(&mut self) {
        for name in FOLDERS {
            for entry in std::fs::read_dir(self.folder.path().join(name)).unwrap() {
                let path = entry.unwrap().path();
                // One of the spool may be deleted meanwhile.
                let Ok(bytes) = std::fs::read(&path) else { continue };
                let mut text = Vec::new();
                let _ = match name {
                    // Its end comes when the program does.
                    "record" => flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut text),
                    _ => bytes.as_slice().read_to_end(&mut text),
                };
                let place = format!("{name}, {}", path.display());
                self.told.push((place, String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }

    /// What was told in places that begin so.
    pub(super) fn told(&self, place: &str) -> String {
        self.told.iter().filter(|(told, _)| told.starts_with(place)).map(|(_, text)| text.as_str()).collect()
    }

    /// Has another configuration read; gives whether it was taken.
    pub(super) fn reload(&mut self, configuration: &str) -> bool {
        write_config(self.folder.path(), configuration);
        self.ask("POST", "/-/reload", WEB_PASSWORD).status == 200
    }

    /// Has the token in use fail and its end be told with it, until there is another one.
    pub(super) fn replace_token(&mut self) {
        let tokens = self.tap.values("access_token");
        let token = tokens.last().unwrap();
        inject(&self.centre, &echo("get", 503, &format!("authorization: Bearer {token}")));
        inject(&self.centre, r#"{"fault":"revoke_tokens"}"#);
        inject(&self.centre, &format!(r#"{{"fault":"expire","producer":{AGENTS:?}}}"#));
        let close =
            json!({ "fault": "close", "producer": QUEUES, "reason": format!("not {}", &token[..100]) });
        inject(&self.centre, &close.to_string());
        wait_for("other token", PATIENCE, || {
            let log = self.process.stderr();
            let is_there = self.tap.values("access_token").len() > tokens.len();
            if is_there && log.contains("echo of get") { Ok(()) } else { Err(log) }
        });
        self.settle();
    }

    /// Stops it, and keeps what is left of what it tells.
    pub(super) fn stop(&mut self) {
        assert!(self.process.stop().success());
        let log = wait_for("last word", PATIENCE, || {
            let log = self.process.stderr();
            let is_last = log.lines().last().is_some_and(|line| line.contains("stopped"));
            if is_last { Ok(log) } else { Err(log) }
        });
        self.told.push(("log".to_owned(), log));
        self.told.push(("stdout".to_owned(), self.process.read_rest().concat()));
        self.look_into_files();
        let lines = self.server.seen().into_iter().map(|seen| ("lines".to_owned(), seen.lines));
        self.told.extend(lines);
    }

    /// What must have been told nowhere.
    pub(super) fn hidden(&self) -> Vec<String> {
        let secrets = [TOKEN, PASSWORD, WEB_PASSWORD, HASH_KEY, &self.client_secret, &self.app_key];
        let pairs = [format!("me:{PASSWORD}"), format!("alice:{WEB_PASSWORD}")];
        let secrets = secrets.into_iter().map(str::to_owned).chain(pairs);
        let mut hidden: Vec<String> = secrets
            .flat_map(|secret| {
                let form = byte_serialize(secret.as_bytes()).collect();
                let base64 = STANDARD.encode(&secret).trim_end_matches('=').to_owned();
                [form, base64, secret]
            })
            .collect();
        hidden.push(NUMBER.to_string());
        hidden.extend(["canary", "eyJ", &self.web_hash].map(str::to_owned));
        for token in self.tap.values("access_token") {
            // However it is cut.
            let parts = token.split('.').flat_map(|part| part.as_bytes().chunks_exact(20));
            hidden.extend(parts.map(|part| String::from_utf8(part.to_vec()).unwrap()));
        }
        hidden.extend(PERSONAL.iter().flat_map(|name| self.tap.values(name)));
        hidden
    }
}

/// A configuration with everything that is secret or tells something.
fn configuration(
    format: &str,
    credentials: &Credentials,
    folder: &Path,
    axp: SocketAddr,
    url: &str,
) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "[axp]\napi_url = \"http://{}\"\naccount_id = {:?}\nclient_id = {:?}\napp_key_file = \"app_key\"\n\
             state_file = {:?}\nsnapshot_quiet = \"200ms\"\nping_interval = \"1s\"\n\
             [log]\nlevel = \"trace\"\nformat = {format:?}\n\
             [privacy]\nhash_key_file = \"hash_key\"\n\
             [web]\nlisten = \"127.0.0.1:0\"\nconfig_file = \"web.yml\"\nlifecycle = true\n\
             [[producer]]\nid = {AGENTS:?}\n[[producer]]\nid = {QUEUES:?}\n\
             [[influx]]\nname = \"two\"\nurl = {url:?}\napi = \"v2\"\norg = \"o\"\nbucket = \"b\"\n\
             token = {TOKEN:?}\nspool_dir = {:?}\nflush_interval = \"50ms\"\n\
             [[influx]]\nname = \"one\"\nurl = {url:?}\napi = \"v1\"\ndatabase = \"d\"\nusername = \"me\"\n\
             password_file = \"password\"\nspool_dir = {:?}\nflush_interval = \"50ms\"\n\
             [record]\npath = {:?}\n",
        axp,
        credentials.account_id,
        credentials.client_id,
        path("state/subscriptions.json"),
        path("spool-two"),
        path("spool-one"),
        path("record/feed.jsonl.gz"),
    )
}

fn write_secret(path: &Path, secret: &str) {
    std::fs::write(path, secret).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn inject(centre: &SimulatorHandle, fault: &str) {
    centre.inject(serde_json::from_str(fault).unwrap()).unwrap();
}

/// A fault by which AXP refuses an operation once, with these words.
fn echo(operation: &str, status: u16, words: &str) -> String {
    let body = json!({ "title": format!("echo of {operation}"), "detail": words }).to_string();
    answer(operation, status, &format!(r#","body":{},"times":1"#, json!(body)))
}

/// The credentials of a request, as its server might repeat them.
fn repeated(seen: &Seen) -> String {
    let header = seen.header("authorization");
    let (_, value) = header.split_once(' ').unwrap();
    let plain = STANDARD.decode(value).map(|plain| String::from_utf8(plain).unwrap());
    let plain = plain.unwrap_or_else(|_| value.to_owned());
    let form: String = byte_serialize(plain.as_bytes()).collect();
    format!("echo of lines: {header} {plain} {form}")
}

/// Takes no line now.
pub(super) fn refuse(seen: &Seen) -> Reply {
    reply(503, json!({ "error": repeated(seen) }).to_string())
}

/// Takes lines, though at first it finds fault with those of each sink.
pub(super) fn take() -> impl FnMut(&Seen) -> Reply + Send + 'static {
    let mut known = Vec::new();
    move |seen| {
        if known.contains(&seen.target) {
            return status(204);
        }
        known.push(seen.target.clone());
        reply(400, json!({ "error": format!("partial write: {} dropped=1", repeated(seen)) }).to_string())
    }
}

/// The value of a metric of sinks.
pub(super) fn sample(page: &str, series: &str) -> f64 {
    let series = format!("axp_exporter_influx_{series} ");
    page.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(f64::NAN)
}
