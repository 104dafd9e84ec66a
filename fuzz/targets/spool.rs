//! See `cases/spool.rs`.
#![no_main]

#[path = "../cases/spool.rs"]
mod spool;

libfuzzer_sys::fuzz_target!(|data: &[u8]| spool::run(data));
