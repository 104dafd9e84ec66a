//! An output that lines are written to and nothing can be taken back from: standard output.
//!
//! A write that fails half-way through a line leaves the half where it is; the next one goes on
//! with the byte after it. So the lines that could not be written have to come again, unchanged.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::load::last_line_end;

/// An output and how far it has come.
#[derive(Debug)]
pub(super) struct Output<W> {
    out: W,
    /// Bytes of the next line that are out already.
    torn: usize,
}

impl Output<File> {
    /// Standard output, without a buffer in between, so that what is written is known.
    ///
    /// # Errors
    /// Where there are too many open files.
    pub(super) fn stdout() -> io::Result<Self> {
        let file = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self { out: file.into(), torn: 0 })
    }
}

impl<W: Write> Output<W> {
    /// Writes lines; says how many bytes of whole lines are out now, and what kept the others in.
    pub(super) fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = std::mem::take(&mut self.torn);
        let result = loop {
            let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) else { break Ok(()) };
            match self.out.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => break Err(err),
            }
        };
        let whole = lines.get(..written).map_or(0, last_line_end);
        self.torn = written - whole;
        (whole, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, and says no after each.
    struct Stubborn(Vec<u8>, usize, bool);

    impl Write for Stubborn {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if !self.2 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_is_torn_goes_on_where_it_was_and_none_comes_twice() {
        let lines = b"a x=1 1\nbb x=2 2\nc x=3 3\n";
        for at_once in 1..lines.len() {
            let mut output = Output { out: Stubborn(Vec::new(), at_once, false), torn: 0 };
            let mut rest = lines.as_slice();
            while !rest.is_empty() {
                let (bytes, result) = output.append(rest);
                assert!(bytes == 0 || rest[..bytes].ends_with(b"\n"));
                rest = &rest[bytes..];
                assert_eq!(result.is_ok(), rest.is_empty());
            }
            assert_eq!(output.out.0, lines, "{at_once} at once");
        }
    }
}
