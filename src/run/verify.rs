//! Checks that need the data's shapes and the model's: everything that can be known wrong before anything runs.

use super::facts::{DataFacts, Models, any_samples};
use super::verify_steps::{MaskVerdicts, check_steps};
use crate::experiment::{Experiment, Step};
use crate::model::{LayerAt, Model, Structure};
use crate::spec::{ModelSpec, Normalise, TrainSpec, steps_of};
use crate::train::{MOST_STEPS, stretch_of, training_samples};
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
/// All mistakes, each naming its arm.
pub fn verify(
    experiment: &Experiment,
    facts: &BTreeMap<String, DataFacts>,
) -> Result<Models, Vec<String>> {
    let mut models = Models::default();
    let mut mistakes = Vec::new();
    let mut masks = MaskVerdicts::new();
    for arm in &experiment.arms {
        for variant in &arm.variants {
            let place = if variant.point.is_empty() {
                format!("arm {:?}", arm.name)
            } else {
                let point: Vec<String> = variant
                    .point
                    .iter()
                    .map(|(a, v)| format!("{a} = {v}"))
                    .collect();
                format!("arm {:?} at {}", arm.name, point.join(", "))
            };
            let mut shape: Option<(String, DataFacts)> = None;
            for step in &variant.steps {
                let Some(spec) = step.data() else { continue };
                let found = check_train(&variant.model, spec, facts, &mut shape, &mut models);
                if let Err(mistake) = found {
                    mistakes.push(format!("{place}: {mistake}"));
                }
            }
            let Some(model) = models.of(&variant.model) else {
                continue;
            };
            let wrong = check_steps(variant, model, facts, &mut masks);
            mistakes.extend(wrong.iter().map(|mistake| format!("{place}: {mistake}")));
        }
    }
    mistakes.dedup();
    if mistakes.is_empty() {
        Ok(models)
    } else {
        Err(mistakes)
    }
}

fn check_train(
    model: &ModelSpec,
    spec: &TrainSpec,
    facts: &BTreeMap<String, DataFacts>,
    before: &mut Option<(String, DataFacts)>,
    models: &mut Models,
) -> Result<(), String> {
    let found = facts
        .get(&spec.dataset)
        .ok_or_else(|| format!("unknown dataset {:?}", spec.dataset))?;
    if let Some((name, other)) = before
        && (other.shape != found.shape || other.classes != found.classes)
    {
        return Err(format!(
            "{name} has {} inputs and {} classes, {} has {} and {}: one network cannot train on both",
            other.shape, other.classes, spec.dataset, found.shape, found.classes
        ));
    }
    *before = Some((spec.dataset.clone(), *found));
    let built = Model::new(model, found.shape, found.classes)
        .map_err(|e| format!("model {} on {}: {e}", model.name, spec.dataset))?;
    let known = models.enter(model, built);
    if known.input != found.shape || known.classes != found.classes {
        return Err(format!(
            "model {} is used with inputs of {} elsewhere in this file and of {} on {}; make two experiments of it",
            model.name, known.input, found.shape, spec.dataset
        ));
    }
    if spec.group_lasso.is_some() && !Structure::of(known).groups.iter().any(|g| g.removable) {
        return Err(format!(
            "group_lasso has nothing to work on: model {} has no units but its inputs and outputs",
            model.name
        ));
    }
    if let Normalise::Fixed { mean, .. } = &spec.normalise
        && ![1, found.shape.channels].contains(&mean.len())
    {
        return Err(format!(
            "normalise has {} means and stds, images of {} have {} channels; give one, or one for each channel",
            mean.len(),
            spec.dataset,
            found.shape.channels
        ));
    }
    let samples = match found.train {
        Some(train) => Some(training_samples(spec, train).map_err(|e| e.to_string())?),
        None => any_samples(spec, &[]),
    };
    let Some(samples) = samples else {
        return Ok(());
    };
    stretch_of(spec, samples).map_err(|e| e.to_string())?;
    check_length(spec, samples)?;
    check_normalisation(known, spec, found.train.map(|_| samples))
}

fn check_length(spec: &TrainSpec, samples: u32) -> Result<(), String> {
    let steps = steps_of(spec.length, samples, spec.batch);
    if steps > MOST_STEPS {
        return Err(format!(
            "a training of {} is {steps} steps, and at most {MOST_STEPS} are possible; make two of it, or use `patience` and a length that ends",
            spec.length
        ));
    }
    Ok(())
}

/// Batch normalisation needs more than one value per channel: one alone is its own mean, and nothing is left of it.
fn check_normalisation(
    model: &Model,
    spec: &TrainSpec,
    samples: Option<u32>,
) -> Result<(), String> {
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
    Err(format!(
        "{which} has one sample, so that layer {:?} sees one value per channel, whose variance is 0; choose another `batch`, or `samples` that it divides",
        layer.name
    ))
}
