//! `secateur man`.

use super::failure::Failure;
use super::output::say;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::PathBuf;

/// Print the manual page, or write one for each command
#[derive(Args)]
pub struct Manual {
    /// Folder for secateur.1, secateur-run.1 and so on; without it the first goes to standard output
    dir: Option<PathBuf>,
}

/// Prints or writes the pages of `command`, which is all of the command line.
pub fn run(args: &Manual, command: Command) -> Result<(), Failure> {
    // `help` has nothing to say about itself.
    let command = command.disable_help_subcommand(true);
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        let rendered = Man::new(command).render(&mut page);
        rendered.expect("memory takes what is written to it");
        say(String::from_utf8_lossy(&page).trim_end());
        return Ok(());
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .map_err(|error| Failure::storage(format!("cannot write to {}: {error}", dir.display())))
}
