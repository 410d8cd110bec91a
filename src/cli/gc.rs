//! `secateur gc`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::store::Garbage;
use std::path::PathBuf;

/// Say what a run folder or a store holds that no row of a table needs; with --yes, delete it
#[derive(Args)]
pub struct GcArgs {
    /// A run folder, or a store that run folders share
    dir: PathBuf,
    /// Delete what can go
    #[arg(long)]
    yes: bool,
}

pub fn run(args: &GcArgs) -> Result<(), Failure> {
    let garbage = Garbage::judge(&args.dir)?;
    for user in &garbage.users {
        say(format_args!("asked for by {}", user.display()));
    }
    for gone in &garbage.gone {
        say(format_args!(
            "{} had its stages here and is gone: nothing is kept for it",
            gone.display()
        ));
    }
    let sums = garbage.sums();
    for (title, goes) in [("kept", false), ("can go", true)] {
        say(title);
        let mut any = false;
        for (reason, (files, bytes)) in sums
            .iter()
            .filter(|(reason, _)| reason.is_garbage() == goes)
        {
            any = true;
            say(format_args!(
                "  {files:6} files {:10.1} MiB  {}",
                *bytes as f64 / f64::from(1 << 20),
                reason.text()
            ));
        }
        if !any {
            say("  nothing");
        }
    }
    let bytes: u64 = sums
        .iter()
        .filter(|(reason, _)| reason.is_garbage())
        .map(|(_, (_, bytes))| bytes)
        .sum();
    let mib = bytes as f64 / f64::from(1 << 20);
    match (args.yes, bytes) {
        (_, 0) => {}
        (false, _) => say(format_args!(
            "nothing was deleted; --yes frees {mib:.1} MiB"
        )),
        (true, _) => {
            garbage.remove()?;
            say(format_args!(
                "freed {mib:.1} MiB; the same `run` needs no training for any row of its table"
            ));
        }
    }
    Ok(())
}
