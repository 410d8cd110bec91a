//! Pruning whole units of replicas that are on the GPU.

use super::error::PruneError;
use super::steps::{ScoringData, scoring_trainer};
use super::unit_choice::{choose_units, group_names, unit_groups};
use super::unit_scores::UnitScorer;
use crate::gpu::{Gpu, Observe};
use crate::model::Structure;
use crate::spec::{TrainSpec, UnitPrune};
use crate::train::Replicas;

/// Removes units from every replica by its own amount; returns groups whose last unit stayed against it, in words. As
/// [`super::prune_units`], where no rule decides.
pub(super) fn remove_units(
    gpu: &Gpu,
    replicas: &Replicas,
    specs: &[&UnitPrune],
    data: Option<&ScoringData<'_>>,
    observe: Observe<'_>,
) -> Result<Vec<String>, PruneError> {
    let Some(first) = specs.first() else {
        return Ok(Vec::new());
    };
    let model = &replicas.model;
    let structure = Structure::of(model);
    let groups = unit_groups(model, &structure, first)?;
    let names = group_names(model, &structure, &groups);
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
                mask.remove(i);
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
    replicas.set_masks(gpu, &masks)?;
    Ok(notes)
}
