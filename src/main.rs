//! The program: parses the command line, prints and ends. Everything else is in the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
#[cfg(feature = "jemalloc")]
use tikv_jemallocator::Jemalloc;
use zoogate::cli::{self, Cli, Failure};

/// Gives memory back that has not been used for some seconds, from a thread of its own: after a crowd has left, nothing
/// else happens here that could do it.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let arguments = match Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nowhere to print to: the exit code still tells.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Failure::USAGE) } else { ExitCode::SUCCESS };
        }
    };
    #[cfg(feature = "failpoints")]
    let _active = zoogate::failpoints::begin();
    match cli::run(arguments) {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "zoogate: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
