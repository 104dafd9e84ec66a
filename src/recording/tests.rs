//! What is recorded and told again gives the same, and nothing of anybody is recorded.

mod files;
mod harness;
mod pace;
mod privacy;
mod same;
