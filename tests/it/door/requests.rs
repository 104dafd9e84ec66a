//! Passwords, headers, the rate limit; what is renewed, what is refused, what is said.

use super::*;

#[test]
fn without_the_right_password_nothing_is_answered() {
    let house = House::new();
    let (alice, bob) = (hash("alice's own"), hash("bob's"));
    let running = house.open(&format!("basic_auth_users: {{alice: {alice}, bob: {bob}}}"));
    assert!(running.urls[0].starts_with("http://"));
    let right = password("alice", "alice's own");
    for (path, status) in
        [("/metrics", 200), ("/-/healthy", 200), ("/-/ready", 503), ("/", 200), ("/nothing", 404)]
    {
        assert_eq!(running.get(path, &right).status, status, "{path}");
        for headers in [
            String::new(),
            password("alice", "bob's"),
            password("carol", "alice's own"),
            // CVE-2022-46146: to be taken for what was right before.
            password(&format!("alice{alice}"), "alice's own"),
            password("alice", &format!("{bob}bob's")),
        ] {
            let answer = running.get(path, &headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert!(answer.head.contains("\r\nwww-authenticate: basic"), "{}", answer.head);
            assert!(!answer.body.contains("axp"), "{}", answer.body);
        }
    }
}

#[test]
fn headers_go_with_every_answer_and_the_rate_limit_holds_for_all() {
    let house = House::new();
    let running = house.open(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=31536000\n\
         rate_limit:\n  interval: 1h\n  burst: 2\n",
    );
    for status in [200, 404, 429, 429] {
        let answer = running.get(if status == 404 { "/nothing" } else { "/-/healthy" }, "");
        assert_eq!(answer.status, status);
        assert!(answer.head.contains("x-frame-options: deny"), "{}", answer.head);
        assert!(answer.head.contains("strict-transport-security: max-age=31536000"), "{}", answer.head);
    }
}

#[test]
fn certificates_and_passwords_are_renewed_while_it_runs() {
    let house = House::new();
    let file = |password: &str| format!("{TLS}basic_auth_users: {{alice: {}}}", hash(password));
    let running = house.open(&file("old"));
    let client = house.client();
    let status = |word: &str| client.get(running.port(), &password("alice", word)).unwrap().answer.status;
    assert_eq!((status("old"), status("new")), (200, 401));
    let renewed = house.renew_certificate();
    assert_eq!(client.get(running.port(), "").unwrap().certificate, renewed);
    house.write("web.yml", &file("new"));
    assert_eq!((status("old"), status("new")), (401, 200), "what was right before is forgotten");

    // Whatever happens to the files, the door stays as it was.
    for (name, text, said) in [
        ("web.yml", "", "tls_server_config has come or gone"),
        ("web.yml", "tls_server_config: {junk", "web.yml: line 1"),
        ("web.yml", TLS, "basic_auth_users names nobody any more"),
        ("server.crt", "", "holds no certificate"),
    ] {
        let before = std::fs::read_to_string(house.path(name)).unwrap();
        house.write(name, text);
        assert_eq!((status("new"), status("old")), (200, 401), "{said}");
        assert_eq!(client.get(running.port(), "").unwrap().certificate, renewed);
        running.wait_for_log(said);
        house.write(name, &before);
        assert_eq!(status("new"), 200);
    }
    std::fs::remove_file(house.path("web.yml")).unwrap();
    assert_eq!((status("new"), status("old")), (200, 401));
    running.wait_for_log("web.yml: the file: no such file");
    let log = running.process.stderr();
    assert_eq!(log.matches("cannot use web.config_file").count(), 5, "once each: {log}");
    assert!(!log.contains("$2b$"), "{log}");
}

#[test]
fn a_web_configuration_that_cannot_be_used_keeps_it_from_starting() {
    let house = House::new();
    house.configure("\"127.0.0.1:0\"", &format!("{TLS}  min_version: TLS10\n"));
    let expected = "config.toml: web.config_file: \"web.yml\" tls_server_config.min_version: TLS10 is not spoken here; the oldest version is TLS12\n";
    for command in ["check", "run"] {
        let (code, said) = house.refused(command);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.ends_with(expected) && said.lines().count() == 1, "{said}");
    }
    house.configure("\"127.0.0.1:0\"", TLS);
    assert_eq!(house.refused("check").0, Some(0));
}

#[test]
fn it_is_said_at_start_how_open_the_door_is() {
    let house = House::new();
    let users = format!("basic_auth_users: {{alice: {}}}\n", hash("a"));
    let verified = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    for (web, said) in [
        (String::new(), "without TLS or passwords"),
        (TLS.to_owned(), "without passwords or verified client certificates"),
        (users.clone(), "passwords come and metrics go without TLS"),
        (format!("{TLS}{users}"), ""),
        (verified, ""),
    ] {
        let mut command = exporter(["run", "-c"]);
        command.arg(house.configure("\"0.0.0.0:0\"", &web));
        let mut running = Running::start(command, 1);
        assert!(running.process.stop().success());
        let log = running.process.stderr();
        let warnings: Vec<_> =
            log.lines().filter(|line| line.contains("0.0.0.0") && line.contains("WARN")).collect();
        assert_eq!(warnings.len(), usize::from(!said.is_empty()), "{log}");
        assert!(warnings.iter().all(|line| line.contains(said)), "{log}");
    }
    let log = house.open("").process.stderr();
    assert!(!log.contains("without TLS"), "this machine alone: {log}");
}
