//! The clock of every measurement: the host's, around whole blocks of runs. Completions within a block are not looked at:
//! a host that is busy with something else sees several at once.

use crate::gpu::{Gpu, GpuError, Program};
use std::time::{Duration, Instant};

/// A program run again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Runs that count.
    pub runs: u64,
    /// Seconds of one.
    pub seconds: f64,
}

/// Blocks of runs. The fastest counts: what else the machine does can only slow one down.
const BLOCKS: u32 = 3;
/// Runs of a program that [`time`] takes at least: two to get to know it.
pub(super) const LEAST_RUNS: u32 = BLOCKS + 2;

/// Runs `program` for about `window` in all, after it was run once to compile shaders and often enough to know how many
/// runs a block needs.
pub(super) fn time(gpu: &Gpu, program: &Program, window: Duration) -> Result<Timing, GpuError> {
    gpu.run(program)?;
    let block = |runs: u64| {
        let begun = Instant::now();
        gpu.run_repeated(program, runs, &mut |_| true)?;
        Ok::<_, GpuError>(begun.elapsed().as_secs_f64() / runs as f64)
    };
    let mut runs = 1;
    let mut each = block(runs)?;
    while each * (runs as f64) < window.as_secs_f64() / 4.0 {
        runs *= 4;
        each = block(runs)?;
    }
    let runs = ((window / BLOCKS).as_secs_f64() / each).ceil().max(1.0) as u64;
    let mut fastest = f64::INFINITY;
    for _ in 0..BLOCKS {
        fastest = block(runs)?.min(fastest);
    }
    Ok(Timing {
        runs: runs * u64::from(BLOCKS),
        seconds: fastest,
    })
}
