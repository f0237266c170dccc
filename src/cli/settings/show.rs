//! `flowgate config show`: what every option is, and who says so.

use std::io::{self, Write};

use super::super::Exit;
use super::super::failure::{Failure, Problem, written};
use super::{FILE, Setting, Settings, settings};
use crate::report::{Look, Page, Span, Tone};

/// Show what options are unless the command line says, and where from
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(in super::super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Show(Show),
}

/// Show every option, its value, and where that comes from
///
/// A flag wins over a variable, a variable over the file, the file over the default. The file is `flowgate.toml` in the
/// current directory, or what --config or FLOWGATE_CONFIG names. What is printed can be used as such a file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate config show
  flowgate config show analyze
  FLOWGATE_ANALYZE_FAIL_ON=medium flowgate config show analyze

The file:
  inventory = [\"inventory/\"]   # above the sections: for every command that has it
  profile = \"audit\"

  [analyze]                    # one command's ([expect-init] of two words); keys are its flags
  inputs = [\"s3://bucket/AWSLogs/\"]
  fail-on = \"medium\"
  skip = [\"beacon\"]
  all = true

Variables:
  FLOWGATE_, then the section, then the flag: FLOWGATE_ANALYZE_FAIL_ON=medium, FLOWGATE_PROFILE=audit")]
struct Show {
    /// Only options of this command, such as `analyze` or `expect init`
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

/// Does it.
pub(in super::super) fn execute(
    arguments: &Arguments,
    read: &Settings,
    command: &clap::Command,
    look: Look,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    let Command::Show(Show { path }) = &arguments.command;
    let known = settings(command);
    let shown: Vec<&Setting> = known.iter().filter(|setting| setting.path.starts_with(path)).collect();
    if shown.is_empty() {
        let message = format!("{}: no command with options of its own", path.join(" "));
        return Err(Failure::usage(vec![Problem::new(message).help("`flowgate config show` lists all")]));
    }
    written(show(read, &shown, &mut Page::new(stdout, look))).map(|()| Exit::Clean)
}

fn show(read: &Settings, shown: &[&Setting], page: &mut Page<'_>) -> io::Result<()> {
    let file = match &read.file {
        Some(file) => file.display().to_string(),
        None => format!("no {FILE}"),
    };
    page.line(&[Span::new(Tone::Faint, format!("# {file}; flags win over all of this"))])?;
    for unknown in &read.unknown {
        page.line(&[Span::new(Tone::Warn, format!("# {unknown}"))])?;
    }
    let mut section: &[String] = &[];
    for setting in shown {
        if setting.path != section {
            section = &setting.path;
            page.blank()?;
            page.line(&[Span::new(Tone::Strong, format!("[{}]", setting.section()))])?;
        }
        let said = read.of(setting);
        let (values, origin) = match said {
            Some(said) => (&said.values, said.origin.name()),
            None => (&setting.defaults, "default".to_owned()),
        };
        let (line, origin) = if values.is_empty() && !setting.switch {
            (format!("# {}", setting.key), "not set".to_owned())
        } else {
            (format!("{} = {}", setting.key, toml(setting, values)), origin)
        };
        let tone = if said.is_some() { Tone::Good } else { Tone::Faint };
        page.line(&[Span::plain(format!("{line:40} ")), Span::new(tone, format!("# {origin}"))])?;
    }
    Ok(())
}

/// As the file has it. JSON's strings and lists of them are TOML's, too.
fn toml(setting: &Setting, values: &[String]) -> String {
    let quoted = |value: &String| serde_json::Value::from(value.as_str()).to_string();
    match values {
        [] => "false".to_owned(),
        [value] if setting.switch => value.clone(),
        [value] if !setting.list => quoted(value),
        values => format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")),
    }
}
