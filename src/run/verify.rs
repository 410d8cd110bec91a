//! Checks that need the data's shapes and the model's: everything that can be known wrong before anything runs.

use super::facts::{DataFacts, Models, any_samples, known_samples};
use super::verify_steps::{MaskVerdicts, check_steps};
use super::wrong::Wrong;
use crate::experiment::{Experiment, ExperimentErrors, Late, Step};
use crate::model::{LayerAt, Model, Structure};
use crate::spec::{ModelSpec, Normalise, TrainSpec, steps_of};
use crate::train::{MOST_STEPS, step_range_of};
use std::collections::BTreeMap;

/// The train steps of an experiment, each dataset once.
pub fn datasets(experiment: &Experiment) -> Vec<String> {
    let mut names: Vec<String> = trainings(experiment)
        .map(|spec| spec.dataset.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn trainings(experiment: &Experiment) -> impl Iterator<Item = &TrainSpec> {
    experiment
        .arms
        .iter()
        .flat_map(|arm| &arm.variants)
        .flat_map(|variant| &variant.steps)
        .filter_map(Step::data)
}

/// Builds every model on every dataset it trains on, and walks through the steps of every variant.
///
/// # Errors
/// All mistakes, each at its place in the file.
pub fn verify(
    experiment: &Experiment,
    facts: &BTreeMap<String, DataFacts>,
) -> Result<Models, ExperimentErrors> {
    let mut models = Models::default();
    let mut mistakes = Vec::new();
    let mut masks = MaskVerdicts::new();
    for (arm, variants) in experiment.arms.iter().map(|arm| &arm.variants).enumerate() {
        for (index, variant) in variants.iter().enumerate() {
            let mut shape: Option<(String, DataFacts)> = None;
            let mut wrong = Vec::new();
            for (step, spec) in variant.steps.iter().map(Step::data).enumerate() {
                let Some(spec) = spec else { continue };
                let found = check_train(&variant.model, spec, facts, &mut shape, &mut models);
                wrong.extend(found.err().map(|found| (step, found)));
            }
            if let Some(model) = models.of(&variant.model) {
                wrong.extend(check_steps(variant, model, facts, &mut masks));
            }
            mistakes.extend(wrong.into_iter().map(|(step, wrong)| Late {
                arm,
                variant: index,
                step: (!wrong.of_model).then_some(step),
                keys: wrong.keys,
                message: wrong.message,
            }));
        }
    }
    if mistakes.is_empty() {
        Ok(models)
    } else {
        Err(experiment.mistakes(&mistakes))
    }
}

/// The key of a dataset.
const DATASET: &[&str] = &["dataset"];

fn check_train(
    model: &ModelSpec,
    spec: &TrainSpec,
    facts: &BTreeMap<String, DataFacts>,
    before: &mut Option<(String, DataFacts)>,
    models: &mut Models,
) -> Result<(), Wrong> {
    let found = facts
        .get(&spec.dataset)
        .ok_or_else(|| Wrong::new(DATASET, format!("unknown dataset {:?}", spec.dataset)))?;
    if let Some((name, other)) = before
        && (other.shape != found.shape || other.classes != found.classes)
    {
        let message = format!(
            "{name} has {} inputs and {} classes, {} has {} and {}: one network cannot train on both",
            other.shape, other.classes, spec.dataset, found.shape, found.classes
        );
        return Err(Wrong::new(DATASET, message));
    }
    *before = Some((spec.dataset.clone(), *found));
    let built = Model::new(model, found.shape, found.classes).map_err(|error| {
        let layer = model.layers.iter().position(|l| l.name == error.layer);
        let layer = layer.map(|index| format!("layers.{index}"));
        let message = format!("model {} on {}: {error}", model.name, spec.dataset);
        Wrong {
            of_model: true,
            keys: layer.into_iter().chain(["preset".to_owned()]).collect(),
            message,
        }
    })?;
    let known = models.enter(model, built);
    if known.input != found.shape || known.classes != found.classes {
        let message = format!(
            "model {} is used with inputs of {} elsewhere in this file and of {} on {}; make two experiments of it",
            model.name, known.input, found.shape, spec.dataset
        );
        return Err(Wrong::new(DATASET, message));
    }
    if spec.group_lasso.is_some() && !Structure::of(known).groups.iter().any(|g| g.removable) {
        let message = format!(
            "group_lasso has nothing to work on: model {} has no units but its inputs and outputs",
            model.name
        );
        return Err(Wrong::new(&["group_lasso"], message));
    }
    if let Normalise::Fixed { mean, .. } = &spec.normalise
        && ![1, found.shape.channels].contains(&mean.len())
    {
        let message = format!(
            "normalise has {} means and stds, images of {} have {} channels; give one, or one for each channel",
            mean.len(),
            spec.dataset,
            found.shape.channels
        );
        return Err(Wrong::new(&["normalise"], message));
    }
    let samples = known_samples(spec, found)
        .map_err(|e| Wrong::new(&["samples", "validation", "dataset"], e))?;
    if let Some(samples) = samples.or_else(|| any_samples(spec, &[])) {
        step_range_of(spec, samples).map_err(|e| Wrong::new(&["enter", "length"], e))?;
        check_length(spec, samples)?;
    }
    check_normalisation(known, spec, samples)
}

fn check_length(spec: &TrainSpec, samples: u32) -> Result<(), Wrong> {
    let steps = steps_of(spec.length, samples, spec.batch);
    if steps > MOST_STEPS {
        let message = format!(
            "a training of {} is {steps} steps, and at most {MOST_STEPS} are possible; make two of it, or use `patience` and a length that ends",
            spec.length
        );
        return Err(Wrong::new(&["length"], message));
    }
    Ok(())
}

/// Batch normalisation needs more than one value per channel: one alone is its own mean, and nothing is left of it.
fn check_normalisation(model: &Model, spec: &TrainSpec, samples: Option<u32>) -> Result<(), Wrong> {
    let flat = |layer: &&LayerAt| layer.operator.needs_whole_batch() && layer.input.plane() == 1;
    let Some(layer) = model.layers.iter().find(flat) else {
        return Ok(());
    };
    let of_one = |n: u32| {
        let a_pass = u64::from(n.div_ceil(spec.batch));
        n % spec.batch == 1 && steps_of(spec.length, n, spec.batch) >= a_pass
    };
    let which = match samples {
        _ if spec.batch == 1 => "a batch",
        Some(n) if of_one(n) => "the last batch of each pass",
        _ => return Ok(()),
    };
    let message = format!(
        "{which} has one sample, so that layer {:?} sees one value per channel, whose variance is 0; choose another `batch`, or `samples` that it divides",
        layer.name
    );
    Err(Wrong::new(&["batch"], message))
}
