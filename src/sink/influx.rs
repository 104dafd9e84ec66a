//! The task of one line protocol sink: takes lines from its queue and writes them.
//!
//! Targets here: a file that grows, and standard output. Lines are gathered for
//! `flush_interval` or until `batch_bytes`. A write that fails costs its lines, which are
//! counted as dropped; what had been written of them is cut off again, so that the file
//! holds whole lines only. The task ends, with everything written, when its queue ends.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, Stdout};
use tracing::{info, warn};

use crate::config::{Influx, Target};
use crate::sink::queue::{Batch, LineReceiver};
use crate::telemetry;

/// Mode of a new file: it may hold personal data.
const FILE_MODE: u32 = 0o640;

/// Why a sink cannot be opened.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be opened for writing.
    Open(PathBuf, io::Error),
    /// The target does not exist in this version.
    Unsupported(Target),
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(path, _) => write!(formatter, "open {} for lines", path.display()),
            Self::Unsupported(target) => {
                write!(formatter, "write lines to {target}: not available in this version")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(_, err) => Some(err),
            Self::Unsupported(_) => None,
        }
    }
}

/// Where lines go.
#[derive(Debug)]
enum Writer {
    File(File),
    Stdout(Stdout),
}

/// One sink, open.
#[derive(Debug)]
pub struct Sink {
    name: String,
    writer: Writer,
    flush_interval: Duration,
    metrics: telemetry::Sink,
}

impl Sink {
    /// Opens the target of a configured sink.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn open(config: &Influx, metrics: telemetry::Sink) -> Result<Self, Error> {
        let writer = match config.target {
            Target::File => open_file(&config.path).await?,
            Target::Stdout => Writer::Stdout(tokio::io::stdout()),
            target => return Err(Error::Unsupported(target)),
        };
        metrics.up.set(1);
        Ok(Self { name: config.name.clone(), writer, flush_interval: config.flush_interval.get(), metrics })
    }

    /// Writes what comes until the queue ends.
    pub async fn run(mut self, receiver: LineReceiver) {
        let mut batch = Batch::default();
        while receiver.receive(&mut batch, self.flush_interval).await {
            match self.writer.write(&batch.bytes).await {
                Ok(()) => {
                    self.metrics.written.inc_by(batch.lines);
                    if self.metrics.up.set(1) == 0 {
                        info!(sink = self.name, "lines are written again");
                    }
                }
                Err(err) => {
                    self.metrics.dropped.inc_by(batch.lines);
                    if self.metrics.up.set(0) == 1 {
                        warn!(sink = self.name, err = %err, "lines cannot be written and are dropped");
                    }
                }
            }
            batch.bytes.clear();
        }
    }
}

impl Writer {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                stdout.write_all(lines).await?;
                stdout.flush().await
            }
            Self::File(file) => {
                // Asked each time: others may have cut the file.
                let length = file.metadata().await?.len();
                let wrote = async {
                    file.write_all(lines).await?;
                    file.flush().await
                };
                let wrote = wrote.await;
                if wrote.is_err() {
                    // Half a line would spoil the one after it.
                    let _ = file.set_len(length).await;
                }
                wrote
            }
        }
    }
}

/// Opens a file to append to, made if need be; a link in its place is refused.
async fn open_file(path: &Path) -> Result<Writer, Error> {
    let failed = |err| Error::Open(path.to_owned(), err);
    let file = File::options()
        .append(true)
        .create(true)
        .mode(FILE_MODE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .await
        .map_err(failed)?;
    Ok(Writer::File(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::sink::queue;
    use crate::telemetry::Telemetry;

    fn config(path: &Path) -> Influx {
        Influx { name: "main".to_owned(), target: Target::File, path: path.to_owned(), ..Influx::default() }
    }

    #[tokio::test]
    async fn a_file_is_appended_to_and_its_lines_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for _ in 0..2 {
            let metrics = Telemetry::new(1).sink("main");
            let (sender, receiver) = queue::lines(1, metrics.dropped.clone());
            let sink = Sink::open(&config(&path), metrics.clone()).await.unwrap();
            sender.send(b"a x=1 1\n");
            sender.send(b"b x=1 1\n");
            drop(sender);
            sink.run(receiver).await;
            assert_eq!((metrics.written.get(), metrics.dropped.get(), metrics.up.get()), (2, 0, 1));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a x=1 1\nb x=1 1\n".repeat(2));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o137,
            0,
            "not for others, nor to run"
        );
    }

    #[tokio::test]
    async fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        let opened = Sink::open(&config(&link), Telemetry::new(1).sink("main")).await;
        assert!(matches!(opened, Err(Error::Open(..))));
    }

    #[tokio::test]
    async fn a_full_disk_costs_the_lines_and_nothing_else() {
        let metrics = Telemetry::new(1).sink("main");
        let (sender, receiver) = queue::lines(1, metrics.dropped.clone());
        let sink = Sink::open(&config(Path::new("/dev/full")), metrics.clone()).await.unwrap();
        sender.send(b"a x=1 1\n");
        drop(sender);
        sink.run(receiver).await;
        assert_eq!((metrics.written.get(), metrics.dropped.get(), metrics.up.get()), (0, 1, 0));
    }
}
