//! `secateur completions`.

use super::failure::Failure;
use super::output::say;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print a script that completes commands and options in a shell
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the script for `command`, which is all of the command line.
pub fn run(args: &Completions, mut command: Command) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
