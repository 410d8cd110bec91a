//! How much GPU memory an experiment will take at its peak.

use super::cohort::{self, Limits, key};
use super::facts::Models;
use super::memory_request::memory_request;
use super::target_density::density_at_most;
use crate::data::Dataset;
use crate::experiment::{Plan, Stage};
use crate::model::Model;
use crate::train::{Memory, ResidentDataset};
use std::collections::BTreeMap;

/// Stages that share a program and keep about as much.
pub struct CohortPlan<'p> {
    /// One of them.
    pub stage: &'p Stage,
    /// How many there are.
    pub stages: usize,
    /// How many of them run together.
    pub replicas: usize,
    /// What each needs.
    pub memory: Memory,
}

/// The cohorts of an experiment. Networks that are compacted on the way count whole: what is left of them is not
/// known before.
///
/// # Errors
/// One replica of some stage does not fit.
pub fn cohorts<'p>(
    plan: &'p Plan,
    models: &Models,
    limits: &Limits,
) -> Result<Vec<CohortPlan<'p>>, String> {
    let mut groups: BTreeMap<(String, u32), (usize, &Stage, f64)> = BTreeMap::new();
    for stage in &plan.stages {
        let Some(model) = models.of(&stage.model) else {
            continue;
        };
        // A training that prunes ends with lists for what it comes to.
        let last = match (stage.step.training(), stage.step.prunes()) {
            (Some(_), Some(_)) => Some(stage.id),
            _ => stage.parent,
        };
        let density = density_after(plan, last, model);
        let class = cohort::density_class(density);
        let group = groups.entry((key(stage), class)).or_insert((0, stage, 0.0));
        group.0 += 1;
        group.2 = group.2.max(density);
    }
    let mut cohorts = Vec::new();
    for (stages, stage, density) in groups.into_values() {
        let Some(model) = models.of(&stage.model) else {
            continue;
        };
        let request = memory_request(stage, None, density);
        let most = limits.replicas_of(model, &request)?;
        cohorts.push(CohortPlan {
            stage,
            stages,
            replicas: stages.min(most),
            memory: Memory::plan(model, &request),
        });
    }
    Ok(cohorts)
}

/// The largest density that a history of steps may leave. `last` is its last stage.
pub(super) fn density_after(plan: &Plan, last: Option<usize>, model: &Model) -> f64 {
    let parent = |id: &usize| plan.stages[*id].parent;
    let mut history: Vec<usize> = std::iter::successors(last, parent).collect();
    history.reverse();
    density_at_most(history.iter().map(|&id| &plan.stages[id].step), model)
}

/// Bytes of all buffers at the peak: every dataset, and the largest cohort. Staging of uploads and read-backs comes on top for
/// moments.
pub fn planned_peak(cohorts: &[CohortPlan<'_>], datasets: &BTreeMap<String, Dataset>) -> u64 {
    let data: u64 = datasets.values().map(ResidentDataset::planned_bytes).sum();
    let largest = cohorts.iter().map(|c| c.memory.bytes(c.replicas as u64));
    data + largest.max().unwrap_or(0)
}
