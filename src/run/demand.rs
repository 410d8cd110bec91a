//! What each step of an experiment needs memory for.

use crate::experiment::{Stage, Step};
use crate::spec::{Restart, TrainSpec};
use crate::train::Demand;

/// What a stage needs. Its masks keep `density` when it begins; `end` is the last training of the run that it ends, if it ends one:
/// the test set is read as in that.
pub fn demand(stage: &Stage, end: Option<&TrainSpec>, density: f64) -> Demand {
    let (spec, density, beside): (_, _, &'static [&'static str]) = match &stage.step {
        Step::Train(step) if step.masks.is_some() => (Some(&step.train), density, &["scores"]),
        Step::Train(step) => (Some(&step.train), density, &[]),
        Step::Recalibrate(spec) => (Some(spec), density, &["weights put aside"]),
        // Scores are measured dense.
        Step::Prune(spec) => (spec.data.as_deref().or(end), 1.0, spec.criterion.buffers()),
        Step::PruneUnits(spec) => (spec.data.as_deref().or(end), 1.0, spec.criterion.buffers()),
        // The replicas that take over the weights of those that train.
        Step::Restart(Restart::Rewind(_)) => (
            stage.training(),
            1.0,
            &["parameters to replace", "their gradients"],
        ),
        Step::Restart(_) | Step::Mask(_) | Step::Compact => (end, density, &[]),
    };
    Demand {
        beside,
        ..spec.map_or(Demand::of_batch(1), |spec| Demand::of(spec, density))
    }
}
