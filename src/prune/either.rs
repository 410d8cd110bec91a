//! Units or weights: where to remove whole units, and where single weights.

use super::error::PruneError;
use super::steps::{ScoringData, prune};
use super::unit_choice::unit_groups;
use super::unit_steps::remove_units;
use crate::gpu::{Gpu, Observe};
use crate::model::{Model, Structure, UnitGroup};
use crate::spec::{Criterion, PruneSpec, Scope, UnitAmount, UnitPrune};
use crate::train::{RandomKey, Replicas, Snapshot};

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
    data: Option<&ScoringData<'_>>,
    observe: Observe<'_>,
) -> Result<Vec<String>, PruneError> {
    match specs.first() {
        Some(first) if first.rule.is_some() => prune_either(gpu, replicas, specs, data, observe),
        Some(_) => remove_units(gpu, replicas, specs, data, observe),
        None => Ok(Vec::new()),
    }
}

/// The weights that exist of each unit of a group.
fn units_of(model: &Model, group: &UnitGroup, snapshot: &Snapshot) -> Vec<Vec<f64>> {
    let exists = |i: &usize| snapshot.mask.keeps(*i);
    let weights = |unit| {
        let rows = group.producers.iter().map(|m| m.run(model, unit));
        let there = rows.flat_map(|run| run.indices()).filter(exists);
        there.map(|i| f64::from(snapshot.weights[i])).collect()
    };
    (0..group.units).map(weights).collect()
}

/// Prunes each layer of every replica by the amount of its spec: units where the rule takes them, and elsewhere the smallest
/// weights, which go first, so that columns of units that go later do not count as theirs. Layers whose units are tied decide
/// together. What a user should hear: what was decided.
///
/// Replica by replica: each may decide otherwise.
///
/// # Errors
/// As [`prune_units`].
fn prune_either(
    gpu: &Gpu,
    replicas: &Replicas,
    specs: &[&UnitPrune],
    data: Option<&ScoringData<'_>>,
    observe: Observe<'_>,
) -> Result<Vec<String>, PruneError> {
    let model = &replicas.model;
    let structure = Structure::of(model);
    let mut notes = Vec::new();
    let mut after = Vec::new();
    for (number, (spec, snapshot)) in specs.iter().zip(replicas.download(gpu)?).enumerate() {
        let (Some(rule), UnitAmount::Count(amount)) = (spec.rule, spec.amount) else {
            continue;
        };
        let names = |group: &UnitGroup| -> Vec<String> {
            let tensors = group.producers.iter().map(|m| &model.tensors[m.tensor]);
            tensors.map(|t| t.layer.clone()).collect()
        };
        let (mut units, mut weights) = (Vec::new(), Vec::new());
        for g in unit_groups(model, &structure, spec)? {
            let group = &structure.groups[g];
            match rule.takes_units(&units_of(model, group, &snapshot)) {
                true => units.extend(names(group)),
                false => weights.extend(names(group)),
            }
        }
        let key: Vec<RandomKey> = gpu.read(&replicas.keys, number as u64 * 16, 1)?;
        let alone = Replicas::new(gpu, model.clone(), &key)?;
        alone.upload(gpu, &[&snapshot])?;
        notes.push(format!(
            "seed {}: units of {}; weights of {}",
            key[0].seed,
            list(&units),
            list(&weights)
        ));
        if !weights.is_empty() {
            let spec = PruneSpec {
                layers: Some(weights),
                ..PruneSpec::new(Criterion::Magnitude, Scope::Layer, amount)
            };
            prune(gpu, &alone, &[&spec])?;
        }
        if !units.is_empty() {
            let spec = UnitPrune {
                rule: None,
                layers: Some(units),
                ..(*spec).clone()
            };
            notes.extend(remove_units(gpu, &alone, &[&spec], data, observe)?);
        }
        after.extend(alone.download(gpu)?);
    }
    replicas.upload(gpu, &after.iter().collect::<Vec<_>>())?;
    Ok(notes)
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}
