//! Cohorts on the GPU, and what their steps need to know.

use super::error::RunError;
use super::events::StopToken;
use crate::data::Dataset;
use crate::experiment::Stage;
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::Execution;
use crate::prune::CustomCriterion;
use crate::spec::TrainSpec;
use crate::train::{
    MaskHook, RandomKey, Replicas, ResidentDataset, Snapshot, TrainError, Trainer, scales,
};
use std::sync::Arc;

/// What a step needs to know of the world.
pub struct RunContext<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// What variants of kernels are chosen from.
    pub execution: Execution,
    /// Train what runs sparse again without, and compare.
    pub verify_sparse: bool,
    /// What scores weights for a custom criterion.
    pub custom: Option<&'a CustomCriterion<'a>>,
    /// Who may stop it.
    pub stop: &'a StopToken,
    /// The dataset that the cohort trains or is tested on, in both places.
    pub data: Option<(&'a Dataset, &'a ResidentDataset)>,
}

fn key_of(stage: &Stage) -> RandomKey {
    RandomKey {
        seed: stage.seed,
        fresh: stage.fresh_ordinal,
        train: stage.train_ordinal,
        select: stage.step_ordinal,
    }
}

/// Brings a cohort onto the GPU: each stage from its parent's snapshot, or freshly initialised where it has none.
pub(super) fn place(
    gpu: &Gpu,
    model: &Arc<Model>,
    stages: &[&Stage],
    parents: &[Option<Arc<Snapshot>>],
) -> Result<Replicas, RunError> {
    let keys: Vec<RandomKey> = stages.iter().map(|s| key_of(s)).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys)?;
    if parents.iter().any(Option::is_none) {
        replicas.initialise(gpu)?;
    }
    for (slot, parent) in parents.iter().enumerate() {
        if let Some(snapshot) = parent {
            replicas.upload_one(gpu, slot, snapshot)?;
        }
    }
    Ok(replicas)
}

/// A trainer of replicas on the cohort's dataset; `changes` makes the changes of masks in it, if there are any.
pub(super) fn trainer_of<'t>(
    context: &RunContext<'t>,
    replicas: &'t Replicas,
    specs: &'t [&'t TrainSpec],
    changes: Option<&'t dyn MaskHook>,
    what: &str,
) -> Result<Trainer<'t>, RunError> {
    let (data, resident) = context.data.ok_or_else(|| {
        RunError::Experiment(vec![format!("{what}: no dataset was loaded for it")])
    })?;
    let scales = scales(&specs[0].normalise, data);
    let (gpu, execution) = (context.gpu, &context.execution);
    Trainer::with_changes(gpu, replicas, resident, specs, changes, &scales, execution)
        .map_err(|source| failed(what, source))
}

pub(super) fn specs_of<'s>(stages: &[&'s Stage]) -> Vec<&'s TrainSpec> {
    let specs = stages.iter().filter_map(|stage| stage.step.data());
    specs.collect()
}

/// What ended a training, with its name.
pub(super) fn failed(what: &str, source: TrainError) -> RunError {
    match source {
        TrainError::Interrupted => RunError::Interrupted,
        source => RunError::Train {
            what: what.to_owned(),
            source,
        },
    }
}
