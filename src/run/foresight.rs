//! What a run would find and what it would still compute, without running it.

use super::datasets::facts_of;
use super::error::RunError;
use super::events::StopToken;
use super::failure::arm_at_point;
use super::options::{Environment, RunOptions};
use super::setup::Setup;
use super::stages::INPUT;
use super::verify::verify;
use crate::data::Dataset;
use crate::experiment::{Experiment, InputDifference, StageInput, common_steps};
use crate::gpu::Gpu;
use crate::store::{StageStore, TimeRow, read_rows_alone};
use std::collections::{BTreeMap, BTreeSet};

/// What a run would do.
#[derive(Clone, Debug)]
pub struct Foresight {
    /// The names of the runs, in the plan's order.
    pub runs: Vec<String>,
    /// Stages that get a file.
    pub stages: usize,
    /// Those that have one.
    pub here: usize,
    /// Trainings among those that have none.
    pub trainings: usize,
    /// Samples that these train on.
    pub samples: u64,
    /// Seconds that they take at the speed that trainings in the folder had on this adapter; `None` where there were none.
    pub seconds: Option<f64>,
    /// Bytes of the files that are not there yet.
    pub bytes: u64,
    /// For each arm at each point with stages that are not there: why not. Empty where that was not asked.
    pub reasons: Vec<String>,
}

/// Looks into the run folder and the store of `options`, of which nothing is changed; and where it is asked `why` stages are new, into
/// every stage that is there.
///
/// # Errors
/// The experiment does not fit its data, or a file cannot be read.
pub fn foresee(
    experiment: &Experiment,
    gpu: &Gpu,
    options: RunOptions,
    datasets: &BTreeMap<String, Dataset>,
    why: bool,
) -> Result<Foresight, RunError> {
    let models = verify(experiment, &facts_of(datasets)).map_err(RunError::Mistakes)?;
    let environment = Environment {
        gpu,
        options,
        stop: StopToken::new(),
        custom: None,
        named_as: None,
    };
    let setup = Setup::new(experiment, &environment, datasets, models)?;
    let options = setup.options;
    let store = StageStore::at(options.store.as_ref().unwrap_or(&options.out));
    let own = StageStore::at(&options.out);
    let digest = |id: usize| setup.plan.stages[id].digest.as_str();
    let has = |id: usize| store.has(digest(id)) || own.has(digest(id));
    let has_record = |id: usize| store.has_record(digest(id)) || own.has_record(digest(id));
    let all = setup.plan.stages.len();
    let kept: Vec<usize> = (0..all).filter(|&id| setup.is_kept_on_disk(id)).collect();
    let mut missing = BTreeSet::new();
    for run in &setup.plan.runs {
        let mut starts_others = false;
        let kept = run.stages.iter().filter(|&&id| setup.is_kept_on_disk(id));
        for &id in kept.rev() {
            // Of a stage whose weights were freed, the record does where nothing is to start from it.
            let record = !starts_others && !setup.ends.contains_key(&id) && has_record(id);
            starts_others = !has(id) && !record;
            if starts_others {
                missing.insert(id);
            }
        }
    }
    let trains = |id: &&usize| setup.plan.stages[**id].step.training().is_some();
    let samples = missing
        .iter()
        .map(|&id| setup.samples_of(&setup.plan.stages[id]))
        .sum();
    let mut bytes = 0;
    for &id in &missing {
        let model = setup.model_of(&setup.plan.stages[id])?;
        // A float for each parameter, and a bit of the mask for each prunable one.
        bytes += 4 * model.parameters() as u64 + model.prunable().div_ceil(8) as u64;
    }
    let times: Vec<TimeRow> = read_rows_alone(&options.out)?;
    Ok(Foresight {
        runs: setup.names.clone(),
        stages: kept.len(),
        here: kept.len() - missing.len(),
        trainings: missing.iter().filter(trains).count(),
        samples,
        seconds: speed(&times, &setup.facts.adapter).map(|speed| samples as f64 / speed),
        bytes,
        reasons: match why {
            true => reasons(&setup, &missing, &inputs(&[&store, &own])),
            false => Vec::new(),
        },
    })
}

/// Samples per second of all trainings that this adapter did.
fn speed(times: &[TimeRow], adapter: &str) -> Option<f64> {
    let own = || times.iter().filter(|row| row.adapter == adapter);
    let seconds: f64 = own().map(|row| row.seconds).sum();
    let samples: u64 = own().map(|row| row.samples).sum();
    (seconds > 0.0 && samples > 0).then(|| samples as f64 / seconds)
}

/// What the digests of all stages there cover. Those that do not say it are left out.
fn inputs(stores: &[&StageStore]) -> Vec<StageInput> {
    let mut inputs = Vec::new();
    for store in stores {
        for digest in store.digests() {
            // One that cannot be read is none to compare with; a run says what is wrong with it.
            let meta = store.meta(&digest).ok().flatten().unwrap_or_default();
            let input = meta
                .get(INPUT)
                .and_then(|text| serde_json::from_str(text).ok());
            inputs.extend(input);
        }
    }
    inputs
}

/// For each arm at each point, the first stage that is not there, and in what it differs from the one there that is most like it.
fn reasons(setup: &Setup<'_>, missing: &BTreeSet<usize>, there: &[StageInput]) -> Vec<String> {
    let mut reasons: Vec<(String, String, usize)> = Vec::new();
    for run in &setup.plan.runs {
        let Some(&first) = run.stages.iter().find(|id| missing.contains(id)) else {
            continue;
        };
        let Some(asked) = setup.input_of(first) else {
            continue;
        };
        let why = why(&asked, there);
        let arm = arm_at_point(setup, run);
        match reasons.iter_mut().find(|(a, w, _)| (a, w) == (&arm, &why)) {
            Some((_, _, count)) => *count += 1,
            None => reasons.push((arm, why, 1)),
        }
    }
    let line = |(arm, why, runs): (String, String, usize)| match runs {
        1 => format!("{arm}: {why}"),
        runs => format!("{arm}, {runs} runs: {why}"),
    };
    reasons.into_iter().map(line).collect()
}

/// In what a stage that is asked for differs from the one there that is most like it.
fn why(asked: &StageInput, there: &[StageInput]) -> String {
    // Of as many steps first, then of a history that is alike for longest, then with the fewest differences.
    let length = asked.steps.len();
    let alike = |other: &&StageInput| {
        let differences = asked.differences(other).len();
        (
            other.steps.len() != length,
            differences,
            usize::MAX - common_steps(asked, other),
        )
    };
    let Some(nearest) = there.iter().min_by_key(alike) else {
        return "nothing like it is there".to_owned();
    };
    let differences = asked.differences(nearest);
    let Some(first) = differences.first() else {
        return "the one that is there says the same, and was put aside or is another format"
            .to_owned();
    };
    let more = match differences.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{}{more}", in_words(first))
}

fn in_words(difference: &InputDifference) -> String {
    let step = difference
        .step
        .map_or_else(String::new, |step| format!("step {step}: "));
    let InputDifference {
        path, there, asked, ..
    } = difference;
    match (there, asked) {
        (Some(there), Some(asked)) => format!("{step}{path} {there} -> {asked}"),
        (None, Some(asked)) if path.is_empty() => format!("{step}is new: {asked}"),
        (None, Some(asked)) => format!("{step}{path} is new: {asked}"),
        (Some(there), None) => format!("{step}{path} was {there}"),
        (None, None) => step,
    }
}
