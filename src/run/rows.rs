//! From finished stages to the rows of results.csv, curves.csv and rounds.csv.

use super::error::RunError;
use super::measures::{LayerMeasures, Measures, measure};
use super::numerical_version::NUMERICAL_VERSION;
use super::record::{CurvePoint, FinalScores, Record};
use super::target_density::target_density;
use crate::experiment::{Configuration, Experiment, Plan, Run, Step};
use crate::gpu::{AdapterDescription, Gpu};
use crate::model::Model;
use crate::spec::TrainSpec;
use crate::store::{CurveRow, DATASET, Owner, RoundRow, RunRow, mask_digest, weights_digest};
use crate::train::Snapshot;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What every row repeats.
pub struct Facts {
    /// Adapter name and backend.
    pub adapter: String,
    /// Driver.
    pub driver: String,
    /// Digest of the experiment.
    pub experiment_digest: String,
    /// Digests of the datasets, by name.
    pub data: BTreeMap<String, String>,
}

impl Facts {
    /// Adapter and driver as results name them.
    pub fn adapter_name(adapter: &AdapterDescription) -> String {
        format!("{} ({})", adapter.name, adapter.backend)
    }

    /// Name and version of the driver, with what tells its arithmetic from that of others.
    pub fn driver_name(gpu: &Gpu) -> String {
        let fused = if gpu.traits().fused_fma {
            ", fused fma"
        } else {
            ""
        };
        format!("{}{fused}", gpu.adapter().driver)
    }

    /// Refuses to go on from results of another adapter or driver: none of their stages would be found, and all would be computed
    /// anew. (The folder of an earlier version names none, and its stages are left alone.)
    pub(super) fn check(&self, before: &Owner, folder: &Path) -> Result<(), RunError> {
        let named = !before.adapter.is_empty();
        if named && (before.adapter != self.adapter || before.driver != self.driver) {
            return Err(RunError::OtherAdapter {
                folder: folder.display().to_string(),
                theirs: format!("{}, driver {}", before.adapter, before.driver),
                ours: format!("{}, driver {}", self.adapter, self.driver),
            });
        }
        Ok(())
    }

    /// The datasets that these steps read, each with the start of its digest.
    fn data_digest(&self, steps: &[Step]) -> String {
        let read: BTreeSet<&String> = steps
            .iter()
            .filter_map(Step::data)
            .map(|spec| &spec.dataset)
            .collect();
        let each = read.into_iter().filter_map(|name| {
            let digest = self.data.get(name)?;
            Some(format!("{name}={}", &digest[..16.min(digest.len())]))
        });
        each.collect::<Vec<_>>().join(" ")
    }
}

/// The last training of a variant: what its test score is about.
pub fn last_training(variant: &Configuration) -> Option<&TrainSpec> {
    let mut trainings = variant.steps.iter().rev().filter_map(Step::training);
    trainings.next().map(|step| &step.train)
}

/// A setting of several values for people: `adam, lr 0.001, ...`, its kind first, and what is not there left out.
fn in_words(setting: &impl serde::Serialize) -> String {
    serde_json::to_value(setting).map_or_else(|_| String::new(), |value| words(&value))
}

fn words(value: &Value) -> String {
    let table = match value {
        Value::Object(table) => table,
        Value::String(word) => return word.clone(),
        other => return other.to_string(),
    };
    let kind = table.get("kind").map(words);
    let rest = table
        .iter()
        .filter(|(key, value)| *key != "kind" && !value.is_null());
    let rest = rest.map(|(key, value)| format!("{} {}", key.replace('_', " "), words(value)));
    kind.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// Settings that differ between variants and that no axis of the sweep names: (name, value) per variant of each arm.
pub fn settings(experiment: &Experiment) -> Vec<Vec<Vec<(String, String)>>> {
    let all = |variant: &Configuration| -> Vec<(&'static str, String)> {
        let mut list = vec![("model", variant.model.name.clone())];
        if let Some(spec) = last_training(variant) {
            list.extend([
                (DATASET, spec.dataset.clone()),
                ("batch", spec.batch.to_string()),
                ("length", spec.length.to_string()),
                ("optimizer", in_words(&spec.optimizer)),
                ("weight decay on", in_words(&spec.weight_decay_on)),
                ("freeze", spec.freeze.join(" ")),
                ("schedule", in_words(&spec.schedule)),
            ]);
        }
        list
    };
    let variants: Vec<Vec<Vec<(&'static str, String)>>> = experiment
        .arms
        .iter()
        .map(|arm| arm.variants.iter().map(all).collect())
        .collect();
    let flat: Vec<&Vec<(&'static str, String)>> = variants.iter().flatten().collect();
    let varies = |name: &str| {
        let mut values = flat
            .iter()
            .flat_map(|list| list.iter().filter(|(n, _)| *n == name).map(|(_, v)| v));
        let first = values.next();
        values.any(|v| Some(v) != first)
    };
    // A dataset that only an axis changes already stands under the axis's name.
    let named_by_axis = |name: &str| {
        experiment.arms.iter().zip(&variants).all(|(arm, lists)| {
            arm.variants.iter().zip(lists).all(|(variant, list)| {
                list.iter()
                    .filter(|(n, _)| *n == name)
                    .all(|(_, v)| variant.point.iter().any(|(_, value)| value == v))
            })
        })
    };
    variants
        .iter()
        .map(|arm| {
            arm.iter()
                .map(|list| {
                    list.iter()
                        .filter(|(n, _)| varies(n) && !named_by_axis(n))
                        .map(|(n, v)| ((*n).to_owned(), v.clone()))
                        .collect()
                })
                .collect()
        })
        .collect()
}

/// Of the last training: the pass whose weights were kept, where one was chosen, and the training loss of the pass that the
/// weights are of.
pub fn last_pass(records: &[&Record]) -> (Option<u32>, Option<f64>) {
    let Some(record) = records.iter().rev().find(|r| !r.curve.is_empty()) else {
        return (None, None);
    };
    let kept = record.kept_epoch;
    let of_kept = |p: &&CurvePoint| Some(p.epoch) == kept;
    let point = record.curve.iter().find(of_kept).or(record.curve.last());
    (kept, point.map(|p| p.train.loss.0))
}

/// The row of a finished run: of the network as the experiment has it, and as it is at the end. Densities are shares of the
/// whole one, so that a network counts the same before and after it is compacted. `records` are those of its stages, first to last.
pub fn run_row(
    experiment: &Experiment,
    run: &Run,
    settings: &[(String, String)],
    (whole, model): (&Model, &Model),
    snapshot: &Snapshot,
    (records, scores): (&[&Record], &FinalScores),
    facts: &Facts,
) -> RunRow {
    let kept = snapshot.mask.counts(model);
    let prunable = || whole.tensors.iter().zip(&kept).filter(|(t, _)| t.prunable);
    let alive: u64 = prunable().map(|(_, k)| k).sum();
    let last = records.last();
    // Stages of earlier versions were saved without measures.
    let measured = last.and_then(|r| r.measures.last()?.layers.last().cloned());
    let left = measured
        .or_else(|| measure(model, snapshot).pop())
        .unwrap_or_default();
    let (selected_epoch, train_loss) = last_pass(records);
    RunRow {
        density: alive as f64 / whole.prunable() as f64,
        layer_density: prunable()
            .map(|(t, &k)| (t.layer.clone(), k as f64 / t.count as f64))
            .collect(),
        selected_epoch,
        train_loss,
        validation_loss: scores.validation.map(|s| s.loss.0),
        validation_accuracy: scores.validation.map(|s| s.accuracy.0),
        test_loss: scores.test.loss.0,
        test_accuracy: scores.test.accuracy.0,
        parameters: model.parameters() as u64,
        multiply_adds: model.multiply_adds(),
        mask_violations: records.iter().map(|r| r.violations).sum(),
        effective_density: left.effective as f64 / whole.prunable() as f64,
        dead_units: left.dead_units,
        compression: whole.prunable() as f64 / left.kept as f64,
        theoretical_speedup: whole.multiply_adds() as f64 / left.kept_multiply_adds as f64,
        pq_index: left.pq_index[0].0,
        weights_digest: weights_digest(&model.tensors, &snapshot.weights),
        mask_digest: mask_digest(&model.tensors, &snapshot.mask),
        ..unfinished_row(experiment, run, settings, whole, facts)
    }
}

/// The row of a run of which nothing was measured: what it is, and what it is computed on.
pub fn unfinished_row(
    experiment: &Experiment,
    run: &Run,
    settings: &[(String, String)],
    whole: &Model,
    facts: &Facts,
) -> RunRow {
    let arm = &experiment.arms[run.arm];
    let variant = &arm.variants[run.variant];
    RunRow {
        arm: arm.name.clone(),
        seed: run.seed,
        point: variant.point.clone(),
        settings: settings.to_vec(),
        target_density: target_density(&variant.steps, whole),
        density: f64::NAN,
        test_loss: f64::NAN,
        test_accuracy: f64::NAN,
        effective_density: f64::NAN,
        compression: f64::NAN,
        theoretical_speedup: f64::NAN,
        pq_index: f64::NAN,
        adapter: facts.adapter.clone(),
        driver: facts.driver.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        numerical_version: NUMERICAL_VERSION,
        experiment_digest: facts.experiment_digest.clone(),
        data_digest: facts.data_digest(&variant.steps),
        ..RunRow::default()
    }
}

/// The curve rows of a finished run.
pub fn curve_rows(
    experiment: &Experiment,
    plan: &Plan,
    run: &Run,
    records: &[&Record],
) -> Vec<CurveRow> {
    let arm = &experiment.arms[run.arm];
    let variant = &arm.variants[run.variant];
    let mut rows = Vec::new();
    for (&id, record) in run.stages.iter().zip(records) {
        let stage = &plan.stages[id];
        let Some(step) = stage.step.training() else {
            continue;
        };
        rows.extend(record.curve.iter().map(|point| CurveRow {
            arm: arm.name.clone(),
            seed: run.seed,
            point: variant.point.clone(),
            train_step: stage.train_ordinal,
            dataset: step.train.dataset.clone(),
            epoch: point.epoch,
            step: point.step,
            learning_rate: point.learning_rate.0,
            density: point.density.0,
            train_loss: point.train.loss.0,
            train_accuracy: point.train.accuracy.0,
            validation_loss: point.validation.map(|s| s.loss.0),
            validation_accuracy: point.validation.map(|s| s.accuracy.0),
        }));
    }
    rows
}

/// The rows of what each step of a run left, layer by layer.
pub fn round_rows<'m>(
    experiment: &Experiment,
    run: &Run,
    measures: impl Iterator<Item = &'m Measures>,
) -> Vec<RoundRow> {
    let arm = &experiment.arms[run.arm];
    let point = &arm.variants[run.variant].point;
    let row = |left: &Measures, of: &LayerMeasures| RoundRow {
        arm: arm.name.clone(),
        seed: run.seed,
        point: point.clone(),
        step: left.step,
        step_kind: left.does.clone(),
        layer: of.layer.clone(),
        weights: of.weights,
        kept_weights: of.kept,
        density: of.kept as f64 / of.weights as f64,
        effective_weights: of.effective,
        effective_density: of.effective as f64 / of.weights as f64,
        units: of.units,
        dead_units: of.dead_units,
        multiply_adds: of.multiply_adds,
        kept_multiply_adds: of.kept_multiply_adds,
        pq_index: of.pq_index[0].0,
        pq_index_1_2: of.pq_index[1].0,
    };
    let each = |left: &'m Measures| left.layers.iter().map(move |of| (left, of));
    measures
        .flat_map(each)
        .map(|(left, of)| row(left, of))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use crate::spec::{DecayOn, LearningRateSchedule, Optimizer};

    #[test]
    fn settings_are_in_words() {
        let adam = Optimizer::Adam {
            lr: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let words = "adam, beta1 0.9, beta2 0.999, eps 1e-8, lr 0.001, weight decay 0.0";
        assert_eq!(in_words(&adam), words);
        assert_eq!(in_words(&DecayOn::All), "all");
        assert!(!in_words(&LearningRateSchedule::CONSTANT).contains(['{', '"']));
    }
}
