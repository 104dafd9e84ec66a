//! See `cases/recording.rs`.
#![no_main]

#[path = "../../tests/it/legal.rs"]
mod legal;
#[path = "../cases/recording.rs"]
mod recording;

libfuzzer_sys::fuzz_target!(|data: &[u8]| recording::run(data));
