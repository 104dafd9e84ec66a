//! See `cases/config.rs`.
#![no_main]

#[path = "../cases/config.rs"]
mod config;
#[path = "../../tests/it/legal.rs"]
mod legal;
#[path = "../cases/lines.rs"]
mod lines;
#[path = "../cases/outputs.rs"]
mod outputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::run(data));
