//! flowgate: parse, run, exit code. Everything else is in the library.

use std::io;
use std::process::ExitCode;

use flowgate::cli::{self, Environment};

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let exit =
        cli::run(&environment, Some(Box::new(io::stdin())), &mut io::stdout().lock(), &mut io::stderr());
    exit.into()
}
