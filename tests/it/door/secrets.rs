//! What must not be told, at the most talkative level, and what nobody may write into the log.

use super::*;
use crate::support::request;

#[test]
fn no_password_key_or_hash_is_told_to_anybody() {
    let house = House::new();
    let hash = hash("canary-right");
    house.write("key", "canary-hmac");
    std::fs::set_permissions(house.path("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = house.configure("\"127.0.0.1:0\"", &format!("basic_auth_users: {{alice: {hash}}}"));
    let text = std::fs::read_to_string(&config).unwrap();
    let more = "lifecycle = true\n[log]\nlevel = \"trace\"\n[privacy]\npersonal = \"hash\"\nhash_key_file = \"key\"\n";
    house.write("config.toml", &(text.clone() + more));
    let mut command = exporter(["run", "-c"]);
    command.arg(&config).env("HTTPS_PROXY", "http://canary-user:canary-proxy@127.0.0.1:1");
    let mut running = Running::start(command, 1);
    let right = password("alice", "canary-right");
    let mut said = String::new();
    for path in ["/metrics", "/", "/api/v1/status", "/api/v1/measures", "/-/ready", "/-/healthy", "/nothing"]
    {
        for headers in [&right, &password("alice", "canary-wrong"), &password("canary-name", "canary-right")]
        {
            let answer = running.get(path, headers);
            said += &(answer.head + &answer.body);
        }
    }
    // A reload that is refused says why, and not what stands beside it.
    let broken =
        text.replace("client_secret_file = \"secret\"", "client_secret = [\"canary-secret\"]") + more;
    house.write("config.toml", &broken);
    let header = ("Authorization", right.trim().split_once(": ").unwrap().1);
    let answer = request("POST", &format!("http://{}/-/reload", running.address()), &[header], "");
    assert_eq!(answer.status, 500, "{}", answer.body);
    running.wait_for_log("was not reloaded");
    assert!(running.process.stop().success());
    said += &(answer.head + &answer.body + &running.process.stderr());
    let encoded = STANDARD.encode("alice:canary-right");
    let key = std::fs::read_to_string(house.path("server.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    for hidden in ["canary", &hash, &hash[7..], &encoded, key, "hush"] {
        assert!(!said.contains(hidden), "{hidden} in\n{said}");
    }
}

#[test]
fn no_request_writes_into_the_log() {
    let house = House::new();
    let hash = hash("right");
    let config = house.configure("\"127.0.0.1:0\"", &format!("basic_auth_users: {{alice: {hash}}}"));
    let text = std::fs::read_to_string(&config).unwrap() + "[log]\nlevel = \"trace\"\n";
    house.write("config.toml", &text);
    let mut command = exporter(["run", "-c"]);
    command.arg(&config);
    let mut running = Running::start(command, 1);
    for request in [
        "GET /forged%0a%1b[31m HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\u{1b}[31mforged HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "forged\u{1b}[31m / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: forged\r\u{1b}[31m\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", password("forged\nWARN forged\u{1b}[31m", "x")),
        format!("GET / HTTP/1.1\r\nHost: x\r\nAccept: forged\u{7}\r\n{}\r\n", password("alice", "right")),
    ] {
        let mut stream = TcpStream::connect(running.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // Whatever the answer is; without one it is hung up.
        let _ = stream.read(&mut [0; 64]);
    }
    assert_eq!(running.get("/-/healthy", &password("alice", "right")).status, 200, "it goes on");
    assert!(running.process.stop().success());
    let log = running.process.stderr();
    for hidden in ["forged", "\u{1b}", "\u{7}"] {
        assert!(!log.contains(hidden), "{hidden:?} in\n{log}");
    }
}
