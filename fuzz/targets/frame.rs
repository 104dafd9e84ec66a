//! See `cases/frame.rs`.
#![no_main]

#[path = "../cases/frame.rs"]
mod frame;
#[path = "../../tests/it/legal.rs"]
mod legal;
#[path = "../cases/lines.rs"]
mod lines;
#[path = "../cases/outputs.rs"]
mod outputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frame::run(data));
