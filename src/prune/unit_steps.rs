//! Pruning whole units of replicas that are on the GPU.

use super::criterion::Observe;
use super::either::prune_either;
use super::steps::{Data, PruneError, scoring_trainer};
use super::unit_choice::{choose_units, unit_groups};
use super::unit_scores::UnitScorer;
use crate::gpu::Gpu;
use crate::model::{Structure, mask};
use crate::spec::{TrainSpec, UnitPrune};
use crate::train::Replicas;

/// Removes units from every replica by its own amount; `specs[replica]` may differ only in the amount. A removed unit loses its
/// rows in every layer that makes it and its columns in every layer that reads it; its biases and normalisations have no mask
/// bits, and nobody reads what they make. Returns what a user should hear: groups whose last unit stayed against the amount, and
/// what a rule decided.
/// `observe` is as in [`super::prune_on`].
///
/// # Errors
/// NaN scores, fewer units left than asked for, no data where the criterion reads some, or the device failed. Masks are
/// unchanged in all these cases but the last.
pub fn prune_units(
    gpu: &Gpu,
    replicas: &Replicas,
    specs: &[&UnitPrune],
    data: Option<&Data<'_>>,
    observe: Observe<'_>,
) -> Result<Vec<String>, PruneError> {
    let Some(first) = specs.first() else {
        return Ok(Vec::new());
    };
    if first.rule.is_some() {
        return prune_either(gpu, replicas, specs, data, observe);
    }
    let model = &replicas.model;
    let structure = Structure::of(model);
    let groups = unit_groups(model, &structure, first)?;
    let names: Vec<String> = groups
        .iter()
        .map(|&g| {
            let layers = structure.groups[g].layers.iter();
            let names: Vec<&str> = layers.map(|&l| model.layers[l].name.as_str()).collect();
            names.join("+")
        })
        .collect();
    let trainings: Vec<&TrainSpec> = specs.iter().filter_map(|s| s.data.as_deref()).collect();
    let trainer = scoring_trainer(gpu, replicas, &trainings, data)?;
    let mut masks = replicas.read_masks(gpu)?;
    let scorer = UnitScorer {
        gpu,
        replicas,
        structure: &structure,
        groups: &groups,
        trainer,
    };
    let alive: Vec<Vec<Vec<bool>>> = masks.iter().map(|mask| scorer.alive(mask)).collect();
    let scores = scorer.scores(first.criterion, first.scope, &alive, observe)?;
    let mut notes = Vec::new();
    for ((spec, scores), mask) in specs.iter().zip(&scores).zip(&mut masks) {
        let (stay, saved) = choose_units(scores, spec, &names)?;
        for ((&g, stay), scores) in groups.iter().zip(&stay).zip(scores) {
            let gone = (0..stay.len()).filter(|&u| !stay[u] && scores[u].is_some());
            for i in gone.flat_map(|u| structure.groups[g].weights(model, u)) {
                mask::remove(mask, i);
            }
        }
        let last = names.iter().zip(saved).filter(|(_, saved)| *saved);
        notes.extend(last.map(|(name, _)| {
            format!(
                "warning: the amount asked for no unit of {name}; its best one stays, or nothing would pass"
            )
        }));
    }
    notes.sort();
    notes.dedup();
    gpu.write(&replicas.masks, 0, &masks.concat())?;
    replicas.apply_masks(gpu)?;
    Ok(notes)
}
