//! The steps of a run one after another, before anything runs: counts that cannot be, schedules that do not fit, rewinding past the
//! end, mask files of another network.

use super::facts::{DataFacts, any_samples, model_key};
use super::wrong::Wrong;
use crate::experiment::{Configuration, History, Step};
use crate::model::{Model, Structure};
use crate::prune::{CountError, MaskChanges, TargetDensity, groups, target_density, unit_groups};
use crate::spec::{Length, MaskStep, PruneSpec, Restart, TrainSpec, TrainStep};
use crate::store::load_mask;
use crate::train::{step_range_of, training_samples};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is wrong with mask files, or not, by the path and [`model_key`] of the network: many runs load the same.
pub(super) type MaskVerdicts = BTreeMap<(PathBuf, String), Result<(), Wrong>>;

/// What is wrong with the steps of a variant, by their index.
pub(super) fn check_steps(
    variant: &Configuration,
    model: &Model,
    facts: &BTreeMap<String, DataFacts>,
    masks: &mut MaskVerdicts,
) -> Vec<(usize, Wrong)> {
    let mut walk = StepWalk {
        model,
        key: model_key(&variant.model),
        masks,
        facts,
        before: History::new(TargetDensity::new(model)),
    };
    let steps = variant.steps.iter().enumerate();
    let wrong = steps.filter_map(|(index, step)| Some((index, walk.take(step).err()?)));
    wrong.collect()
}

struct StepWalk<'a> {
    model: &'a Model,
    key: String,
    masks: &'a mut MaskVerdicts,
    facts: &'a BTreeMap<String, DataFacts>,
    /// The steps before, with what their masks keep at the most.
    before: History<'a, TargetDensity<'a>>,
}

impl<'a> StepWalk<'a> {
    fn take(&mut self, step: &'a Step) -> Result<(), Wrong> {
        let verdict = self.check(step);
        self.before.take(step);
        verdict
    }

    fn check(&mut self, step: &Step) -> Result<(), Wrong> {
        if let Some(spec) = step.prunes() {
            self.counts(spec).map_err(|wrong| match step {
                Step::Train(_) => wrong.within("prune"),
                _ => wrong,
            })?;
        }
        match step {
            Step::Train(step) => self.schedule(step),
            Step::PruneUnits(spec) => {
                unit_groups(self.model, &Structure::of(self.model), spec)?;
                Ok(())
            }
            Step::Restart(Restart::Rewind(to)) => self.rewind(*to),
            Step::Mask(MaskStep::Load(path)) if !self.before.compacted => {
                let fits = || {
                    let mask = load_mask(path, &self.model.tensors);
                    mask.map(|_| ()).map_err(|e| Wrong::new(&["load"], e))
                };
                let of = (path.clone(), self.key.clone());
                self.masks.entry(of).or_insert_with(fits).clone()
            }
            _ => Ok(()),
        }
    }

    fn counts(&self, spec: &PruneSpec) -> Result<(), Wrong> {
        match groups(self.model, spec) {
            // Dense layers may have lost weights before.
            Err(CountError::DenseTooLarge { .. }) if self.before.left.at_most() < 1.0 => Ok(()),
            Err(error) => Err(error.into()),
            Ok(groups) if !self.before.compacted => {
                Ok(self.before.left.leaves_enough(spec, &groups)?)
            }
            Ok(_) => Ok(()),
        }
    }

    fn schedule(&self, step: &TrainStep) -> Result<(), Wrong> {
        let (spec, Some(schedule)) = (&step.train, step.masks.as_deref()) else {
            return Ok(());
        };
        if let (Some(target), Some(first)) = (schedule.target(), schedule.initial_sparsity())
            && let Some(last) = target_density(target, self.model, Some(1.0))
            && first > 1.0 - last + 1e-9
        {
            let message = format!(
                "`initial_sparsity` is {first}, more than the {:.4} at the end: pruned weights do not return",
                1.0 - last
            );
            return Err(Wrong::new(&["prune.initial_sparsity"], message));
        }
        let Some(samples) = self.samples(spec, &schedule.lengths()) else {
            return Ok(());
        };
        let Ok(step_range) = step_range_of(spec, samples) else {
            return Ok(());
        };
        let changes = MaskChanges::new(schedule, spec, samples, step_range);
        match changes.map_err(Wrong::from) {
            Ok(_) => Ok(()),
            Err(wrong) if wrong.keys == ["enter"] => Err(wrong),
            Err(wrong) => Err(wrong.within(schedule.key())),
        }
    }

    fn rewind(&self, to: Length) -> Result<(), Wrong> {
        let Some(first) = self.before.first_training else {
            return Ok(());
        };
        let beginning = TrainSpec {
            leave: Some(to),
            ..first.step.train.clone()
        };
        let samples = self.samples(&beginning, &[]);
        match samples.map(|n| step_range_of(&beginning, n)) {
            Some(Err(error)) => {
                let message = format!("rewinding to {to}: {error}");
                Err(Wrong::new(&["rewind"], message))
            }
            _ => Ok(()),
        }
    }

    /// Samples of a training, or before its dataset is loaded a number that does for comparing its lengths, `more` among them.
    /// Mistakes about them, and about the step_range of a training, are `verify`'s.
    fn samples(&self, spec: &TrainSpec, more: &[Length]) -> Option<u32> {
        match self.facts.get(&spec.dataset)?.train {
            Some(available) => training_samples(spec, available).ok(),
            None => any_samples(spec, more),
        }
    }
}
