//! Labels: what tells one series of a producer from another.
//!
//! [`labels`] holds the set itself and the two things that make text from outside fit to be
//! printed: cleaning and escaping. [`relabel`] rewrites sets and drops rows by the rules of
//! `[[relabel]]`. Both are synchronous and without I/O; they run when a row appears or one of its
//! promoted labels changes, never once an event.

pub mod labels;
pub mod relabel;
