//! What is recorded and told again gives the same, and nothing of anybody is recorded.

mod files;
mod harness;
mod privacy;
mod same;
