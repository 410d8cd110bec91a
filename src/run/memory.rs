//! How much GPU memory an experiment will take at its peak.

use super::cohort::{self, Limits, key};
use super::demand::demand;
use super::verify::Models;
use crate::data::Dataset;
use crate::experiment::{Plan, Stage, Step};
use crate::model::Model;
use crate::prune::{MaskStep, asked_density, tensors_in_scope};
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
        let last = match (&stage.step, stage.step.prunes()) {
            (Step::Train(_), Some(_)) => Some(stage.id),
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
        let demand = demand(stage, None, density);
        let most = limits.replicas_of(model, &demand)?;
        cohorts.push(CohortPlan {
            stage,
            stages,
            replicas: stages.min(most),
            memory: Memory::plan(model, &demand),
        });
    }
    Ok(cohorts)
}

/// The density that a history of steps asks for; 1 where nothing was pruned. `last` is its last stage.
fn density_after(plan: &Plan, last: Option<usize>, model: &Model) -> f64 {
    let Some(id) = last else { return 1.0 };
    let before = || density_after(plan, plan.stages[id].parent, model);
    let step = &plan.stages[id].step;
    let Some(spec) = step.prunes() else {
        return match step {
            Step::Mask(MaskStep::Release) => 1.0,
            _ => before(),
        };
    };
    let tensors = tensors_in_scope(model, spec.layers.as_deref()).unwrap_or_default();
    let count = |t: usize| model.tensors[t].count as u64;
    let total: u64 = tensors.into_iter().map(count).sum();
    // Where the weights decide, as many as before may stay.
    let asked = asked_density(spec, model, Some(before())).unwrap_or_else(before);
    let kept = asked * total as f64;
    let all = model.prunable() as f64;
    (kept + (all - total as f64)) / all
}

/// Bytes of all buffers at the peak: every dataset, and the largest cohort. Staging of uploads and read-backs comes on top for
/// moments.
pub fn planned_peak(cohorts: &[CohortPlan<'_>], datasets: &BTreeMap<String, Dataset>) -> u64 {
    let data: u64 = datasets.values().map(ResidentDataset::planned_bytes).sum();
    let largest = cohorts.iter().map(|c| c.memory.bytes(c.replicas as u64));
    data + largest.max().unwrap_or(0)
}
