//! The `axp-exporter` program: a thin shell over the library.

use std::process::ExitCode;

use axp_exporter::command::CommandLine;

fn main() -> ExitCode {
    CommandLine::main()
}
