//! See `cases/accept.rs`.
#![no_main]

#[path = "../cases/accept.rs"]
mod accept;

libfuzzer_sys::fuzz_target!(|data: &[u8]| accept::run(data));
