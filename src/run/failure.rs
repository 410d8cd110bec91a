//! What ends one run and not the others: a training that diverged, an error that is one replica's own.

use super::error::RunError;
use super::record::{CurvePoint, Record};
use super::setup::Setup;
use crate::experiment::Run;
use crate::gpu::GpuError;
use crate::prune::PruneError;
use crate::train::TrainError;

/// Why the weights that a training keeps are no result, if they are none: the loss was not finite in some step before them.
pub(super) fn divergence(record: &Record) -> Option<String> {
    let selected = |point: &&CurvePoint| Some(point.epoch) == record.kept_epoch;
    let kept = record.curve.iter().find(selected).or(record.curve.last())?;
    (kept.broken > 0).then(|| diverged(&record.curve))?
}

/// In which step a loss was not finite for the first time, if in any, and what the loss was before.
pub(super) fn diverged(curve: &[CurvePoint]) -> Option<String> {
    let at = curve.iter().position(|point| point.broken > 0)?;
    // Weights that are not finite stay so: the steps that are counted are the last ones of the pass.
    let step = curve[at].step - curve[at].broken.min(curve[at].step) + 1;
    let before = match at.checked_sub(1).map(|before| &curve[before]) {
        Some(before) => format!(
            "its mean over the epoch before was {:.4}",
            before.train.loss.0
        ),
        None => "in the first epoch".to_owned(),
    };
    Some(format!(
        "diverged: the loss was not finite from step {step} on ({before}); a lower learning rate or `clip_norm` may help"
    ))
}

/// The replica of a cohort that an error is of, where it is one's.
pub(super) fn replica_of(error: &RunError) -> Option<usize> {
    match error {
        RunError::Prune { source, .. } => replica_of_prune(source),
        RunError::Train { source, .. } => replica_of_training(source),
        _ => None,
    }
}

fn replica_of_prune(error: &PruneError) -> Option<usize> {
    match error {
        PruneError::NotANumber { replica, .. } => Some(*replica),
        PruneError::Train(error) => replica_of_training(error),
        _ => None,
    }
}

fn replica_of_training(error: &TrainError) -> Option<usize> {
    match error {
        TrainError::Violation { replica, .. } => Some(*replica),
        TrainError::Masks(error) => error.downcast_ref().and_then(replica_of_prune),
        _ => None,
    }
}

/// Why the runs of a cohort fail, if an error is theirs alone. What is wrong with the device, the disk or the program ends all.
pub(super) fn own_failure(error: &RunError) -> Option<String> {
    match error {
        RunError::Gpu(source)
        | RunError::Train {
            source: TrainError::Gpu(source),
            ..
        }
        | RunError::Prune {
            source: PruneError::Gpu(source),
            ..
        } => matches!(
            source,
            GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. } | GpuError::LoopLimit { .. }
        )
        .then(|| one_line(source)),
        RunError::Train { source, .. } => Some(one_line(source)),
        RunError::Prune { source, .. } => Some(one_line(source)),
        RunError::Mask(source) => Some(one_line(source)),
        _ => None,
    }
}

/// An error as a cell of a table.
fn one_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").trim_end_matches('.').to_owned()
}

/// The runs that a stage belongs to, for people: their seed, and their arms with the sweep points, at most three.
pub(super) fn whose(setup: &Setup<'_>, id: usize) -> String {
    let belongs = |run: &&Run| run.stages.contains(&id);
    let mut arms: Vec<String> = Vec::new();
    for run in setup.plan.runs.iter().filter(belongs) {
        let label = arm_at_point(setup, run);
        if !arms.contains(&label) {
            arms.push(label);
        }
    }
    let seed = setup.plan.stages[id].seed;
    let rest = arms.len().saturating_sub(3);
    arms.truncate(3);
    let arms = arms.join(", ");
    match rest {
        0 => format!("{arms}, seed {seed}"),
        rest => format!("{arms} and {rest} more, seed {seed}"),
    }
}

/// A run's arm with its sweep point, for people: `"pruned" (lr = 0.1)`.
pub(super) fn arm_at_point(setup: &Setup<'_>, run: &Run) -> String {
    let arm = &setup.experiment.arms[run.arm];
    let point = arm.variants[run.variant].point.iter();
    let point: Vec<String> = point
        .map(|(axis, value)| format!("{axis} = {value}"))
        .collect();
    match point.is_empty() {
        true => format!("\"{}\"", arm.name),
        false => format!("\"{}\" ({})", arm.name, point.join(", ")),
    }
}
