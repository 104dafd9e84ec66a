//! Where it listens: several addresses, the file system, sockets of systemd.

use super::*;

#[test]
fn it_listens_at_several_addresses_and_in_the_file_system() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let listen = format!("[\"127.0.0.1:0\", \":0\", \"unix:{}\"]", socket.display());
    let mut command = exporter(["run", "-c"]);
    command.arg(house.configure(&listen, ""));
    let mut running = Running::start(command, 3);
    assert_eq!(running.urls[2], format!("http://unix:{}:/metrics", socket.display()));
    assert_eq!(running.get("/-/healthy", "").status, 200);
    let port = running.urls[1].strip_suffix("/metrics").unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let everywhere = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(Answer::ask(everywhere, "/-/healthy", "").unwrap().status, 200);
    let metadata = std::fs::metadata(&socket).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    let answer = Answer::ask(UnixStream::connect(&socket).unwrap(), "/metrics", "").unwrap();
    assert!(answer.status == 200 && answer.body.contains("axp_exporter_build_info"), "{answer:?}");
    assert!(running.process.stop().success());
    assert!(!socket.exists(), "removed at the end");
}

#[test]
fn the_door_is_the_same_in_the_file_system() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let web = format!("{TLS}basic_auth_users: {{alice: {}}}", hash("a"));
    let mut command = exporter(["run", "-c"]);
    command.arg(house.configure(&format!("[\"unix:{}\", \"127.0.0.1:0\"]", socket.display()), &web));
    let running = Running::start(command, 2);
    assert_eq!(running.urls[0], format!("https://unix:{}:/metrics", socket.display()));
    for (headers, status) in [(password("alice", "a"), 200), (String::new(), 401)] {
        let seen = house.client().get_over(UnixStream::connect(&socket).unwrap(), &headers).unwrap();
        assert_eq!(seen.answer.status, status);
    }
    assert!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/metrics", &password("alice", "a")).is_err());
}

#[test]
fn a_socket_is_replaced_only_where_nobody_answers() {
    let house = House::new();
    let socket = house.path("scrape.sock");
    let listen = format!("\"unix:{}\"", socket.display());
    let config = house.configure(&listen, "");
    let start = || {
        let mut command = exporter(["run", "-c"]);
        command.arg(&config);
        Running::start(command, 1)
    };
    // Left behind by one that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    let running = start();
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    let (code, said) = house.refused("run");
    assert_eq!(code, Some(78));
    assert!(said.contains("scrape.sock") && said.contains("web.listen") && said.contains("in use"), "{said}");
    assert_eq!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/-/healthy", "").unwrap().status, 200);
    drop(running);
    // Whose socket another has put there in the meantime does not take it away.
    let mut running = start();
    std::fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    assert!(running.process.stop().success());
    assert!(socket.exists());
    std::fs::remove_file(&socket).unwrap();

    std::fs::write(&socket, "precious").unwrap();
    let (code, said) = house.refused("run");
    assert_eq!((code, std::fs::read_to_string(&socket).unwrap().as_str()), (Some(78), "precious"), "{said}");
}

/// Runs an exporter as systemd does: with sockets from descriptor 3 on, which the Python in `make`
/// puts into `sockets`.
fn activated(config: &Path, make: &str, pid: &str) -> Command {
    const PASS: &str =
        "for i, s in enumerate(sockets): s.listen(); os.dup2(s.fileno(), 10 + i, inheritable=False)
for i in range(len(sockets)): os.dup2(10 + i, 3 + i, inheritable=True)
for name in [name for name in os.environ if name.startswith('AXP_EXPORTER_')]: del os.environ[name]
os.environ['LISTEN_FDS'] = str(len(sockets))
os.execv(sys.argv[1], sys.argv[1:])";
    let script = format!("import os, socket, sys\n{make}\nos.environ['LISTEN_PID'] = {pid}\n{PASS}");
    let mut command = tool("python3");
    command.args(["-I", "-c", &script]).arg(exporter([""; 0]).get_program()).args(["run", "-c"]).arg(config);
    command
}

#[test]
fn sockets_that_systemd_passes_are_served() {
    let house = House::new();
    let socket = house.path("passed.sock");
    let config = house.configure("[\"systemd\", \"127.0.0.1:0\"]", "");
    let make = format!(
        "sockets = [socket.create_server(('127.0.0.1', 0)), socket.socket(socket.AF_UNIX)]\nsockets[1].bind({:?})",
        socket.to_str().unwrap()
    );
    let mut running = Running::start(activated(&config, &make, "str(os.getpid())"), 3);
    assert_eq!(running.get("/-/healthy", "").status, 200);
    assert_eq!(running.urls[1], format!("http://unix:{}:/metrics", socket.display()));
    assert_eq!(Answer::ask(UnixStream::connect(&socket).unwrap(), "/-/healthy", "").unwrap().status, 200);
    assert!(running.process.stop().success());
    assert!(socket.exists(), "systemd's, not ours");

    for (make, pid, said) in [
        (
            "sockets = [socket.create_server(('127.0.0.1', 0))]",
            "'1'",
            "systemd has passed no socket to this process",
        ),
        ("sockets = []", "str(os.getpid())", "systemd has passed no socket to this process"),
        (
            "sockets = [socket.create_server(('127.0.0.1', 0))] * 17",
            "str(os.getpid())",
            "more than 16 sockets",
        ),
    ] {
        let output = activated(&config, make, pid).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        assert!(stderr.contains("listen on systemd") && stderr.contains(said), "{stderr}");
    }
}
