//! What is remembered of a finished stage beside its weights and mask.

use super::exact::Exact;
use super::measures::Measures;
use crate::train::{EpochPoint, Metrics};
use serde::{Deserialize, Serialize};

/// Loss and accuracy in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross-entropy.
    pub loss: Exact,
    /// Percent right.
    pub accuracy: Exact,
}

impl From<Metrics> for Score {
    fn from(m: Metrics) -> Self {
        Self {
            loss: Exact(m.loss),
            accuracy: Exact(m.accuracy),
        }
    }
}

/// One point of a learning curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Passes done.
    pub epoch: u32,
    /// Optimizer steps done.
    pub step: u32,
    /// Learning rate of the last step.
    pub learning_rate: Exact,
    /// Share of the prunable weights that exist, of the network that trains.
    pub density: Exact,
    /// Over the pass.
    pub train: Score,
    /// On the validation split.
    pub validation: Option<Score>,
    /// Steps so far whose loss was not finite.
    pub broken: u32,
}

impl From<Score> for Metrics {
    fn from(score: Score) -> Self {
        Self {
            loss: score.loss.0,
            accuracy: score.accuracy.0,
        }
    }
}

/// A training with violations ends, so a point that it went on from had none.
impl From<&CurvePoint> for EpochPoint {
    fn from(p: &CurvePoint) -> Self {
        Self {
            epoch: p.epoch,
            step: p.step,
            learning_rate: p.learning_rate.0,
            density: p.density.0,
            train: p.train.into(),
            validation: p.validation.map(Metrics::from),
            violations: 0,
            broken: p.broken,
        }
    }
}

impl From<&EpochPoint> for CurvePoint {
    fn from(p: &EpochPoint) -> Self {
        Self {
            epoch: p.epoch,
            step: p.step,
            learning_rate: Exact(p.learning_rate),
            density: Exact(p.density),
            train: p.train.into(),
            validation: p.validation.map(Score::from),
            broken: p.broken,
        }
    }
}

/// What a stage leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The learning curve, of train stages.
    pub curve: Vec<CurvePoint>,
    /// The pass whose weights a training kept, where its validation split chose one.
    pub kept_epoch: Option<u32>,
    /// Mask violations that the audits found.
    pub violations: u64,
    /// What the step left, after what the quick ones left that came since the last step that takes long: those may have no file.
    #[serde(default)]
    pub measures: Vec<Measures>,
}

/// What the weights are worth that a run ends with. It stands apart from the stage, whose bytes depend on its history alone: a run may
/// end where another goes on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalScores {
    /// On the validation split, where there is one.
    pub validation: Option<Score>,
    /// On the test set, read once.
    pub test: Score,
}
