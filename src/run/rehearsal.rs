//! What this driver would not compute right, found before anything is trained.

use super::error::RunError;
use super::facts::Models;
use super::memory::CohortPlan;
use super::place::failed;
use crate::data::Dataset;
use crate::gpu::{Gpu, GpuError};
use crate::ops::Execution;
use crate::train::{RandomKey, Replicas, ResidentDataset, TrainError, Trainer, scales};
use std::collections::BTreeMap;

/// On a driver that ends long loops early: records one replica of each cohort's training for it, on a device that computes nothing.
///
/// # Errors
/// A kernel of a training would need longer loops; names the training, the kernel and the layer.
pub fn rehearse(
    gpu: &Gpu,
    cohorts: &[CohortPlan<'_>],
    models: &Models,
    datasets: &BTreeMap<String, Dataset>,
) -> Result<(), RunError> {
    if gpu.traits().loop_limit.is_none() {
        return Ok(());
    }
    let stage = gpu.rehearsal();
    let mut uploaded: BTreeMap<&str, ResidentDataset> = BTreeMap::new();
    for cohort in cohorts {
        let training = cohort.stage.step.training().map(|step| &step.train);
        let Some((spec, model)) = training.zip(models.of(&cohort.stage.model)) else {
            continue;
        };
        let Some(data) = datasets.get(&spec.dataset) else {
            continue;
        };
        if !uploaded.contains_key(&*spec.dataset) {
            uploaded.insert(&spec.dataset, ResidentDataset::upload(&stage, data)?);
        }
        let replicas = Replicas::new(&stage, model.clone(), &[RandomKey::default()])?;
        let (specs, scales) = ([spec], scales(&spec.normalise, data));
        let resident = &uploaded[&*spec.dataset];
        let execution = Execution::default();
        Trainer::new(&stage, &replicas, resident, &specs, &scales, &execution)
            .and_then(|trainer| recorded(&trainer).map_err(TrainError::from))
            .map_err(|source| failed(&format!("{} on {}", model.name, spec.dataset), source))?;
    }
    Ok(())
}

fn recorded(trainer: &Trainer<'_>) -> Result<(), GpuError> {
    trainer.training_program().map(|_| ())
}
