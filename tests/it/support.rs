//! What the tests share: running programs, a small HTTP client, and waiting.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a step may take before its test fails: far beyond what one takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The program under test, with nothing of ours in its environment.
pub(crate) fn exporter<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axp-exporter"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AXP_EXPORTER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// A program that `tests/run` provides; without it the test fails and says so.
#[track_caller]
pub(crate) fn tool(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    assert!(there, "{name} is missing: run tests/run, which installs it");
    Command::new(name)
}

/// The Python of `target/venv` on a script below `tests/it`, with packages of `tests/requirements.txt`.
#[track_caller]
pub(crate) fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python");
    assert!(python.is_file(), "{} is missing: run tests/run, which makes it", python.display());
    let mut command = Command::new(python);
    // Isolated: what the user has installed or set for Python is no matter.
    command.arg("-I").arg(root.join("tests/it").join(script));
    command
}

/// Runs a program to its end with this input.
#[track_caller]
pub(crate) fn pipe(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("failed to start {}: {err}", command.get_program().display()));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    // By a thread, as both pipes may fill up; a program that does not read it all may say why.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("a child can be waited for");
    writer.join().expect("writing does not panic");
    output
}

/// Waits until `condition` gives `Ok`, and gives what is in it; an `Err` says what is there instead.
///
/// `what` fits "still no …".
#[track_caller]
pub(crate) fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(instead) if Instant::now() >= deadline => {
                panic!("still no {what} after {patience:?}: {instead}")
            }
            Err(_) => thread::sleep(LOOK_INTERVAL),
        }
    }
}

/// A child process whose output is read as it comes; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the program, with no stdin.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        let mut process = Self::spawn(command);
        process.read_stdout();
        process
    }

    /// Starts the program, with a stdin to write to.
    #[track_caller]
    pub(crate) fn start_fed(command: Command) -> (Self, ChildStdin) {
        let (mut process, stdin) = Self::start_unread(command);
        process.read_stdout();
        (process, stdin)
    }

    /// The same, with a stdout that nobody reads before [`Self::read_stdout`].
    #[track_caller]
    pub(crate) fn start_unread(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command);
        let stdin = process.child.stdin.take().expect("stdin is piped");
        (process, stdin)
    }

    /// Bytes that wait in the pipe of its stdout, which nobody reads yet.
    #[track_caller]
    pub(crate) fn unread_bytes(&self) -> u64 {
        let out = self.child.stdout.as_ref().expect("nobody reads it yet");
        rustix::io::ioctl_fionread(out).expect("a pipe tells")
    }

    /// Has stdout read, from now on.
    pub(crate) fn read_stdout(&mut self) {
        let (lines, stdout) = channel();
        let out = BufReader::new(self.child.stdout.take().expect("nobody reads it yet"));
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        self.stdout = stdout;
    }

    /// Closes a stdout that nobody reads.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take().expect("nobody reads it yet"));
    }

    #[track_caller]
    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("failed to start {}: {err}", command.get_program().display()));
        let stderr = Arc::new(Mutex::new(String::new()));
        let (err, kept) =
            (BufReader::new(child.stderr.take().expect("stderr is piped")), Arc::clone(&stderr));
        thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                kept.lock().expect("nobody panics with it").push_str(&(line + "\n"));
            }
        });
        Self { child, stdout: channel().1, stderr }
    }

    /// Reads stdout until a line in which `look` finds what it looks for.
    #[track_caller]
    pub(crate) fn read_until<T>(&self, what: &str, look: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            match self.stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(found) = look(&line) {
                        return found;
                    }
                    seen.push_str(&(line + "\n"));
                }
                Err(err) => {
                    let why = match err {
                        RecvTimeoutError::Timeout => format!("after {PATIENCE:?}"),
                        RecvTimeoutError::Disconnected => "and stdout has ended".to_owned(),
                    };
                    panic!("no {what} on stdout, {why}; it said:\n{seen}stderr:\n{}", self.stderr());
                }
            }
        }
    }

    /// Reads stdout up to the line that begins so; gives all of that.
    #[track_caller]
    pub(crate) fn read_through(&self, begin: &str) -> String {
        let seen = Mutex::new(String::new());
        self.read_until(begin, |line| {
            let mut seen = seen.lock().expect("nobody panics with it");
            seen.extend([line, "\n"]);
            line.starts_with(begin).then_some(())
        });
        seen.into_inner().expect("nobody panics with it")
    }

    /// The lines of stdout that have come since the last look.
    pub(crate) fn read_come(&self) -> Vec<String> {
        self.stdout.try_iter().collect()
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().expect("nobody panics with it").clone()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// What is left on stdout, to its end.
    pub(crate) fn read_rest(&self) -> Vec<String> {
        self.stdout.iter().collect()
    }

    /// Asks it to stop as systemd does, and gives how it ended.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.stop_by("TERM")
    }

    /// Sends it this signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: &str) {
        // The shell's own `kill`: a minimal Debian has no other.
        let kill = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", self.child.id())).status();
        assert!(kill.expect("sh can be started").success(), "failed to send SIG{signal}");
    }

    /// Asks it to stop by this signal, and gives how it ended.
    #[track_caller]
    pub(crate) fn stop_by(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        wait_for("end of the process", PATIENCE, || self.ended().ok_or_else(|| self.stderr()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The status line and the headers, as received.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The body of an answer that has to be a success.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status, 200, "{}\n{}", self.head, self.body);
        self.body
    }
}

/// GETs a URL.
#[track_caller]
pub(crate) fn get(url: &str) -> Answer {
    request("GET", url, &[], "")
}

/// Sends one request to a URL `http://host:port/path`, on a connection of its own.
#[track_caller]
pub(crate) fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_request(method, url, headers, body).unwrap_or_else(|err| panic!("failed to {method} {url}: {err}"))
}

/// As [`request`], where it may be that nobody listens.
pub(crate) fn try_request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer ends with the connection and comes in no chunks.
    let mut message =
        format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        message.extend([*name, ": ", *value, "\r\n"]);
    }
    stream.write_all((message + "\r\n" + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| std::io::Error::other(format!("no status in {head:?}")))?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
