//! `secateur compare`.

use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::report::{ComparedExperiment, comparison, comparison_json};
use secateur::store::{Owner, read_owner, read_resolved, read_table};
use std::path::{Path, PathBuf};

/// Compare the experiments of two run folders: settings that differ, and paired differences of test accuracy
#[derive(Args)]
pub struct CompareArgs {
    /// A run folder
    a: PathBuf,
    /// Another, which is compared with it
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &CompareArgs) -> Result<(), Failure> {
    let owners = (read_owner(&args.a)?, read_owner(&args.b)?);
    check(&args.a, &owners.0, &args.b, &owners.1)?;
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    match args.json {
        true => say(format_args!("{:#}", comparison_json(&a, &b))),
        false => say(comparison(&a, &b).trim_end()),
    }
    Ok(())
}

fn read(dir: &Path) -> Result<ComparedExperiment, Failure> {
    let name = dir.display().to_string();
    let resolved = read_resolved(dir)?.ok_or_else(|| {
        Failure::storage(format!(
            "{name} has no resolved.json\n  run its experiment again in this folder: what is missing is written anew"
        ))
    })?;
    Ok(ComparedExperiment {
        resolved,
        rows: read_table(dir)?,
        name,
    })
}

/// Refuses results whose bits would differ even where nothing of the experiments does.
fn check(dir_a: &Path, a: &Owner, dir_b: &Path, b: &Owner) -> Result<(), Failure> {
    let version = |owner: &Owner| format!("version {} of the numbers", owner.numerical_version);
    let driver = |owner: &Owner| format!("driver {} of {}", owner.driver, owner.adapter);
    let (on_a, on_b, again) = if a.adapter != b.adapter {
        let again = "one of the experiments on the other's adapter (`--adapter`)";
        (a.adapter.clone(), b.adapter.clone(), again)
    } else if a.driver != b.driver {
        (driver(a), driver(b), "both experiments under one driver")
    } else if a.numerical_version != b.numerical_version {
        (
            version(a),
            version(b),
            "both experiments with one version of secateur",
        )
    } else {
        return Ok(());
    };
    Err(Failure::experiment(format!(
        "{} was computed on {on_a}, and {} on {on_b}\n  bits differ between these, so a difference would not be one of the settings alone\n  run {again}, in a folder of its own (`--out DIR`)",
        dir_a.display(),
        dir_b.display(),
    )))
}
