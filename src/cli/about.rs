//! `flowgate completions`, `man` and `detectors`: what the program tells about itself.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::Exit;
use super::failure::{Failure, Problem, written};

/// Print completions for a shell
///
/// Subcommands, options and their values, to be loaded by the shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate completions bash > ~/.local/share/bash-completion/completions/flowgate
  flowgate completions zsh > ~/.zfunc/_flowgate
  flowgate completions fish > ~/.config/fish/completions/flowgate.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(super) fn completions(
    arguments: &Completions,
    mut command: clap::Command,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    // It panics when it can't write; to memory it can.
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "flowgate", &mut script);
    written(stdout.write_all(&script)).map(|()| Exit::Clean)
}

/// Print the manual page, or write those of all subcommands
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate man | man -l -
  flowgate man --out ~/.local/share/man/man1/")]
pub(super) struct Manual {
    /// Write a page for each subcommand into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(
    arguments: &Manual,
    mut command: clap::Command,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    // Names subcommands with their words: flowgate-analyze.
    command.build();
    let Some(dir) = &arguments.out else {
        let mut page = Vec::new();
        let rendered = Man::new(command).render(&mut page);
        return written(rendered.and_then(|()| stdout.write_all(&page))).map(|()| Exit::Clean);
    };
    let failed = |path: &std::path::Path, error: std::io::Error| {
        let message = format!("--out {}: can't be written: {error}", path.display());
        Failure::failed(Problem::new(message).help("name a directory that can be written to"))
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let mut pages = vec![command];
    while let Some(command) = pages.pop() {
        pages.extend(command.get_subcommands().filter(|sub| sub.get_name() != "help").cloned());
        let page = Man::new(command);
        page.generate_to(dir).map_err(|error| failed(&dir.join(page.get_filename()), error))?;
    }
    Ok(Exit::Clean)
}

/// List the detectors
#[derive(Debug, clap::Args)]
pub(super) struct Detectors {}
