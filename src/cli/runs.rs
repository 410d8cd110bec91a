//! `secateur runs`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::report::{run_list, run_list_json};
use secateur::store::{FolderSummary, run_folders, summarise};
use std::path::{Path, PathBuf};

/// List run folders: experiment, runs done and planned, size, last write, adapter
#[derive(Args)]
pub struct RunsArgs {
    /// Run folders, or folders that hold some up to two levels below [default: runs]
    #[arg(value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RunsArgs) -> Result<(), Failure> {
    let usual = [PathBuf::from("runs")];
    let dirs = match args.dirs.as_slice() {
        [] if !Path::new("runs").exists() => {
            return Err(Failure::storage(
                "there is no folder `runs` here\n  name one that holds run folders: secateur runs DIR",
            ));
        }
        [] => &usual,
        dirs => dirs,
    };
    let mut folders = Vec::new();
    for dir in dirs {
        for folder in run_folders(dir)? {
            // Folders that are named may lie in one another.
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    let folders: Vec<FolderSummary> = folders.iter().map(|dir| summarise(dir)).collect();
    if args.json {
        say(format_args!("{:#}", run_list_json(&folders)));
    } else if folders.is_empty() {
        let names: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        say(format_args!("no run folders in {}", names.join(", ")));
    } else {
        say(run_list(&folders).trim_end());
    }
    Ok(())
}
