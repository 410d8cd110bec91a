//! What this adapter can do at best through our own path: multiply-adds in registers, and a copy larger than its caches.

use super::timing::time;
use crate::gpu::{Gpu, GpuError, Program, shader_struct};
use crate::ops::Span;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

shader_struct! {
    /// Uniform of `probe_fma`.
    pub struct ProbeShape {
        /// vec4s of output, one per invocation.
        pub count: u32,
        /// Times that the unrolled body runs.
        pub rounds: u32,
    }
}

/// The two ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// 10^9 floating-point operations per second; a multiply-add is two.
    pub gflop_per_second: f64,
    /// 10^9 bytes per second, read and written ones both counted.
    pub gb_per_second: f64,
    /// Size of each of the copy's two buffers.
    pub copy_bytes: u64,
    /// Cores that multiply-adds in registers kept busy, which undisturbed are all; on software adapters.
    pub cores_used: Option<f64>,
}

/// Invocations of `probe_fma`: enough to fill a large GPU.
const LANES: u32 = 1 << 17;
/// Chains tried: eight hide a GPU's latency, but are more than a processor has registers for.
const CHAINS: [u32; 3] = [2, 4, 8];
/// vec4s per invocation of `probe_copy`: one is enough for a GPU; on a processor each invocation has a price.
const VECTORS: [u32; 2] = [1, 4];
/// The constant of the same name in `shaders/probe_fma.wgsl`.
const UNROLL: u64 = 16;
/// A dispatch as long as this hides what starting it costs.
const LONG_ENOUGH: Duration = Duration::from_millis(5);
/// Rounds at most, should a driver find a way to skip them.
const MOST_ROUNDS: u32 = 1 << 16;

/// Measures both, each for about `window`. The copy's buffers have `copy_bytes`, or as much as one binding may.
///
/// # Errors
/// The device failed or has no room.
pub fn ceilings(gpu: &Gpu, copy_bytes: u64, window: Duration) -> Result<Ceilings, GpuError> {
    let copy_bytes = copy_bytes.min(gpu.max_binding()) / 16 * 16;
    let (gflop_per_second, cores_used) = fma_ceiling(gpu, window)?;
    Ok(Ceilings {
        gflop_per_second,
        gb_per_second: copy_ceiling(gpu, copy_bytes, window)?,
        copy_bytes,
        cores_used,
    })
}

/// 10^9 operations per second, and the cores that they kept busy.
fn fma_ceiling(gpu: &Gpu, window: Duration) -> Result<(f64, Option<f64>), GpuError> {
    let out = gpu.buffer("output of probe_fma", u64::from(LANES) * 16)?;
    let mut best = (0.0f64, None);
    for chains in CHAINS {
        let program = |rounds| {
            let mut program = Program::new("probe_fma");
            let kernel = gpu.kernel("probe_fma", &[("CHAINS", chains)])?;
            let shape = ProbeShape {
                count: LANES,
                rounds,
            };
            program.push(gpu, kernel, &shape, &[&out], u64::from(LANES), 1)?;
            Ok::<_, GpuError>(program)
        };
        gpu.run(&program(1)?)?;
        let mut rounds = 1;
        while rounds < MOST_ROUNDS {
            let trial = program(rounds)?;
            let begun = Instant::now();
            gpu.run(&trial)?;
            if begun.elapsed() >= LONG_ENOUGH {
                break;
            }
            rounds *= 4;
        }
        let blocks = time(gpu, &program(rounds)?, window / CHAINS.len() as u32)?.blocks;
        let multiply_adds = u64::from(LANES) * u64::from(rounds) * UNROLL * u64::from(chains) * 4;
        let rate = 2.0 * multiply_adds as f64 / blocks.fastest / 1e9;
        if rate > best.0 {
            best = (rate, blocks.cores);
        }
    }
    Ok(best)
}

fn copy_ceiling(gpu: &Gpu, bytes: u64, window: Duration) -> Result<f64, GpuError> {
    let (from, to) = (
        gpu.buffer("source of probe_copy", bytes)?,
        gpu.buffer("target of probe_copy", bytes)?,
    );
    let shape = Span {
        count: (bytes / 16) as u32,
    };
    let mut best = 0.0f64;
    for vectors in VECTORS {
        let mut program = Program::new("probe_copy");
        let kernel = gpu.kernel("probe_copy", &[("VECTORS", vectors)])?;
        let count = u64::from(shape.count.div_ceil(vectors));
        program.push(gpu, kernel, &shape, &[&from, &to], count, 1)?;
        let seconds = time(gpu, &program, window / VECTORS.len() as u32)?
            .blocks
            .fastest;
        best = best.max(2.0 * bytes as f64 / seconds / 1e9);
    }
    Ok(best)
}
