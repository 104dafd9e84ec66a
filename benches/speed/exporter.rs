//! The program itself as a child process: what it takes, and what it answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::centre::Centre;
use crate::frames;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A process that used no time for so long has nothing to do.
const QUIET: Duration = Duration::from_millis(100);

/// A running `axp-exporter run`, killed when dropped.
pub(crate) struct Exporter {
    child: Child,
    address: String,
    /// Keeps the pipe open.
    _stderr: BufReader<ChildStderr>,
    _folder: TempDir,
}

impl Exporter {
    /// Starts it for the queues of the centre.
    pub(crate) fn start(centre: &Centre) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("config.toml");
        let text = format!(
            "[axp]\napi_url = {:?}\naccount_id = \"EZCLTR\"\nclient_id = \"bench\"\nclient_secret = \"secret\"\n\
             app_key = \"key\"\ndictionary = false\nping_interval = \"5m\"\n[[producer]]\nid = {:?}\n\
             [limits]\nseries = 2000000\n[web]\nlisten = \"127.0.0.1:0\"\n",
            centre.url,
            frames::QUEUES,
        );
        std::fs::write(&configuration, text).unwrap();
        let mut permissions = std::fs::metadata(&configuration).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        std::fs::set_permissions(&configuration, permissions).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_axp-exporter"))
            .args(["run", "-c"])
            .arg(&configuration)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "the exporter ended:\n{said}");
            if let Some((_, url)) = said[from..].split_once("http://")
                && said[from..].contains("serving metrics")
            {
                break url.split('/').next().unwrap().to_owned();
            }
        };
        Self { child, address, _stderr: stderr, _folder: folder }
    }

    /// Where it is scraped.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.process().status().unwrap();
        status.vmrss.unwrap() * 1024
    }

    /// Time spent on all cores, in the system's calls too.
    pub(crate) fn cpu_time(&self) -> Duration {
        cpu_time(&self.child)
    }

    fn process(&self) -> procfs::process::Process {
        process_of(&self.child)
    }

    /// Waits until it has nothing to do.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Duration::MAX;
        while before != self.cpu_time() {
            assert!(Instant::now() < deadline, "still busy after {PATIENCE:?}");
            before = self.cpu_time();
            thread::sleep(QUIET);
        }
    }

    /// A connection to scrape on.
    pub(crate) fn scraper(&self) -> Scraper {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Scraper { stream, buffer: vec![0; 1 << 20] }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the kernel knows of a child.
fn process_of(child: &Child) -> procfs::process::Process {
    procfs::process::Process::new(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Time that a child spent on all cores, in the system's calls too.
pub(crate) fn cpu_time(child: &Child) -> Duration {
    let tasks = process_of(child).tasks().unwrap();
    let times = tasks.map(|task| task.unwrap().schedstat().unwrap().sum_exec_runtime);
    Duration::from_nanos(times.sum())
}

/// A connection that is scraped on again and again, as Prometheus does.
pub(crate) struct Scraper {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Scraper {
    /// GETs `/metrics` with these headers besides, and gives its body.
    pub(crate) fn scrape(&mut self, headers: &str) -> Vec<u8> {
        let mut body = Vec::new();
        self.read(headers, |piece| body.extend_from_slice(piece));
        body
    }

    /// The same, but keeps nothing; bytes of the body.
    pub(crate) fn drain(&mut self, headers: &str) -> usize {
        let mut bytes = 0;
        self.read(headers, |piece| bytes += piece.len());
        bytes
    }

    fn read(&mut self, headers: &str, mut take: impl FnMut(&[u8])) {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let (mut filled, mut left) = (0, None);
        while left != Some(0) {
            let count = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(count > 0, "the answer is cut short");
            filled += count;
            let mut body = 0;
            if left.is_none()
                && let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
                left = Some(length.parse::<usize>().unwrap());
                body = end + 4;
            }
            if let Some(left) = &mut left {
                take(&self.buffer[body..filled]);
                *left -= filled - body;
                filled = 0;
            }
        }
    }
}
