//! The kernels of one training step, timed apart, against the ceilings.

use super::blocks::{Blocks, Spread};
use super::ceilings::Ceilings;
use super::error::BenchError;
use super::timing::time;
use crate::gpu::{Gpu, KernelWork, ProgramPart};
use crate::train::{Replicas, Trainer};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One dispatch of the step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KernelRow {
    /// The kernel.
    pub kernel: String,
    /// What it works on: a layer, or `batch`, `loss`, `all weights`, `kept weights`, `state`.
    pub place: String,
    /// Seconds of one dispatch, repeated by itself.
    pub seconds: f64,
    /// How its blocks differ.
    #[serde(flatten)]
    pub spread: Spread,
    /// Share of the sum of all dispatches.
    pub share_of_step: f64,
    /// Floating-point operations, of products; see [`KernelWork`].
    pub flops: Option<u64>,
    /// Bytes moved, of everything else.
    pub bytes: Option<u64>,
    /// 10^9 floating-point operations per second.
    pub gflop_per_second: Option<f64>,
    /// 10^9 bytes per second.
    pub gb_per_second: Option<f64>,
    /// Share of the ceiling on whichever of the two it counts; above 1 where data came from a cache.
    pub share_of_ceiling: Option<f64>,
}

/// A training step taken apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Breakdown {
    /// Replicas in the cohort.
    pub replicas: u32,
    /// Samples per batch.
    pub batch: u32,
    /// Kept weights by all prunable ones.
    pub density: f64,
    /// The dispatches in the order of the step.
    pub kernels: Vec<KernelRow>,
    /// Sum of their times.
    pub sum_seconds: f64,
    /// The step as a whole.
    pub step_seconds: f64,
}

/// Times each dispatch of the trainer's step for about `window`, and the step as a whole. The replicas' weights are
/// worthless afterwards, since kernels ran out of turn.
///
/// # Errors
/// The device failed.
pub fn breakdown(
    gpu: &Gpu,
    trainer: &Trainer<'_>,
    replicas: &Replicas,
    batch: u32,
    ceilings: Option<&Ceilings>,
    window: Duration,
) -> Result<Breakdown, BenchError> {
    trainer.rewind()?;
    let program = trainer.training_program()?;
    // The whole first: it leaves a batch and activations for the parts.
    let step_seconds = time(gpu, &program, window)?.blocks.fastest;
    let mut kernels = Vec::new();
    for part in program.parts() {
        let timing = time(gpu, &part.program, window)?;
        kernels.push(row(&part, &timing.blocks, ceilings));
    }
    let sum_seconds: f64 = kernels.iter().map(|row| row.seconds).sum();
    for row in &mut kernels {
        row.share_of_step = row.seconds / sum_seconds;
    }
    Ok(Breakdown {
        replicas: replicas.count,
        batch,
        density: density(gpu, replicas)?,
        kernels,
        sum_seconds,
        step_seconds,
    })
}

/// Kept weights by all prunable ones, all replicas together.
fn density(gpu: &Gpu, replicas: &Replicas) -> Result<f64, BenchError> {
    let model = &replicas.model;
    let masks = replicas.read_masks(gpu)?;
    let kept: u64 = masks.iter().map(|mask| mask.prunable_count(model)).sum();
    Ok(kept as f64 / (masks.len() * model.prunable()).max(1) as f64)
}

fn row(part: &ProgramPart, blocks: &Blocks, ceilings: Option<&Ceilings>) -> KernelRow {
    let seconds = blocks.fastest;
    let (flops, bytes) = match part.work {
        Some(KernelWork::Flops(flops)) => (Some(flops), None),
        Some(KernelWork::Bytes(bytes)) => (None, Some(bytes)),
        None => (None, None),
    };
    let rate = |amount: u64| amount as f64 / seconds / 1e9;
    let (gflops, gbytes) = (flops.map(rate), bytes.map(rate));
    let share_of_ceiling = ceilings.and_then(|most| {
        gflops
            .map(|rate| rate / most.gflop_per_second)
            .or(gbytes.map(|rate| rate / most.gb_per_second))
    });
    KernelRow {
        kernel: part.kernel.to_owned(),
        place: part.place.to_string(),
        seconds,
        spread: blocks.spread(),
        share_of_step: 0.0,
        flops,
        bytes,
        gflop_per_second: gflops,
        gb_per_second: gbytes,
        share_of_ceiling,
    }
}
