//! Trainings that may cost as many multiply-adds as the whole network would, dense ("Scratch-B": Liu et al. 2019, section 3).

use super::error::RunError;
use super::measures::kept_multiply_adds;
use super::setup::Setup;
use super::stages::Stages;
use crate::experiment::{Stage, Step};
use crate::spec::{Length, steps_of};
use crate::train::{MOST_STEPS, training_samples};

/// A stage as it runs once its parent is there: a training with `equal_flops` is longer by as much as the network that it
/// trains is smaller, in whole steps, rounded down. Where nothing is kept, or the parent is yet to be computed, it is as asked.
///
/// # Errors
/// The model was not checked.
pub(super) fn as_it_runs(
    setup: &Setup<'_>,
    stages: &Stages<'_>,
    id: usize,
) -> Result<Stage, RunError> {
    let mut stage = setup.plan.stages[id].clone();
    let Some(step) = stage.step.training() else {
        return Ok(stage);
    };
    let spec = &step.train;
    let data = setup.datasets.get(&spec.dataset);
    let (true, Some(snapshot), Some(data)) = (spec.equal_flops, stages.parent_of(&stage), data)
    else {
        return Ok(stage);
    };
    let whole = setup.model_of(&stage)?.multiply_adds();
    let kept = kept_multiply_adds(&*stages.model_before(&stage)?, &snapshot.mask);
    let Ok(samples) = training_samples(spec, data.train.len() as u32) else {
        return Ok(stage);
    };
    let steps = steps_of(spec.length, samples, spec.batch);
    if let Some(longer) = longer(steps, whole, kept) {
        let mut step = step.clone();
        step.train.length = Length::Steps(longer);
        stage.step = Step::Train(step);
    }
    Ok(stage)
}

/// `steps` of a network of `whole` multiply-adds, in steps of one of `kept`; at most [`MOST_STEPS`]. `None` where none is kept.
fn longer(steps: u64, whole: u64, kept: u64) -> Option<u32> {
    let longer = (u128::from(steps) * u128::from(whole)).checked_div(u128::from(kept))?;
    Some(longer.min(u128::from(MOST_STEPS)) as u32)
}

#[cfg(test)]
mod tests {
    use super::longer;

    #[test]
    fn a_smaller_network_trains_as_much_longer() {
        assert_eq!(longer(1000, 266_200, 266_200), Some(1000));
        assert_eq!(longer(1000, 266_200, 13_310), Some(20_000));
        assert_eq!(longer(10, 10, 3), Some(33));
        assert_eq!(longer(1 << 25, 2, 1), Some(1 << 25));
        assert_eq!(longer(10, 10, 0), None);
    }
}
