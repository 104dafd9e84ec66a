//! What the pipeline promises, seen from both ends: frames in, exposition and lines out.

mod book;
mod harness;
#[path = "../../tests/it/legal.rs"]
mod legal;
mod life;
mod readings;
mod rows;
mod worked_example;
