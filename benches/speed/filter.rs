//! The program as a filter: events into its stdin, lines out of its stdout.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::exporter::cpu_time;
use crate::frames;
use crate::ingest;
use crate::report::{Report, Target, per_second};

/// How often all events are sent.
const ROUNDS: usize = 10;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `axp-exporter filter`, killed when dropped.
struct Filter {
    child: Child,
    stdin: ChildStdin,
    /// Lines that came, piece by piece.
    lines: Receiver<usize>,
    _folder: TempDir,
}

impl Filter {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("config.toml");
        std::fs::write(&configuration, "[limits]\nseries = 2000000\n").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_axp-exporter"))
            .args(["filter", "-c"])
            .arg(&configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                let ends = memchr::memchr_iter(b'\n', &buffer[..count]).count();
                let _ = sender.send(ends);
            }
        });
        Self { child, stdin, lines, _folder: folder }
    }

    /// Sends events of which each gives a line, and waits for these; gives what that cost the filter.
    fn send(&mut self, input: &[u8], events: usize) -> Duration {
        let before = cpu_time(&self.child);
        self.stdin.write_all(input).unwrap();
        let mut left = events;
        while left > 0 {
            left -= self.lines.recv_timeout(PATIENCE).unwrap();
        }
        cpu_time(&self.child).saturating_sub(before)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Events a second and core, from one pipe to the other.
pub(crate) fn measure(report: &mut Report) {
    let events = frames::agents(ingest::ROWS);
    let input = (events.join("\n") + "\n").into_bytes();
    let mut filter = Filter::start();
    filter.send(&input, events.len());
    let mut rig = ingest::known(frames::AGENTS, &events);
    let (mut core, mut process) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        core = core.min(crate::report::time(|| rig.apply(&events)));
        process = process.min(filter.send(&input, events.len()));
    }
    report.add(
        "filter: events of 14 measures to lines, pipe to pipe, a core-second",
        per_second(events.len(), process),
        format!("frame to table alone {}", per_second(events.len(), core)),
        core.as_secs_f64() / process.as_secs_f64(),
        Target::AtLeast(0.5),
    );
}
