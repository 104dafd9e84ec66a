//! See `cases/scrape.rs`.
#![no_main]

#[path = "../cases/scrape.rs"]
mod scrape;
#[path = "../../tests/it/legal.rs"]
mod legal;
#[path = "../cases/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scrape::run(data));
