//! One cohort through one step.

use super::checkpoint::Saver;
use super::error::RunError;
use super::events::Reporter;
use super::outcome::Outcome;
use super::place::{RunContext, place};
use super::record::Record;
use super::training::{recalibrate, rewind, train, verify_sparse};
use crate::experiment::{Stage, Step};
use crate::model::{Mask, Model};
use crate::ops::SparseRule;
use crate::prune::{self, PruneError, Scoring};
use crate::spec::{MaskStep, PruneSpec, Restart, Scope, TrainSpec, UnitPrune};
use crate::store::load_known_mask;
use crate::train::{Checkpoint, Snapshot, TrainError, scales};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a step starts from.
pub struct StepStart<'a> {
    /// What the stages before left, one per replica; `None` is fresh weights.
    pub parents: &'a [Option<Arc<Snapshot>>],
    /// How far a training had come.
    pub checkpoint: Option<Checkpoint>,
    /// SHA-256 of every mask file, as it was when the experiment was read: stages are named by it.
    pub mask_files: &'a BTreeMap<PathBuf, String>,
}

/// Runs one step for stages that share a cohort key. `what` names them in errors.
///
/// # Errors
/// Whatever ends a run; see [`RunError`].
pub fn execute(
    context: &RunContext<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    start: StepStart<'_>,
    saver: &mut Saver<'_>,
    reporter: &mut Reporter<'_>,
    what: &str,
) -> Result<Vec<Outcome>, RunError> {
    let gpu = context.gpu;
    let pruning = |source: PruneError| match source {
        PruneError::Train(TrainError::Interrupted) => RunError::Interrupted,
        source => RunError::Prune {
            what: what.to_owned(),
            source,
        },
    };
    let replicas = place(gpu, model, stages, start.parents)?;
    let mut records = vec![Record::default(); stages.len()];
    match &stages[0].step {
        Step::Train(_) => {
            let saving = (start.checkpoint, Some(saver));
            records = train(context, &replicas, stages, saving, reporter, what)?;
            if context.verify_sparse && context.execution.sparse != SparseRule::Never {
                verify_sparse(context, &replicas, stages, start.parents, reporter, what)?;
            }
        }
        // Its replicas may come to differ in shape, so it is no cohort's work: see `compaction`.
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
            let scoring = Scoring {
                data: scoring_data(context, &scales),
                custom: context.custom,
            };
            let observe = &mut |_| !context.stop.is_stopped();
            prune::prune_on(gpu, &replicas, &specs, &scoring, observe).map_err(pruning)?;
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
            let observe = &mut |_| !context.stop.is_stopped();
            let notes = prune::prune_units(gpu, &replicas, &specs, data.as_ref(), observe);
            for note in notes.map_err(pruning)? {
                reporter.note(&format!("{what}: {note}"));
            }
        }
        Step::Restart(Restart::Rewind(_)) => rewind(context, &replicas, stages, reporter, what)?,
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
            let full = Mask::full(model.floats);
            replicas.set_masks(gpu, &vec![full; stages.len()])?;
        }
        Step::Mask(MaskStep::Load(path)) => {
            let sha256 = start.mask_files.get(path).map_or("", String::as_str);
            let mask = load_known_mask(path, sha256, &model.tensors)?;
            replicas.set_masks(gpu, &vec![mask; stages.len()])?;
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
fn scales_of(context: &RunContext<'_>, spec: Option<&TrainSpec>) -> Vec<[f32; 2]> {
    match (spec, context.data) {
        (Some(spec), Some((data, _))) => scales(&spec.normalise, data),
        _ => Vec::new(),
    }
}

/// What scores are measured on.
fn scoring_data<'c>(
    context: &RunContext<'c>,
    scales: &'c [[f32; 2]],
) -> Option<prune::ScoringData<'c>> {
    context.data.map(|(_, resident)| prune::ScoringData {
        resident,
        scales,
        execution: context.execution,
    })
}
