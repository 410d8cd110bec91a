//! `--measure-speed`: what the masks of finished runs save on this adapter.

use super::error::RunError;
use super::place::{RunContext, place, trainer_of};
use super::rows::Facts;
use crate::bench::speed;
use crate::experiment::Stage;
use crate::model::Model;
use crate::ops::{Execution, SparseRule};
use crate::spec::TrainSpec;
use crate::store::SpeedRow;
use crate::train::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// How long training steps are repeated, each way.
const WINDOW: Duration = Duration::from_secs(1);

/// Times replicas under the masks they ended with, as they run and with every layer dense. Dense runs have nothing to
/// compare.
pub(super) fn measure_speed(
    context: &RunContext<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    specs: &[&TrainSpec],
    snapshots: &[Arc<Snapshot>],
    what: &str,
) -> Result<Option<SpeedRow>, RunError> {
    let kept = snapshots.iter().map(|s| s.mask.prunable_count(model));
    let all = (model.prunable() * snapshots.len()) as f64;
    let density = kept.sum::<u64>() as f64 / all;
    if density == 1.0 {
        return Ok(None);
    }
    let starts: Vec<_> = snapshots.iter().map(|s| Some(s.clone())).collect();
    let dense = RunContext {
        execution: Execution {
            sparse: SparseRule::Never,
            ..context.execution
        },
        ..*context
    };
    let replicas = place(context.gpu, model, stages, &starts)?;
    let trainer = trainer_of(&dense, &replicas, specs, None, what)?;
    let without = speed(context.gpu, &trainer, WINDOW)?;
    drop(trainer);
    let replicas = place(context.gpu, model, stages, &starts)?;
    let trainer = trainer_of(context, &replicas, specs, None, what)?;
    let sparse = trainer.sparse_layers();
    // Where no layer is faster sparse, both run the same kernels, and the clock's noise is no speedup.
    let with = match sparse.is_empty() {
        true => without,
        false => speed(context.gpu, &trainer, WINDOW)?,
    };
    Ok(Some(SpeedRow {
        stage: stages[0].digest.clone(),
        work: what.to_owned(),
        adapter: Facts::adapter_name(context.gpu.adapter()),
        replicas: stages.len() as u32,
        density,
        sparse,
        dense_step_seconds: without.step_seconds,
        step_seconds: with.step_seconds,
        training_speedup: without.step_seconds / with.step_seconds,
        dense_test_seconds: without.test_seconds,
        test_seconds: with.test_seconds,
        forward_speedup: without.test_seconds / with.test_seconds,
    }))
}
