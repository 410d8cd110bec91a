//! The cohorts that are measured: replicas under random masks of a density, before their first step.

use super::ceilings::Ceilings;
use super::error::BenchError;
use super::kernels::{Breakdown, breakdown};
use super::options::Options;
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::model::Model;
use crate::prune::prune;
use crate::spec::{Amount, Criterion, Length, Optimizer, PruneSpec, Scope, TrainSpec};
use crate::train::{Memory, MemoryRequest, RandomKey, Replicas, ResidentDataset, Trainer, scales};
use std::sync::Arc;
use std::time::Duration;

/// A model on a dataset, of which cohorts are measured.
pub(super) struct Bench<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) model: &'a Arc<Model>,
    pub(super) options: &'a Options,
    pub(super) memory: Memory,
    resident: ResidentDataset,
    scales: Vec<[f32; 2]>,
    spec: TrainSpec,
}

impl<'a> Bench<'a> {
    /// Brings the dataset onto the GPU.
    ///
    /// # Errors
    /// The device has no room.
    pub(super) fn new(
        gpu: &'a Gpu,
        model: &'a Arc<Model>,
        data: &Dataset,
        options: &'a Options,
    ) -> Result<Self, BenchError> {
        // Weights that stay as drawn cannot diverge, however long a measurement takes; a step costs the same.
        let optimizer = Optimizer::sgd(0.0, 0.9);
        let spec = TrainSpec::plain(&data.name, options.batch, Length::Steps(1), optimizer);
        Ok(Self {
            gpu,
            model,
            options,
            memory: Self::planned(model, &spec, options),
            resident: ResidentDataset::upload(gpu, data)?,
            scales: scales(&spec.normalise, data),
            spec,
        })
    }

    /// What a cohort needs at the density that needs most.
    fn planned(model: &Model, spec: &TrainSpec, options: &Options) -> Memory {
        let plans = options
            .densities
            .iter()
            .map(|&density| Memory::plan(model, &MemoryRequest::of(spec, density)));
        let largest = plans.max_by_key(|plan| plan.bytes(1));
        largest.unwrap_or_else(|| Memory::plan(model, &MemoryRequest::of(spec, 1.0)))
    }

    /// Why a cohort of `count` cannot be, if so.
    pub(super) fn no_room(&self, count: u32) -> Option<String> {
        let (limit, budget) = (self.gpu.max_binding(), self.options.memory);
        let fit = self.memory.replicas_that_fit(limit, budget);
        (u64::from(count) > fit).then(|| {
            let refusal = self.memory.refusal(u64::from(count), limit, budget);
            format!("no room: they need {refusal}")
        })
    }

    /// Hands a cohort of `count` replicas at `density` to `measure`.
    pub(super) fn with_cohort<T>(
        &self,
        count: u32,
        density: f64,
        measure: impl FnOnce(&Trainer<'_>, &Replicas) -> Result<T, BenchError>,
    ) -> Result<T, BenchError> {
        let gpu = self.gpu;
        let keys: Vec<RandomKey> = (0..count)
            .map(|seed| RandomKey {
                seed,
                ..RandomKey::default()
            })
            .collect();
        let replicas = Replicas::new(gpu, self.model.clone(), &keys)?;
        replicas.initialise(gpu)?;
        if density < 1.0 {
            let amount = Amount::Density(density);
            let random = PruneSpec::new(Criterion::Random, Scope::Uniform, amount);
            prune(gpu, &replicas, &vec![&random; keys.len()])?;
        }
        let specs = vec![&self.spec; keys.len()];
        // The trainer looks at the masks and may measure what to run sparse, so it comes last.
        let trainer = Trainer::new(
            gpu,
            &replicas,
            &self.resident,
            &specs,
            &self.scales,
            &self.options.execution,
        )?;
        trainer.rewind()?;
        measure(&trainer, &replicas)
    }

    /// The first cohort's step taken apart at the highest density, and at the lowest where other kernels run there.
    pub(super) fn breakdowns(
        &self,
        ceilings: &Ceilings,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<Breakdown>, BenchError> {
        let mut done: Vec<Breakdown> = Vec::new();
        let options = self.options;
        let Some(&count) = options.replicas.first() else {
            return Ok(done);
        };
        if self.no_room(count).is_some() {
            return Ok(done);
        }
        let densities = &options.densities;
        let ends = densities.first().into_iter().chain(densities.last());
        let window = Duration::from_secs_f64(options.seconds / 10.0);
        for &density in ends {
            let taken = self.with_cohort(count, density, |trainer, replicas| {
                let parts = trainer.training_program()?.parts();
                let known = done.iter().any(|breakdown| {
                    let rows = breakdown.kernels.iter();
                    rows.map(|row| (row.kernel.as_str(), row.place.as_str()))
                        .eq(parts.iter().map(|part| (part.kernel, &*part.place)))
                });
                if known {
                    return Ok(None);
                }
                say(&format!("timing each kernel at density {density}"));
                let batch = options.batch;
                breakdown(self.gpu, trainer, replicas, batch, Some(ceilings), window).map(Some)
            })?;
            done.extend(taken);
        }
        Ok(done)
    }
}
