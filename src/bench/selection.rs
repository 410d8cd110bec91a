//! Throughput of the exact top-k.

use super::blocks::{Blocks, Spread};
use super::ceilings::Ceilings;
use super::timing::timed;
use crate::gpu::{Gpu, GpuError, Program};
use crate::prune::{ScorePart, ScoreSegment, select};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One size of selection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SelectionRow {
    /// Keys that compete.
    pub keys: u32,
    /// Keys selected.
    pub keep: u32,
    /// Seconds of one selection, mask written.
    pub seconds: f64,
    /// How its blocks differ.
    #[serde(flatten)]
    pub spread: Spread,
    /// Keys by seconds.
    pub keys_per_second: f64,
    /// 10^9 bytes of keys read per second by all passes together.
    pub gb_per_second: f64,
    /// Of the bytes that a copy moves.
    pub share_of_ceiling: f64,
}

/// Times that a selection reads every key: eight digits of threshold and tie, then the mask.
const PASSES: f64 = 9.0;
/// Selections in one submission, at most.
const MOST: usize = 256;
/// As in `timing.rs`: what else the machine does can only slow a block down.
const BLOCKS: u32 = 3;

/// Selects half of `keys` scattered keys, in blocks of about `window`.
///
/// # Errors
/// The device failed or has no room.
pub fn selection(
    gpu: &Gpu,
    ceilings: &Ceilings,
    keys: u32,
    window: Duration,
) -> Result<SelectionRow, GpuError> {
    let keep = keys / 2;
    // Fibonacci hashing spreads keys over all 32 bits; 0 would say that a key cannot be selected.
    let scores: Vec<u32> = (0..keys).map(|k| k.wrapping_mul(0x9e37_79b9) | 1).collect();
    let score = gpu.buffer_with("scores", &scores)?;
    let mask_words = keys.div_ceil(32);
    let masks = gpu.buffer("selected", u64::from(mask_words) * 4)?;
    let segments = [ScoreSegment {
        start: 0,
        count: keys,
        group: 0,
    }];
    let part = ScorePart {
        score: &score,
        masks: &masks,
        score_stride: keys,
        mask_words,
        base: 0,
        segments: &segments,
    };
    // A recorded selection can run once only: its thresholds are found then.
    let run = |times: usize| {
        let mut program = Program::new("selection");
        for _ in 0..times {
            select(gpu, &mut program, &[part], &[vec![keep]])?;
        }
        timed(gpu, || gpu.run(&program))
    };
    // The first compiles shaders.
    run(1)?;
    let mut times = 1;
    while run(times)?.seconds < window.as_secs_f64() && times < MOST {
        times *= 4;
    }
    let blocks: Result<Vec<_>, GpuError> = (0..BLOCKS).map(|_| run(times)).collect();
    let blocks = Blocks::of(&blocks?, times as u64);
    let seconds = blocks.fastest;
    let gb_per_second = PASSES * 4.0 * f64::from(keys) / seconds / 1e9;
    Ok(SelectionRow {
        keys,
        keep,
        seconds,
        spread: blocks.spread(),
        keys_per_second: f64::from(keys) / seconds,
        gb_per_second,
        share_of_ceiling: gb_per_second / ceilings.gb_per_second,
    })
}
