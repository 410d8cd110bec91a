//! `secateur check`.

use super::args::ExperimentArgs;
use super::failure::Failure;
use super::output::say;
use clap::Args;
use secateur::experiment::Experiment;
use secateur::run::{Models, datasets, known_facts, verify};
use std::collections::BTreeMap;

/// Check an experiment file without running it
#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    experiment: ExperimentArgs,
}

/// All that can be checked without data or adapter.
pub fn verified(experiment: &Experiment) -> Result<Models, Failure> {
    let facts: BTreeMap<_, _> = datasets(experiment)
        .into_iter()
        .filter_map(|name| known_facts(experiment, &name).map(|facts| (name, facts)))
        .collect();
    verify(experiment, &facts).map_err(|errors| Failure::mistakes(&errors))
}

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let experiment = args.experiment.read()?;
    verified(&experiment)?;
    let variants: usize = experiment.arms.iter().map(|a| a.variants.len()).sum();
    say(format_args!(
        "{} is fine: {} arms, {} seeds, {} runs",
        args.experiment.file.display(),
        experiment.arms.len(),
        experiment.seeds.len(),
        variants * experiment.seeds.len()
    ));
    Ok(())
}
