//! `secateur completions`.

use super::failure::Failure;
use super::{Cli, say};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a script that completes commands and options in a shell
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

pub fn run(args: &Completions) -> Result<(), Failure> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
