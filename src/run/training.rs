//! Steps that run a training or its forward passes.

use super::checkpoint::{Saver, Watcher};
use super::error::RunError;
use super::events::Reporter;
use super::outcome::Outcome;
use super::place::{RunContext, failed, place, specs_of, trainer_of};
use super::record::{CurvePoint, Record};
use crate::bench::{Breakdown, breakdown};
use crate::experiment::{Stage, Step};
use crate::model::Model;
use crate::ops::{Execution, SparseRule};
use crate::prune::MaskChanges;
use crate::spec::TrainSpec;
use crate::train::{Checkpoint, MaskHook, Replicas, Snapshot, step_range_of, training_samples};
use std::sync::Arc;
use std::time::Duration;

/// How long a profile repeats each kernel.
const PROFILE_WINDOW: Duration = Duration::from_millis(100);

pub(super) fn train(
    context: &RunContext<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    (from, mut saver): (Option<Checkpoint>, Option<&mut Saver<'_>>),
    reporter: &mut Reporter<'_>,
    what: &str,
) -> Result<Vec<Record>, RunError> {
    let specs = specs_of(stages);
    let changes = changes_of(context, stages[0], what)?;
    let changes = changes.as_ref().map(|changes| changes as &dyn MaskHook);
    let mut trainer = trainer_of(context, replicas, &specs, changes, what)?;
    let sparse = trainer.sparse_layers();
    if !sparse.is_empty() {
        reporter.note(&format!("  sparse: {sparse}"));
    }
    let mut watcher = Watcher {
        saver: saver.as_deref_mut(),
        reporter,
        stop: context.stop,
    };
    let trained = trainer.train(from, &mut watcher);
    if let Some(error) = saver.and_then(|saver| saver.error.take()) {
        return Err(error);
    }
    let trained = trained.map_err(|source| failed(what, source))?;
    Ok(trained
        .iter()
        .map(|trained| Record {
            curve: trained.points.iter().map(CurvePoint::from).collect(),
            kept_epoch: trained.kept_epoch,
            violations: trained.points.iter().map(|p| u64::from(p.violations)).sum(),
            ..Record::default()
        })
        .collect())
}

/// How masks change in the training of a stage, if they do.
fn changes_of<'s>(
    context: &RunContext<'_>,
    stage: &'s Stage,
    what: &str,
) -> Result<Option<MaskChanges<'s>>, RunError> {
    let (Some(step), Some((data, _))) = (stage.step.training(), context.data) else {
        return Ok(None);
    };
    let Some(schedule) = &step.masks else {
        return Ok(None);
    };
    let samples = training_samples(&step.train, data.train.len() as u32);
    let samples = samples.map_err(|source| failed(what, source))?;
    let step_range = step_range_of(&step.train, samples).map_err(|source| failed(what, source))?;
    let changes = MaskChanges::new(schedule, &step.train, samples, step_range);
    changes.map(Some).map_err(|source| RunError::Prune {
        what: what.to_owned(),
        source,
    })
}

/// Averages running statistics anew.
pub(super) fn recalibrate(
    context: &RunContext<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    what: &str,
) -> Result<(), RunError> {
    let specs = specs_of(stages);
    let trainer = trainer_of(context, replicas, &specs, None, what)?;
    let ran = trainer.recalibrate(&mut |_| !context.stop.is_stopped());
    ran.map_err(|source| failed(what, source))
}

/// Gives every replica the weights that it had early in its first training, by training that far again; its mask stays.
pub(super) fn rewind(
    context: &RunContext<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    reporter: &mut Reporter<'_>,
    what: &str,
) -> Result<(), RunError> {
    let gpu = context.gpu;
    let then: Vec<Stage> = stages
        .iter()
        .filter_map(|stage| {
            let (step, ordinal) = stage.rewound.clone()?;
            Some(Stage {
                step: Step::Train(step),
                train_ordinal: ordinal,
                ..(*stage).clone()
            })
        })
        .collect();
    let then: Vec<&Stage> = then.iter().collect();
    let early = place(gpu, &replicas.model, &then, &vec![None; then.len()])?;
    train(context, &early, &then, (None, None), reporter, what)?;
    gpu.copy(&early.params, &replicas.params, 0, early.params.bytes())?;
    Ok(replicas.apply_masks(gpu)?)
}

/// Trains the cohort again, dense, and compares every weight.
pub(super) fn verify_sparse(
    context: &RunContext<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    parents: &[Option<Arc<Snapshot>>],
    reporter: &mut Reporter<'_>,
    what: &str,
) -> Result<(), RunError> {
    let sparse = replicas.download(context.gpu)?;
    let again = place(context.gpu, &replicas.model, stages, parents)?;
    let dense = RunContext {
        execution: Execution {
            sparse: SparseRule::Never,
            ..context.execution
        },
        ..*context
    };
    train(&dense, &again, stages, (None, None), reporter, what)?;
    for (slot, (sparse, dense)) in sparse.iter().zip(again.download(context.gpu)?).enumerate() {
        let pairs = sparse.weights.iter().zip(&dense.weights);
        // The sign of a zero does not matter.
        let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && (*a != 0.0 || *b != 0.0);
        if let Some(index) = pairs.clone().position(differs) {
            return Err(RunError::SparseDiffers {
                what: what.to_owned(),
                seed: stages[slot].seed,
                index,
                sparse: sparse.weights[index],
                dense: dense.weights[index],
            });
        }
    }
    reporter.note(&format!(
        "{what}: sparse and dense execution gave the same bits"
    ));
    Ok(())
}

/// Times the kernels of a finished training, on replicas of its own.
///
/// # Errors
/// The device failed.
pub fn profile(
    context: &RunContext<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    outcomes: &[Outcome],
    what: &str,
) -> Result<Breakdown, RunError> {
    let gpu = context.gpu;
    let snapshots: Vec<_> = outcomes.iter().map(|o| Some(o.snapshot.clone())).collect();
    let replicas = place(gpu, model, stages, &snapshots)?;
    // Of a batch in micro-batches, one of them: the kernels of all are the same.
    let alone = |spec: &&TrainSpec| TrainSpec {
        batch: spec.micro_batch(),
        micro_batch: None,
        ..(*spec).clone()
    };
    let specs: Vec<TrainSpec> = specs_of(stages).iter().map(alone).collect();
    let specs: Vec<&TrainSpec> = specs.iter().collect();
    let trainer = trainer_of(context, &replicas, &specs, None, what)?;
    let batch = specs[0].batch;
    Ok(breakdown(
        gpu,
        &trainer,
        &replicas,
        batch,
        None,
        PROFILE_WINDOW,
    )?)
}
