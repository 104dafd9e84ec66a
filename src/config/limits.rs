//! `[limits]`: bounds on what the feed can make this program hold.

use serde::{Deserialize, Serialize};

use super::check;
use super::key::Key;
use super::report::Report;
use super::units::Bytes;

/// Label values shorter than this could not tell two rows apart, longer ones are no labels.
const LABEL_VALUE_BYTES: std::ops::RangeInclusive<usize> = 16..=65_536;

/// Bounds on what the feed can make this program hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Series of measures at a time, all producers together. At least 1, default 1000000. At the
    /// limit new series are refused and counted, those that exist go on; a retired row gives its
    /// places back. Each text of an info series takes a place too. There are at most as many
    /// rows as places; one whose keys and values have more than 256 bytes counts as several.
    pub series: usize,
    /// The longest websocket message that is read; a longer one closes the connection. 1KiB to
    /// 256MiB, default 4MiB.
    pub frame_bytes: Bytes,
    /// The longest label value in bytes of UTF-8; what is beyond is cut off at a character. 16 to
    /// 65536, default 1024.
    pub label_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series: 1_000_000, frame_bytes: Bytes::new(4 << 20), label_value_bytes: 1024 }
    }
}

impl Limits {
    pub(super) fn check(&self, report: &mut Report) {
        let key = Key::of("limits");
        if self.series == 0 {
            report.value(&key.at("series"), "0", "at least 1");
        }
        let (least, most) = (Bytes::new(1 << 10), Bytes::new(256 << 20));
        check::span(&key.at("frame_bytes"), self.frame_bytes, least, most, report);
        if !LABEL_VALUE_BYTES.contains(&self.label_value_bytes) {
            let expected = format!("{} to {}", LABEL_VALUE_BYTES.start(), LABEL_VALUE_BYTES.end());
            report.value(&key.at("label_value_bytes"), self.label_value_bytes.to_string(), expected);
        }
    }
}
