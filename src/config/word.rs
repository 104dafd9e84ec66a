//! Keys whose value is one word out of a closed set.
//!
//! Each set is a plain `Copy` enum that the other modules match on. The words are written out by
//! hand instead of derived: a derived enum also takes a number, its position, for the word.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)+ }
    )+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as configured.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Word;
                impl Visitor<'_> for Word {
                    type Value = $name;

                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        one_of(&[$($word),+], out)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        let word = $name::ALL.iter().find(|word| word.as_str() == text);
                        word.copied().ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Word)
            }
        }
    )+ };
}

words! {
    /// What a measure is, and so how its values are read and printed.
    Kind {
        /// A strict JSON number: a gauge, a float field.
        Number = "number",
        /// A span of time, exported in seconds.
        Duration = "duration",
        /// A point in time, given in milliseconds since 1970, exported in seconds; `0` is absent.
        Timestamp = "timestamp",
        /// `true` or `false`: 1 or 0.
        Boolean = "boolean",
        /// One text out of a small set: one gauge a state.
        State = "state",
        /// Any other text: a label of the row's info metric.
        Text = "text",
    }

    /// The unit in which AXP sends a duration.
    #[derive(Default)]
    DurationUnit {
        /// Seconds.
        #[default]
        Seconds = "s",
        /// Milliseconds.
        Millis = "ms",
    }

    /// The unit of one measure: that of a duration, or the wish to export percent as a ratio.
    Unit {
        /// The duration comes in seconds.
        Seconds = "s",
        /// The duration comes in milliseconds.
        Millis = "ms",
        /// The number is in percent: divide by 100 and call it `_ratio`.
        Ratio = "ratio",
    }

    /// How a measure's text is read where it is not a strict JSON number.
    #[derive(Default)]
    Format {
        /// A strict JSON number.
        #[default]
        Strict = "",
        /// Hours, minutes, seconds: `01:30:00`.
        HhMmSs = "hh:mm:ss",
        /// An ISO 8601 duration: `PT1H30M`.
        Iso8601 = "iso8601",
        /// A number with a percent sign after it: `12.5%`.
        Percent = "percent",
        /// A decimal comma, points between thousands: `1.234,5`.
        DecimalComma = "decimal-comma",
        /// Commas between thousands: `1,234.5`.
        Thousands = "thousands",
    }

    /// What becomes of personal data.
    #[derive(Default)]
    Personal {
        /// It is in no output.
        #[default]
        Drop = "drop",
        /// It is exported as it comes.
        Keep = "keep",
        /// It is replaced by a keyed hash, the same for the same person.
        Hash = "hash",
    }

    /// Where lines go.
    #[derive(Default)]
    Target {
        /// An InfluxDB-compatible HTTP API.
        #[default]
        Http = "http",
        /// A file that grows.
        File = "file",
        /// Standard output.
        Stdout = "stdout",
        /// A TCP connection.
        Tcp = "tcp",
        /// UDP datagrams.
        Udp = "udp",
        /// A Unix stream socket.
        Unix = "unix",
    }

    /// Which of InfluxDB's write APIs an `http` target speaks.
    #[derive(Default)]
    Api {
        /// `/write`, with database and retention policy.
        V1 = "v1",
        /// `/api/v2/write`, with organisation and bucket.
        #[default]
        V2 = "v2",
        /// `/api/v3/write_lp`, with database.
        V3 = "v3",
    }

    /// What a retired row leaves in line protocol.
    #[derive(Default)]
    OnDelete {
        /// Nothing.
        #[default]
        None = "none",
        /// One last line with the field `retired=true`.
        Marker = "marker",
    }

    /// The least severe log message that is written.
    #[derive(Default)]
    LogLevel {
        /// Someone must act.
        Error = "error",
        /// Degraded, but running.
        Warn = "warn",
        /// The life cycle.
        #[default]
        Info = "info",
        /// Each connection.
        Debug = "debug",
        /// Each frame.
        Trace = "trace",
    }

    /// How log messages are written.
    #[derive(Default)]
    LogFormat {
        /// For people.
        #[default]
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// `one of "a", "b"`, for messages.
fn one_of(words: &[&str], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_str("one of ")?;
    for (index, word) in words.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(out, "{separator}\"{word}\"")?;
    }
    Ok(())
}

/// Words that may be left out: `""` is `None`.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, IntoDeserializer, Serialize, Serializer, StrDeserializer};

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(in crate::config) fn serialize<T: Serialize, S: Serializer>(
        word: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match word {
            Some(word) => word.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(in crate::config) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: for<'word> Deserialize<'word>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let word: StrDeserializer<'_, D::Error> = text.as_str().into_deserializer();
        T::deserialize(word).map(Some)
    }
}
