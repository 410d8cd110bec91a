//! Arguments that several commands take.

use super::failure::Failure;
use clap::Args;
use secateur::experiment::Experiment;
use secateur::run::{RunError, RunOptions};
use std::path::PathBuf;

/// Which experiment.
#[derive(Args)]
pub(super) struct ExperimentArgs {
    /// The experiment's TOML file
    pub file: PathBuf,
    /// Override a value, e.g. --set train.batch=32 or --set 'seeds=[7,8]'; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub overrides: Vec<String>,
}

impl ExperimentArgs {
    pub fn read(&self) -> Result<Experiment, Failure> {
        let experiment = Experiment::read(&self.file, &self.overrides)
            .map_err(|errors| Failure::mistakes(&errors))?;
        match experiment.has_custom_criterion() {
            true => Err(RunError::NoCriterion.into()),
            false => Ok(experiment),
        }
    }
}

/// Which adapter.
#[derive(Args)]
pub(super) struct AdapterArgs {
    /// Adapter by its number or by a part of its name (see `secateur adapters`); the best one if not given
    #[arg(long, env = "SECATEUR_ADAPTER", value_name = "INDEX|TEXT")]
    pub adapter: Option<String>,
}

/// How many replicas train together.
#[derive(Args)]
pub(super) struct CohortArgs {
    /// Memory a cohort may take, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    pub memory: Option<u64>,
    /// Replicas that train together, at most; changes speed and memory, never a result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub replicas: Option<u32>,
}

impl CohortArgs {
    /// The memory in bytes.
    pub fn bytes(&self) -> Option<u64> {
        self.memory.map(|mib| mib << 20)
    }
}

/// Where the results of an experiment lie.
#[derive(Args, Clone)]
pub(super) struct FolderArgs {
    /// The run folder; runs/<experiment name> if not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where stages lie, shared by other experiments and processes, if not in the run folder
    #[arg(long, value_name = "DIR", env = "SECATEUR_STORE")]
    pub store: Option<PathBuf>,
}

impl FolderArgs {
    /// The options of a run of this experiment that say where.
    pub fn options(self, experiment: &Experiment) -> RunOptions {
        let usual = || PathBuf::from("runs").join(&experiment.name);
        RunOptions {
            out: self.out.unwrap_or_else(usual),
            store: self.store,
            ..RunOptions::default()
        }
    }
}

/// Where the data is.
#[derive(Args)]
pub(super) struct DataArgs {
    /// Folder with the datasets; else SECATEUR_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}
