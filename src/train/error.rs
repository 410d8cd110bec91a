//! What can end a training.

use crate::gpu::GpuError;
use crate::spec::Length;
use std::error::Error;
use std::sync::Arc;

/// Why a training or evaluation did not finish.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrainError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Contract 1 was broken.
    #[error(
        "the mask audit found {count} pruned weights that are not 0 (after step {step}). The mask is a law, so this run is worthless and stops. This is a bug; please report it."
    )]
    Violation {
        /// Violations found.
        count: u32,
        /// Which replica.
        replica: usize,
        /// After how many steps.
        step: u64,
    },
    /// Replicas that are to train together disagree in what they must share.
    #[error(
        "replica {replica} has another `{key}` than replica 0: replicas of a cohort train in the same dispatches, and only numbers of the optimizer, `clip_norm` and `group_lasso` may differ between them"
    )]
    Disagreement {
        /// The first of those that disagree.
        replica: usize,
        /// The key of [`TrainSpec`](crate::spec::TrainSpec).
        key: String,
    },
    /// The split does not work out.
    #[error(
        "{dataset} has {available} training samples; validation = {validation} leaves {}. Lower train.validation or train.samples.",
        too_few(available.saturating_sub(*validation), *samples)
    )]
    NoSamples {
        /// The dataset.
        dataset: String,
        /// Samples in its training set.
        available: u32,
        /// Held out.
        validation: u32,
        /// Asked for.
        samples: Option<u32>,
    },
    /// A change of masks within the training: what a [`MaskHook`](super::MaskHook) says.
    #[error(transparent)]
    Masks(Arc<dyn Error + Send + Sync>),
    /// The part of the training that is asked for is none.
    #[error(
        "a training of {length} cannot begin at {} and end at {}. A point to enter or to rewind to lies before the end.",
        enter.map_or("0st".to_owned(), |l| l.to_string()),
        leave.unwrap_or(*length)
    )]
    NoSteps {
        /// The whole length.
        length: Length,
        /// Where it begins.
        enter: Option<Length>,
        /// Where it ends.
        leave: Option<Length>,
    },
}

/// What is left to train on, and why it does not do.
fn too_few(left: u32, samples: Option<u32>) -> String {
    match (left, samples) {
        (1.., Some(samples)) => format!("{left} of them, and samples = {samples} asks for more"),
        _ => "none of them to train on".to_owned(),
    }
}
