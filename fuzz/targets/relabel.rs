//! See `cases/relabel.rs`.
#![no_main]

#[path = "../cases/relabel.rs"]
mod relabel;
#[path = "../../tests/it/legal.rs"]
mod legal;
#[path = "../cases/lines.rs"]
mod lines;
#[path = "../cases/outputs.rs"]
mod outputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| relabel::run(data));
