//! Masks that change while a training runs, on the GPU.

use super::counts::{self, CountError, RankedGroup};
use super::criterion::Scorer;
use super::error::PruneError;
use super::invert::layer_by_layer;
use super::rewire::grow;
use super::steps::{alive_in, keep_largest};
use super::target_density::target_density;
use crate::spec::{
    Amount, Criterion, Gradual, Grow, MaskSchedule, Misfit, PruneSpec, Rewire, Scope, TrainSpec,
    UpdateSteps,
};
use crate::train::{MaskHook, TrainError, Trainer};
use std::ops::Range;

/// The changes that are to come in a training.
pub struct MaskChanges<'s> {
    schedule: &'s MaskSchedule,
    /// In steps of the whole length.
    update_steps: UpdateSteps,
    /// The steps of it that are trained.
    step_range: Range<u64>,
}

impl<'s> MaskChanges<'s> {
    /// Those of a training on `samples`, which takes `step_range` of its length.
    ///
    /// # Errors
    /// The schedule does not fit into the training.
    pub fn new(
        schedule: &'s MaskSchedule,
        spec: &TrainSpec,
        samples: u32,
        step_range: Range<u64>,
    ) -> Result<Self, PruneError> {
        let update_steps = schedule.update_steps(spec.length, samples, spec.batch);
        let update_steps = update_steps.map_err(PruneError::Schedule)?;
        // The last change is the one that reaches the target.
        if let Some(last) = update_steps
            .at
            .last()
            .filter(|&&last| last < step_range.start)
        {
            let start = step_range.start;
            return Err(PruneError::Schedule(Misfit {
                key: "enter",
                why: format!(
                    "the training is entered at step {start}, after the last change of its masks at step {last}"
                ),
            }));
        }
        Ok(Self {
            schedule,
            update_steps,
            step_range,
        })
    }

    fn shrink(
        &self,
        gradual: &Gradual,
        trainer: &Trainer<'_>,
        step: u64,
    ) -> Result<(), PruneError> {
        let (gpu, replicas) = (trainer.gpu(), trainer.replicas());
        let model = &replicas.model;
        let at_the_end = step >= self.update_steps.span.1;
        let last = target_density(&gradual.prune, model, Some(1.0)).unwrap_or(1.0);
        let sparsity = gradual.sparsity(&self.update_steps, 1.0 - last, step);
        let now = PruneSpec {
            amount: if at_the_end {
                gradual.prune.amount
            } else {
                Amount::Sparsity(sparsity)
            },
            ..gradual.prune.clone()
        };
        let mut groups = Vec::new();
        for mask in replicas.read_masks(gpu)? {
            let alive = mask.counts(model);
            let mut own = match counts::groups_of(model, &now, &alive) {
                // Layers that stay dense lost weights before, and the others need not lose any yet.
                Err(CountError::TooMany { .. }) if !at_the_end => {
                    counts::groups_of(model, &as_it_is(&now), &alive)
                }
                groups => groups,
            }?;
            if at_the_end {
                alive_in(model, &own, &mask)?;
            } else {
                // A mask that was there before may keep less than the schedule yet asks for.
                counts::no_more_than_alive(&mut own, &alive);
            }
            groups.push(own);
        }
        let mut scorer = Scorer::of_weights(gpu, replicas, gradual.prune.criterion);
        if gradual.prune.invert {
            // As many in each layer as the criterion itself would keep.
            let before = replicas.download(gpu)?;
            keep_largest(&scorer, &groups, &mut |_| true)?;
            let masks = replicas.read_masks(gpu)?;
            let found = groups.iter().zip(&masks);
            groups = found
                .map(|(groups, mask)| layer_by_layer(model, groups, mask))
                .collect();
            replicas.upload(gpu, &before.iter().collect::<Vec<_>>())?;
            scorer.invert = true;
        }
        keep_largest(&scorer, &groups, &mut |_| true)?;
        trainer.clear_pruned_moments()?;
        Ok(trainer.clear_pruned_gradients()?)
    }

    fn rewire(&self, rewire: &Rewire, trainer: &Trainer<'_>, step: u64) -> Result<(), PruneError> {
        let (gpu, replicas) = (trainer.gpu(), trainer.replicas());
        let masked: Vec<usize> = replicas.model.prunable_tensors().collect();
        let (mut stay, mut after) = (Vec::new(), Vec::new());
        for mask in replicas.read_masks(gpu)? {
            let alive = mask.counts(&replicas.model);
            let groups = |keep: &dyn Fn(usize) -> u64| -> Vec<RankedGroup> {
                let group = |&t: &usize| RankedGroup {
                    tensors: vec![t],
                    keep: keep(t),
                };
                masked.iter().map(group).collect()
            };
            let replaced = |t: usize| {
                let tensor = &replicas.model.tensors[t];
                // In a dense layer nothing can grow but what went; in a frozen one nothing that grows would learn.
                let stands = alive[t] == tensor.count as u64 || trainer.is_frozen(&tensor.layer);
                if stands {
                    return 0;
                }
                rewire.replaced(&self.update_steps, alive[t], step)
            };
            stay.push(groups(&|t| alive[t] - replaced(t)));
            after.push(groups(&|t| alive[t]));
        }
        if rewire.grow == Grow::Gradient {
            trainer.dense_gradients()?;
        }
        let scorer = Scorer::of_weights(gpu, replicas, Criterion::Magnitude);
        keep_largest(&scorer, &stay, &mut |_| true)?;
        // What went and grows again begins at 0 too.
        trainer.clear_pruned_moments()?;
        grow(trainer, rewire.grow, &masked, &after, step)?;
        Ok(trainer.clear_pruned_gradients()?)
    }
}

impl MaskHook for MaskChanges<'_> {
    fn next(&self, done: u64) -> Option<u64> {
        let from = self.step_range.start + done;
        let next = *self.update_steps.at.iter().find(|&&t| t >= from)?;
        (next <= self.step_range.end).then(|| next - self.step_range.start)
    }

    fn keeps_counts(&self) -> bool {
        matches!(self.schedule, MaskSchedule::Rewire(_))
    }

    /// Weights or gradients that are NaN, and an amount that the model cannot meet, are errors.
    fn change(&self, trainer: &Trainer<'_>, done: u64) -> Result<(), TrainError> {
        let step = self.step_range.start + done;
        Ok(match self.schedule {
            MaskSchedule::Gradual(gradual) => self.shrink(gradual, trainer, step),
            MaskSchedule::Rewire(rewire) => self.rewire(rewire, trainer, step),
        }?)
    }
}

/// A step that leaves each layer in scope as it is.
fn as_it_is(spec: &PruneSpec) -> PruneSpec {
    PruneSpec {
        scope: Scope::Layer,
        amount: Amount::Remaining(1.0),
        ..spec.clone()
    }
}
