//! The program; everything it does stands in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    stackctl::cli::run(std::env::args_os())
}
