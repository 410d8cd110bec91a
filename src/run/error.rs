//! What can end `secateur run`, and its exit code.

use crate::bench::BenchError;
use crate::data::DataError;
use crate::experiment::ExperimentErrors;
use crate::gpu::GpuError;
use crate::prune::PruneError;
use crate::report::PlotError;
use crate::store::{MaskError, StoreError};
use crate::train::TrainError;

/// Why an experiment did not finish.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The data is missing or damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The run folder could not be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mask file does not fit.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A plot could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// Training ended early.
    #[error("{what}: {source}")]
    Train {
        /// Which stage.
        what: String,
        /// Why.
        source: TrainError,
    },
    /// A prune or mask step could not be done.
    #[error("{what}: {source}")]
    Prune {
        /// Which stage.
        what: String,
        /// Why.
        source: PruneError,
    },
    /// The experiment prunes by a criterion of the program that runs it, and this one brings none.
    #[error(
        "criterion = \"custom\" stands for scores of the program that runs the experiment, and this one brings none: choose another criterion, or write such a program (`Engine::criterion` of the library, examples/own_criterion.rs)"
    )]
    NoCriterion,
    /// The file asks for what cannot be, as its data's shapes and sizes show.
    #[error("{0}")]
    Mistakes(ExperimentErrors),
    /// The experiment does not fit its data or this adapter.
    #[error("the experiment cannot run as it is:\n  {}", .0.join("\n  "))]
    Experiment(Vec<String>),
    /// The folder holds results of another adapter.
    #[error(
        "{folder} holds results computed on {theirs}, and this is {ours}. Bits differ between adapters, so they are not mixed: choose another folder with --out, or that adapter with --adapter. Under another driver, `secateur verify` computes some stages again: where every bit is the same, the folder goes on."
    )]
    OtherAdapter {
        /// The run folder.
        folder: String,
        /// The adapter in its results.
        theirs: String,
        /// The adapter now.
        ours: String,
    },
    /// A run failed, and the options say to stop then.
    #[error(
        "{run}: {reason}.\nStopped because of --fail-fast. Finished stages are in the run folder; without it, the other runs finish."
    )]
    FailedFast {
        /// Arm, sweep point and seed.
        run: String,
        /// Why it failed.
        reason: String,
    },
    /// Somebody stopped it; see [`StopToken`](super::StopToken).
    #[error(
        "interrupted. Finished stages are in the run folder; executing the same goes on from there and ends with the same results."
    )]
    Interrupted,
    /// `--verify-sparse` found a weight that sparse execution trained differently.
    #[error(
        "{what}, seed {seed}: weight {index} of the flat parameters is {sparse:e} by sparse execution and {dense:e} by dense. This is a bug of secateur or of the driver; --sparse never goes round it."
    )]
    SparseDiffers {
        /// Which stage.
        what: String,
        /// The replica's seed.
        seed: u32,
        /// Flat index of the weight.
        index: usize,
        /// Its value by the sparse kernels.
        sparse: f32,
        /// Its value by the dense kernels.
        dense: f32,
    },
    /// A stage's saved state is not what this version writes.
    #[error(
        "{path}: its record cannot be read ({reason}). Remove this file and run the same command again: only this stage is computed again."
    )]
    Record {
        /// The stage file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl From<BenchError> for RunError {
    fn from(error: BenchError) -> Self {
        let what = "measuring".to_owned();
        match error {
            BenchError::Gpu(source) => Self::Gpu(source),
            BenchError::Train(source) => Self::Train { what, source },
            BenchError::Prune(source) => Self::Prune { what, source },
        }
    }
}

impl RunError {
    /// The exit code: 2 experiment, 3 adapter, 4 data, 5 storage, 130 interrupted, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Gpu(_)
            | Self::Train {
                source: TrainError::Gpu(_),
                ..
            }
            | Self::Prune {
                source: PruneError::Gpu(_),
                ..
            } => 3,
            Self::Data(_) => 4,
            Self::Store(_) | Self::Record { .. } => 5,
            Self::Experiment(_)
            | Self::NoCriterion
            | Self::Mistakes(_)
            | Self::Mask(_)
            | Self::OtherAdapter { .. } => 2,
            Self::Prune { .. }
            | Self::Train { .. }
            | Self::SparseDiffers { .. }
            | Self::FailedFast { .. }
            | Self::Plot(_) => 1,
            Self::Interrupted => 130,
        }
    }
}
