//! Spans of time and sizes as people write them: `"1h30m"`, `"4MiB"`.
//!
//! Whole numbers with units, nothing around them, nothing between them. What is read can be
//! written back: a value prints in the spelling that the reference uses.

use std::fmt;
use std::time;

use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// What a span of time looks like, for messages.
const DURATION_EXPECTED: &str = "a duration such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"";

/// What a size looks like, for messages.
const BYTES_EXPECTED: &str = "a size such as \"1024\", \"64KiB\", \"4MiB\" or \"1GiB\"";

/// Longest first, which is also the order in which they must be written.
const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Largest first; the powers of two come before the powers of ten, and so win when printing.
const BYTES_UNITS: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// A span of time in whole milliseconds, written with the units `h`, `m`, `s` and `ms` in this
/// order, each at most once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// A span of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of so many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The span as the standard library has it.
    pub const fn get(self) -> time::Duration {
        time::Duration::from_millis(self.0)
    }

    /// Reads `1h30m`; the error is what would have been right.
    ///
    /// # Errors
    ///
    /// Fails on anything but numbers with units in order, and past 2⁶⁴ milliseconds.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut rest, mut millis) = (text, 0_u64);
        let mut units = DURATION_UNITS.iter();
        while !rest.is_empty() {
            let (number, after) = split_number(rest).ok_or(DURATION_EXPECTED)?;
            let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
            let (unit, after) = after.split_at(letters);
            let (_, size) = units.find(|(name, _)| *name == unit).ok_or(DURATION_EXPECTED)?;
            let part = number.checked_mul(*size).ok_or(DURATION_EXPECTED)?;
            millis = millis.checked_add(part).ok_or(DURATION_EXPECTED)?;
            rest = after;
        }
        if text.is_empty() { Err(DURATION_EXPECTED) } else { Ok(Self(millis)) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return out.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, size) in DURATION_UNITS {
            if rest >= size {
                write!(out, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

/// A size in bytes, written as a whole number with `KiB`, `MiB`, `GiB` (powers of 1024), `kB`,
/// `MB`, `GB` (powers of 1000) or without a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// A size of so many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads `4MiB`; the error is what would have been right.
    ///
    /// # Errors
    ///
    /// Fails on anything but one number with at most one unit, and past 2⁶⁴ bytes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (number, unit) = split_number(text).ok_or(BYTES_EXPECTED)?;
        let size = if unit.is_empty() {
            1
        } else {
            BYTES_UNITS.iter().find(|(name, _)| *name == unit).ok_or(BYTES_EXPECTED)?.1
        };
        number.checked_mul(size).map(Self).ok_or(BYTES_EXPECTED)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BYTES_UNITS.iter().find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size)) {
            Some((unit, size)) => write!(out, "{}{unit}", self.0 / size),
            None => write!(out, "{}", self.0),
        }
    }
}

/// The digits at the start, and what follows them; none without digits or past 2⁶⁴.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// What both units share: text in the file, and the same text in messages.
macro_rules! written {
    ($name:ident, $expected:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        out.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

written!(Duration, DURATION_EXPECTED);
written!(Bytes, BYTES_EXPECTED);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_numbers_with_units_from_long_to_short() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1m5ms", 60_005),
            ("0s", 0),
        ] {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "30", "s", "1.5s", "-1s", "1s1h", "1s1s", " 1s", "1s ", "1 s", "1d", "99999999999999999999s"]
        {
            assert_eq!(Duration::parse(text), Err(DURATION_EXPECTED), "{text}");
        }
        assert_eq!(Duration::parse("18446744073709551615h"), Err(DURATION_EXPECTED));
    }

    #[test]
    fn a_size_is_one_number_with_at_most_one_unit() {
        for (text, bytes) in [("0", 0), ("1024", 1024), ("4MiB", 4 << 20), ("1GiB", 1 << 30), ("2kB", 2000)] {
            assert_eq!(Bytes::parse(text), Ok(Bytes::new(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "-1", "4mib", "4 MiB", "4M", "4MiB1KiB", "18446744073709551615kB"] {
            assert_eq!(Bytes::parse(text), Err(BYTES_EXPECTED), "{text}");
        }
    }

    #[test]
    fn what_is_read_prints_in_the_same_spelling() {
        for text in ["0s", "30s", "5m", "24h", "1h30m", "250ms"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        for text in ["0", "1", "1023", "64KiB", "4MiB", "1GiB", "3kB", "10MB", "5GB"] {
            assert_eq!(Bytes::parse(text).unwrap().to_string(), text);
        }
    }
}
