//! From a measure's text to a value with a name: what it is, whether it is exported, how
//! its number is spelled. No I/O, no clock.

pub mod allowlist;
pub mod format;
pub mod measure;
pub mod measures;
pub mod name;
pub mod names;
pub mod number;
pub mod privacy;
