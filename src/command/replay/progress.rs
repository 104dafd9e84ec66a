//! How far a replay is: one line on a terminal, written over and over.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::recording::Progress;

/// Goes to the line's beginning, and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";
/// Columns of the bar.
const BAR_WIDTH: usize = 24;

/// The line.
#[derive(Debug, Default)]
pub(super) struct Bar {
    is_shown: bool,
}

impl Bar {
    /// Writes it over what was there.
    pub(super) fn draw(&mut self, progress: &Progress) {
        self.is_shown = true;
        // With the cursor at its beginning, so that a message takes its place.
        write(&format!("{CLEAR_LINE}{}\r", line(progress)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.is_shown {
            write(CLEAR_LINE);
        }
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn line(progress: &Progress) -> String {
    let part = progress.part.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
    let percent = (part * 100.0) as usize;
    let full = percent * BAR_WIDTH / 100;
    let (full, empty) = ("#".repeat(full), " ".repeat(BAR_WIDTH - full));
    let mut line = format!("[{full}{empty}] {percent:3} %  {}", clock(progress.time));
    if let Ok(since_epoch) = u64::try_from(progress.unix_ns) {
        let at = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_nanos(since_epoch));
        let _ = write!(line, "  {at}");
    }
    let events = progress.tally.applied + progress.tally.refused;
    let _ = write!(line, "  {events} events");
    line
}

/// A time as hours, minutes and seconds.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Tally;

    #[test]
    fn the_line_says_how_far_it_is() {
        let progress = Progress {
            part: 0.5,
            unix_ns: 1_643_645_393_849_000_000,
            time: Duration::from_secs(3725),
            tally: Tally { applied: 41, refused: 1, ..Tally::default() },
        };
        assert_eq!(
            line(&progress),
            "[############            ]  50 %  1:02:05  Mon, 31 Jan 2022 16:09:53 GMT  42 events"
        );
        // Nothing in it is believed to be in bounds.
        let odd = Progress { part: f64::NAN, unix_ns: i64::MAX, time: Duration::MAX, ..progress };
        assert!(line(&odd).contains("  0 %"));
        assert!(
            line(&Progress { part: 7.0, unix_ns: -1, ..progress })
                .starts_with("[########################] 100 %")
        );
    }
}
