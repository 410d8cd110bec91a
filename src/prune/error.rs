//! What can end a prune or mask step.

use super::counts::CountError;
use super::unit_choice::UnitError;
use crate::gpu::GpuError;
use crate::spec::Misfit;
use crate::train::TrainError;
use std::sync::Arc;

/// Why a prune or mask step could not be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PruneError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The amount does not fit the model.
    #[error(transparent)]
    Count(#[from] CountError),
    /// Units cannot be pruned as asked.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A training or a pass over batches that scores are measured with.
    #[error(transparent)]
    Train(TrainError),
    /// Masks cannot change as they should: their schedule does not fit into the training.
    #[error("{}", .0.why)]
    Schedule(Misfit),
    /// A criterion that reads data was given none.
    #[error("this criterion is measured on batches, and no dataset was given to the prune step")]
    NoData,
    /// A custom criterion was asked for, and the program brings none.
    #[error(
        "criterion \"custom\" is scored by the program that runs the experiment, and this one brings none"
    )]
    NoCriterion,
    /// A custom criterion did not score each weight once.
    #[error("the custom criterion gave {scores} scores for the {weights} weights of layer {layer}")]
    ScoreCount {
        /// The layer's name.
        layer: String,
        /// Its weights.
        weights: usize,
        /// Scores given.
        scores: usize,
    },
    /// The scores have no order.
    #[error(
        "{count} weights or their scores are NaN, so they cannot be ranked. The training before this prune diverged; lower its learning rate or set train.clip_norm."
    )]
    NotANumber {
        /// NaN scores.
        count: u32,
        /// Which replica.
        replica: usize,
    },
    /// Fewer weights exist than are to stay.
    #[error(
        "asked to keep {keep} weights of {layers}, but the mask leaves only {alive}. Pruned weights do not return, and all amounts but `remaining` count all weights, not those still there."
    )]
    TooFewLeft {
        /// Asked for.
        keep: u64,
        /// Still there.
        alive: u64,
        /// Where.
        layers: String,
    },
}

impl From<TrainError> for PruneError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Gpu(error) => Self::Gpu(error),
            error => Self::Train(error),
        }
    }
}

/// For a change of masks within a training.
impl From<PruneError> for TrainError {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Gpu(error) => Self::Gpu(error),
            PruneError::Train(error) => error,
            error => Self::Masks(Arc::new(error)),
        }
    }
}
