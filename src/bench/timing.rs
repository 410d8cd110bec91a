//! The clock of every measurement: the host's, around whole blocks of runs. Completions within a block are not looked at:
//! a host that is busy with something else sees several at once.

use super::blocks::{Block, Blocks};
use crate::base::cpu_time;
use crate::gpu::{AdapterKind, Gpu, GpuError, Program};
use std::time::{Duration, Instant};

/// A program run again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Runs that count.
    pub runs: u64,
    /// How long one takes.
    pub blocks: Blocks,
}

/// Blocks of runs. The fastest counts: what else the machine does can only slow one down. The median tells whether it did.
const BLOCKS: u32 = 5;
/// Runs of a program that [`time`] takes at least: two to get to know it.
pub(super) const LEAST_RUNS: u32 = BLOCKS + 2;

/// Runs `program` for about `window` in all, after it was run once to compile shaders and often enough to know how many
/// runs a block needs.
pub(super) fn time(gpu: &Gpu, program: &Program, window: Duration) -> Result<Timing, GpuError> {
    gpu.run(program)?;
    let block = |runs: u64| timed(gpu, || gpu.run_repeated(program, runs, &mut |_| true));
    let mut runs = 1;
    let mut whole = block(runs)?.seconds;
    while whole < window.as_secs_f64() / 4.0 {
        runs *= 4;
        whole = block(runs)?.seconds;
    }
    let each = whole / runs as f64;
    let runs = ((window / BLOCKS).as_secs_f64() / each).ceil().max(1.0) as u64;
    let blocks: Result<Vec<Block>, GpuError> = (0..BLOCKS).map(|_| block(runs)).collect();
    Ok(Timing {
        runs: runs * u64::from(BLOCKS),
        blocks: Blocks::of(&blocks?, runs),
    })
}

/// How long `work` took as a whole, and on a software adapter how much processor time: there, the process is the adapter.
pub(super) fn timed<T, E>(gpu: &Gpu, work: impl FnOnce() -> Result<T, E>) -> Result<Block, E> {
    let processor = || (gpu.adapter().kind == AdapterKind::Software).then(cpu_time)?;
    let before = processor();
    let begun = Instant::now();
    work()?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_seconds = processor()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    Ok(Block {
        seconds,
        cpu_seconds,
    })
}
