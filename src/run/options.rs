//! How to run, and with what.

use super::events::StopToken;
use crate::gpu::Gpu;
use crate::ops::Execution;
use crate::prune::CustomCriterion;
use crate::store::AdapterAndDriver;
use std::path::PathBuf;

/// How to run. `RunOptions { out, ..RunOptions::default() }` is usual.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// The run folder: where results go, and where an earlier call's are found.
    pub out: PathBuf,
    /// Where stages lie, if not in the run folder: experiments that share it compute what they have in common once.
    pub store: Option<PathBuf>,
    /// Folder with the datasets; the environment variable `SECATEUR_DATA`, then the user's data folder if not given.
    pub data: Option<PathBuf>,
    /// Bytes of GPU memory that a cohort may take; 4 GiB if not given.
    pub memory: Option<u64>,
    /// Replicas that train together at most; changes speed and memory, never a result.
    pub replicas: Option<u32>,
    /// Kernel variants; the adapter's usual ones if not given. Changes speed, never a result.
    pub execution: Option<Execution>,
    /// Trains every cohort that runs sparse again without, and compares.
    pub verify_sparse: bool,
    /// Notes how long each kernel of the first training takes.
    pub profile: bool,
    /// Times finished runs under their masks, and the same with every layer dense, into `speed.csv`.
    pub measure_speed: bool,
    /// The name of a run, as in the column `run`: nothing else is computed.
    pub only: Option<String>,
    /// Stops at the first run that fails; else the others finish.
    pub fail_fast: bool,
    /// Saves trainings after every so many passes; by the clock if not given.
    pub checkpoint: Option<u32>,
}

/// What an engine executes with.
pub(super) struct Environment<'a> {
    pub gpu: &'a Gpu,
    pub options: RunOptions,
    pub stop: StopToken,
    pub custom: Option<Custom<'a>>,
    /// Names stages as this adapter and driver would, whatever computes them.
    pub named_as: Option<AdapterAndDriver>,
}

/// A criterion of the program that runs the experiment.
pub(super) struct Custom<'a> {
    /// Stands for what `scores` computes.
    pub name: String,
    pub scores: Box<CustomCriterion<'a>>,
}
