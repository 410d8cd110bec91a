//! One cohort through one step.

use super::checkpoint::{Saver, Watcher};
use super::error::RunError;
use super::interrupt;
use super::networks::Network;
use super::progress::Meter;
use super::record::{CurvePoint, Record};
use crate::bench::{Breakdown, breakdown};
use crate::data::Dataset;
use crate::experiment::{Stage, Step};
use crate::gpu::Gpu;
use crate::model::Model;
use crate::ops::{Execution, SparseRule};
use crate::prune::{self, MaskStep, PruneError, PruneSpec, Restart, Scope, UnitPrune};
use crate::store::{TensorInfo, load_mask};
use crate::train::{
    Checkpoint, Key, Part, Replicas, ResidentDataset, Snapshot, TrainError, TrainSpec, Trainer,
    scales,
};
use std::sync::Arc;
use std::time::Duration;

/// How long a profile repeats each kernel.
const PROFILE_WINDOW: Duration = Duration::from_millis(100);

/// What a step needs to know of the world.
pub struct Context<'a> {
    /// The device.
    pub gpu: &'a Gpu,
    /// What variants of kernels are chosen from.
    pub execution: Execution,
    /// Train what runs sparse again without, and compare.
    pub verify_sparse: bool,
    /// The dataset that the cohort trains or is tested on, in both places.
    pub data: Option<(&'a Dataset, &'a ResidentDataset)>,
}

/// A stage's outcome.
pub struct Outcome {
    /// Weights and mask.
    pub snapshot: Arc<Snapshot>,
    /// Curves, scores and violations.
    pub record: Record,
    /// The network that they are of, where this stage made it another.
    pub network: Option<Network>,
}

/// The store's view of a model's tensors.
pub fn tensor_infos(model: &Model) -> Vec<TensorInfo> {
    model
        .tensors
        .iter()
        .map(|t| TensorInfo {
            name: t.name.clone(),
            shape: t.shape.clone(),
            offset: t.offset,
            prunable: t.prunable,
        })
        .collect()
}

fn key_of(stage: &Stage) -> Key {
    Key {
        seed: stage.seed,
        fresh: stage.fresh_ordinal,
        train: stage.train_ordinal,
        select: stage.step_ordinal,
    }
}

/// Brings a cohort onto the GPU: each stage from its parent's snapshot, or freshly initialised where it has none.
pub(super) fn place(
    gpu: &Gpu,
    model: &Arc<Model>,
    stages: &[&Stage],
    parents: &[Option<Arc<Snapshot>>],
) -> Result<Replicas, RunError> {
    let keys: Vec<Key> = stages.iter().map(|s| key_of(s)).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys)?;
    if parents.iter().any(Option::is_none) {
        replicas.initialise(gpu)?;
    }
    for (slot, parent) in parents.iter().enumerate() {
        if let Some(snapshot) = parent {
            replicas.upload_one(gpu, slot, snapshot)?;
        }
    }
    Ok(replicas)
}

/// Runs one step for stages that share a cohort key; a training from the checkpoint that was saved of it, if any. `what` names
/// them in errors.
///
/// # Errors
/// Whatever ends a run; see [`RunError`].
pub fn execute(
    context: &Context<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    parents: &[Option<Arc<Snapshot>>],
    saving: (Option<Checkpoint>, &mut Saver<'_>),
    meter: &mut Meter,
    what: &str,
) -> Result<Vec<Outcome>, RunError> {
    let gpu = context.gpu;
    let pruning = |source: PruneError| match source {
        PruneError::Train(TrainError::Interrupted) => RunError::Interrupted {
            folder: String::new(),
        },
        source => RunError::Prune {
            what: what.to_owned(),
            source,
        },
    };
    let replicas = place(gpu, model, stages, parents)?;
    let mut records = vec![Record::default(); stages.len()];
    match &stages[0].step {
        Step::Train(_) => {
            let (from, saver) = saving;
            records = train(context, &replicas, stages, (from, Some(saver)), meter, what)?;
            if context.verify_sparse && context.execution.sparse != SparseRule::Never {
                verify_sparse(context, &replicas, stages, parents, meter, what)?;
            }
        }
        // Its replicas may come to differ in shape, so it is no cohort's work: see `networks`.
        Step::Compact => {}
        Step::Recalibrate(_) => recalibrate(context, &replicas, stages, what)?,
        Step::Prune(_) => {
            let specs: Vec<&PruneSpec> = stages
                .iter()
                .filter_map(|s| match &s.step {
                    Step::Prune(spec) => Some(spec),
                    _ => None,
                })
                .collect();
            let scales = scales_of(context, specs[0].data.as_deref());
            let data = scoring_data(context, &scales);
            let observe = &mut |_| !interrupt::asked();
            prune::prune_on(gpu, &replicas, &specs, data.as_ref(), observe).map_err(pruning)?;
        }
        Step::PruneUnits(_) => {
            let specs: Vec<&UnitPrune> = stages
                .iter()
                .filter_map(|s| match &s.step {
                    Step::PruneUnits(spec) => Some(spec),
                    _ => None,
                })
                .collect();
            let scales = scales_of(context, specs[0].data.as_deref());
            let data = scoring_data(context, &scales);
            let observe = &mut |_| !interrupt::asked();
            let notes = prune::prune_units(gpu, &replicas, &specs, data.as_ref(), observe);
            for note in notes.map_err(pruning)? {
                meter.note(&format!("{what}: {note}"));
            }
        }
        Step::Restart(Restart::Rewind(_)) => rewind(context, &replicas, stages, meter, what)?,
        // The mask stays, and `initialise` zeroes what it does not keep. `init` draws what the last `fresh` drew: the
        // stage's key holds that restart's number.
        Step::Restart(_) => replicas.initialise(gpu)?,
        Step::Mask(MaskStep::Shuffle) => prune::shuffle_masks(gpu, &replicas).map_err(pruning)?,
        Step::Mask(MaskStep::Random) => {
            prune::randomise_masks(gpu, &replicas, None).map_err(pruning)?;
        }
        Step::Mask(MaskStep::RandomUniform) => {
            prune::randomise_masks(gpu, &replicas, Some(Scope::Uniform)).map_err(pruning)?;
        }
        Step::Mask(MaskStep::RandomErk) => {
            prune::randomise_masks(gpu, &replicas, Some(Scope::Erk)).map_err(pruning)?;
        }
        Step::Mask(MaskStep::Transfer) => {}
        Step::Mask(MaskStep::Release) => {
            let words = model.mask_words() * stages.len();
            gpu.write(&replicas.masks, 0, &vec![u32::MAX; words])?;
        }
        Step::Mask(MaskStep::Load(path)) => {
            let mut mask = load_mask(path, &tensor_infos(model))?;
            mask.resize(model.mask_words(), u32::MAX);
            gpu.write(&replicas.masks, 0, &mask.repeat(stages.len()))?;
            replicas.apply_masks(gpu)?;
        }
    }
    let snapshots = replicas.download(gpu)?;
    Ok(snapshots
        .into_iter()
        .zip(records)
        .map(|(snapshot, record)| Outcome {
            snapshot: Arc::new(snapshot),
            record,
            network: None,
        })
        .collect())
}

/// The normalisation of what scores are measured on; empty where they read no data.
fn scales_of(context: &Context<'_>, spec: Option<&TrainSpec>) -> Vec<[f32; 2]> {
    match (spec, context.data) {
        (Some(spec), Some((data, _))) => scales(&spec.normalise, data),
        _ => Vec::new(),
    }
}

/// What scores are measured on.
fn scoring_data<'c>(context: &Context<'c>, scales: &'c [[f32; 2]]) -> Option<prune::Data<'c>> {
    context.data.map(|(_, resident)| prune::Data {
        resident,
        scales,
        execution: context.execution,
    })
}

fn train(
    context: &Context<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    (from, mut saver): (Option<Checkpoint>, Option<&mut Saver<'_>>),
    meter: &mut Meter,
    what: &str,
) -> Result<Vec<Record>, RunError> {
    let specs = specs_of(stages);
    let mut trainer = trainer_of(context, replicas, &specs, what)?;
    let sparse = trainer.sparse_layers();
    if !sparse.is_empty() {
        meter.note(&format!("  sparse: {sparse}"));
    }
    let mut watcher = Watcher {
        saver: saver.as_deref_mut(),
        observe: &mut |p| {
            meter.within(p.steps * p.samples_per_step);
            !interrupt::asked()
        },
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

/// Averages running statistics anew.
fn recalibrate(
    context: &Context<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    what: &str,
) -> Result<(), RunError> {
    let specs = specs_of(stages);
    let trainer = trainer_of(context, replicas, &specs, what)?;
    let ran = trainer.recalibrate(&mut |_| !interrupt::asked());
    ran.map_err(|source| failed(what, source))
}

/// Gives every replica the weights that it had early in its first training, by training that far again; its mask stays.
fn rewind(
    context: &Context<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    meter: &mut Meter,
    what: &str,
) -> Result<(), RunError> {
    let gpu = context.gpu;
    let then: Vec<Stage> = stages
        .iter()
        .filter_map(|stage| {
            let (spec, ordinal) = stage.rewound.clone()?;
            Some(Stage {
                step: Step::Train(spec),
                train_ordinal: ordinal,
                ..(*stage).clone()
            })
        })
        .collect();
    let then: Vec<&Stage> = then.iter().collect();
    let early = place(gpu, &replicas.model, &then, &vec![None; then.len()])?;
    train(context, &early, &then, (None, None), meter, what)?;
    gpu.copy(&early.params, &replicas.params, 0, early.params.bytes())?;
    Ok(replicas.apply_masks(gpu)?)
}

/// Trains the cohort again, dense, and compares every weight.
fn verify_sparse(
    context: &Context<'_>,
    replicas: &Replicas,
    stages: &[&Stage],
    parents: &[Option<Arc<Snapshot>>],
    meter: &mut Meter,
    what: &str,
) -> Result<(), RunError> {
    let sparse = replicas.download(context.gpu)?;
    let again = place(context.gpu, &replicas.model, stages, parents)?;
    let dense = Context {
        execution: Execution {
            sparse: SparseRule::Never,
            ..context.execution
        },
        ..*context
    };
    train(&dense, &again, stages, (None, None), meter, what)?;
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
    meter.note(&format!(
        "{what}: sparse and dense execution gave the same bits"
    ));
    Ok(())
}

fn specs_of<'s>(stages: &[&'s Stage]) -> Vec<&'s TrainSpec> {
    let specs = stages.iter().filter_map(|s| match &s.step {
        Step::Train(spec) | Step::Recalibrate(spec) => Some(spec),
        _ => None,
    });
    specs.collect()
}

/// Times the kernels of a finished training, on replicas of its own.
///
/// # Errors
/// The device failed.
pub fn profile(
    context: &Context<'_>,
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
    let trainer = trainer_of(context, &replicas, &specs, what)?;
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

/// A trainer of replicas on the cohort's dataset.
pub(super) fn trainer_of<'t>(
    context: &Context<'t>,
    replicas: &'t Replicas,
    specs: &'t [&'t TrainSpec],
    what: &str,
) -> Result<Trainer<'t>, RunError> {
    let (data, resident) = context.data.ok_or_else(|| {
        RunError::Experiment(vec![format!("{what}: no dataset was loaded for it")])
    })?;
    let scales = scales(&specs[0].normalise, data);
    let (gpu, execution) = (context.gpu, &context.execution);
    Trainer::new(gpu, replicas, resident, specs, &scales, execution)
        .map_err(|source| failed(what, source))
}

/// What ended a training, with its name.
fn failed(what: &str, source: TrainError) -> RunError {
    match source {
        TrainError::Interrupted => RunError::Interrupted {
            folder: String::new(),
        },
        source => RunError::Train {
            what: what.to_owned(),
            source,
        },
    }
}

/// Scores finished runs: the validation split, and the test set, once. `specs[i]` is the run's last training.
///
/// # Errors
/// The device failed.
pub fn score(
    context: &Context<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    specs: &[&TrainSpec],
    outcomes: &mut [&mut Outcome],
    what: &str,
) -> Result<(), RunError> {
    let failed = |source| failed(what, source);
    let snapshots: Vec<_> = outcomes.iter().map(|o| Some(o.snapshot.clone())).collect();
    let replicas = place(context.gpu, model, stages, &snapshots)?;
    let trainer = trainer_of(context, &replicas, specs, what)?;
    let validation = if specs[0].validation > 0 {
        Some(trainer.evaluate(Part::Validation).map_err(failed)?)
    } else {
        None
    };
    let test = trainer.evaluate(Part::Test).map_err(failed)?;
    let violations = trainer.audit_now().map_err(failed)?;
    if let Some(replica) = violations.iter().position(|&v| v > 0) {
        return Err(failed(TrainError::Violation {
            count: violations[replica],
            replica,
            step: trainer.steps(),
        }));
    }
    for (i, outcome) in outcomes.iter_mut().enumerate() {
        outcome.record.validation = validation.as_ref().map(|v| v[i].into());
        outcome.record.test = Some(test[i].into());
    }
    Ok(())
}
