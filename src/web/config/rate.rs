//! `rate_limit`: one request an interval, and so many at once.

use std::time::Duration;

use super::Fault;
use super::file::RateSection;

/// How many requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// After how long one more is. Not zero.
    pub interval: Duration,
    /// How many are at once, at least 1.
    pub burst: u32,
}

impl Rate {
    /// None where the interval is zero, as in the toolkit.
    pub(super) fn new(section: RateSection) -> Result<Option<Self>, Fault> {
        let text = section.interval.unwrap_or_default();
        let refused = || {
            let why = format!("found {text:?}, expected a duration such as 500ms, 1s or 1m30s");
            Fault::new("rate_limit.interval", why)
        };
        let interval = if text.is_empty() { Duration::ZERO } else { duration(&text).ok_or_else(refused)? };
        if interval.is_zero() {
            return Ok(None);
        }
        let burst = u32::try_from(section.burst.unwrap_or_default()).ok().filter(|burst| *burst > 0);
        let refused =
            || Fault::new("rate_limit.burst", "expected a number from 1 up; else nothing would be answered");
        Ok(Some(Self { interval, burst: burst.ok_or_else(refused)? }))
    }
}

/// A duration as Go writes it ([`ParseDuration`](https://pkg.go.dev/time#ParseDuration)), or a
/// whole number of nanoseconds, as the toolkit reads a bare one. Not negative.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(nanos) = text.parse::<u64>() {
        return Some(Duration::from_nanos(nanos));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number =
            rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.').len();
        let (number, after) = rest.split_at(number);
        let unit = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("1s", 1000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("2000000", 2),
            ("0", 0),
            ("+1s", 1000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["-1", "-1s", "s", "1 s", "1d", "1..5s", ".s", "1e3s", "1s!", "99999999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
