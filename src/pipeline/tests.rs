//! What the pipeline promises, seen from both ends: frames in, exposition and lines out.

mod adoption;
mod book;
mod harness;
mod life;
mod model;
mod readings;
mod refusals;
mod rows;
mod takeover;
mod whole;
mod worked_example;
