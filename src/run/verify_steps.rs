//! The steps of a run one after another, before anything runs: counts that cannot be, schedules that do not fit, rewinding past the
//! end, mask files of another network.

use super::facts::{DataFacts, any_samples, known_samples, model_key};
use super::wrong::Wrong;
use crate::experiment::{Configuration, History, MaskEffect, Step};
use crate::model::{Mask, Model, Structure};
use crate::prune::{
    CountError, MaskChanges, TargetDensity, groups, room_for, room_for_units, target_density,
    unit_groups,
};
use crate::spec::{Length, MaskStep, PruneSpec, Restart, TrainSpec, TrainStep};
use crate::store::load_mask;
use crate::train::step_range_of;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The masks of files, or what is wrong with them, by the path and [`model_key`] of the network: many runs load the same.
pub(super) type MaskVerdicts = BTreeMap<(PathBuf, String), Result<Arc<Mask>, Wrong>>;

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
        loaded: None,
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
    /// The mask in force, where it is that of a file and no step has changed it.
    loaded: Option<Arc<Mask>>,
}

impl<'a> StepWalk<'a> {
    fn take(&mut self, step: &'a Step) -> Result<(), Wrong> {
        let verdict = self.check(step);
        self.before.take(step);
        self.keep_up(step);
        verdict
    }

    /// Takes the mask of a file into account, and what a step makes of it.
    fn keep_up(&mut self, step: &Step) {
        if let Step::Mask(MaskStep::Load(path)) = step {
            // What is wrong with the file is that step's mistake, and nothing is known of later ones.
            self.loaded = self.mask_in(path).and_then(Result::ok);
            if let Some(mask) = &self.loaded {
                self.before.left.load(&mask.counts(self.model));
            }
        } else if step.effect().mask != MaskEffect::None || self.before.compacted {
            self.loaded = None;
        }
    }

    /// The mask of a file; `None` once tensors have become smaller, as how small they are is not known yet.
    fn mask_in(&mut self, path: &Path) -> Option<Result<Arc<Mask>, Wrong>> {
        if self.before.compacted {
            return None;
        }
        let read = || {
            let mask = load_mask(path, &self.model.tensors);
            mask.map(Arc::new).map_err(|e| Wrong::new(&["load"], e))
        };
        let of = (path.to_path_buf(), self.key.clone());
        Some(self.masks.entry(of).or_insert_with(read).clone())
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
                let (model, structure) = (self.model, Structure::of(self.model));
                match &self.loaded {
                    Some(mask) => room_for_units(model, &structure, spec, mask)?,
                    None => unit_groups(model, &structure, spec).map(|_| ())?,
                }
                Ok(())
            }
            Step::Restart(Restart::Rewind(to)) => self.rewind(*to),
            Step::Mask(MaskStep::Load(path)) => match self.mask_in(path) {
                Some(Err(wrong)) => Err(wrong),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn counts(&self, spec: &PruneSpec) -> Result<(), Wrong> {
        if let Some(mask) = &self.loaded {
            return Ok(room_for(self.model, spec, mask)?);
        }
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

    /// Samples of a training, or where they are unknown a number that does for comparing its lengths, `more` among them.
    /// Mistakes about them, and about the step_range of a training, are `verify`'s.
    fn samples(&self, spec: &TrainSpec, more: &[Length]) -> Option<u32> {
        let known = known_samples(spec, self.facts.get(&spec.dataset)?).ok()?;
        known.or_else(|| any_samples(spec, more))
    }
}
