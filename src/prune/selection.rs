//! Exact top-k on the GPU: radix select over (key, inverted index), so that "keep n" keeps n and ties go to the lower index.
//!
//! Eight rounds of two kernels: `select_count` histograms the next eight bits of the keys that still match, `select_pick`
//! fixes the digit in which the threshold lies. Four rounds on the key, four on the index among keys equal to it. Then
//! `select_write` sets the mask bits.

use crate::gpu::{Buffer, Gpu, GpuError, MAX_GROUPS, Program, shader_struct};
use bytemuck::Zeroable;

/// Keys per block: one workgroup's work. The same number stands in `shaders/shared/select.wgsl`.
pub const BLOCK: u32 = 8192;

shader_struct! {
    /// Uniform of the `select_*` kernels.
    pub struct SelectShape {
        /// Blocks in this part.
        pub blocks: u32,
        /// Groups per replica.
        pub groups: u32,
        /// Keys per replica in this part's score buffer.
        pub score_stride: u32,
        /// Mask words per replica in this part's mask buffer.
        pub mask_words: u32,
        /// Index of the part's first key.
        pub base: u32,
    }
}

shader_struct! {
    /// A group's threshold while it is being found.
    #[derive(Default, PartialEq, Eq)]
    pub struct Threshold {
        /// Bits decided so far of the smallest selected key.
        pub key: u32,
        /// Likewise of its inverted index.
        pub index: u32,
        /// How many to select among the keys that match so far.
        pub rank: u32,
        /// Rounds done, 0 to 8.
        pub round: u32,
    }
}

/// A stretch of keys that belong to one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreSegment {
    /// First key in the part, divisible by 32.
    pub start: u32,
    /// Number of keys.
    pub count: u32,
    /// The group they compete in.
    pub group: u32,
}

/// Keys in one buffer and the mask bits they decide. Scores larger than a binding come as several parts.
#[derive(Clone, Copy)]
pub struct ScorePart<'a> {
    /// Keys `[replica][score_stride]`; 0 is never selected.
    pub score: &'a Buffer,
    /// Bits `[replica][mask_words]`.
    pub masks: &'a Buffer,
    /// Keys per replica.
    pub score_stride: u32,
    /// Mask words per replica.
    pub mask_words: u32,
    /// Index of the first key over all parts, for ties.
    pub base: u32,
    /// Which keys compete where.
    pub segments: &'a [ScoreSegment],
}

/// Selects, for every replica, the `keep[replica][group]` largest keys of each group, and writes the masks. Every group must
/// hold at least that many keys other than 0.
///
/// # Errors
/// The device failed or has no room.
pub fn select(
    gpu: &Gpu,
    program: &mut Program,
    parts: &[ScorePart<'_>],
    keep: &[Vec<u32>],
) -> Result<(), GpuError> {
    let groups = keep.first().map_or(0, Vec::len) as u32;
    let replicas = keep.len() as u32;
    if groups == 0 {
        return Ok(());
    }
    let start: Vec<Threshold> = keep
        .iter()
        .flatten()
        .map(|&rank| Threshold {
            rank,
            ..Threshold::default()
        })
        .collect();
    let thresholds = gpu.buffer_with("thresholds", &start)?;
    let histogram = gpu.buffer("histograms", start.len() as u64 * 256 * 4)?;
    let mut prepared = Vec::new();
    for part in parts {
        let blocks = blocks(part.segments);
        let shape = SelectShape {
            blocks: blocks.len() as u32,
            groups,
            score_stride: part.score_stride,
            mask_words: part.mask_words,
            base: part.base,
        };
        let x = shape.blocks.clamp(1, MAX_GROUPS);
        let grid = [x, shape.blocks.div_ceil(x), replicas];
        prepared.push((part, shape, gpu.buffer_with("blocks", &blocks)?, grid));
    }
    for _ in 0..8 {
        for (part, shape, blocks, grid) in &prepared {
            let kernel = gpu.kernel("select_count", &[])?;
            let buffers = [blocks, part.score, &thresholds, &histogram];
            program.push_groups(gpu, kernel, shape, &buffers, *grid)?;
        }
        let kernel = gpu.kernel("select_pick", &[])?;
        let buffers = [&thresholds, &histogram];
        let shape = SelectShape {
            groups,
            ..SelectShape::zeroed()
        };
        program.push(gpu, kernel, &shape, &buffers, u64::from(groups), replicas)?;
    }
    for (part, shape, blocks, grid) in &prepared {
        let kernel = gpu.kernel("select_write", &[])?;
        let buffers = [blocks, part.score, &thresholds, part.masks];
        program.push_groups(gpu, kernel, shape, &buffers, *grid)?;
    }
    Ok(())
}

/// Cuts segments into blocks: (first key, keys, group, 0).
fn blocks(segments: &[ScoreSegment]) -> Vec<[u32; 4]> {
    segments
        .iter()
        .flat_map(|segment| {
            (0..segment.count.div_ceil(BLOCK)).map(move |k| {
                let start = k * BLOCK;
                let count = BLOCK.min(segment.count - start);
                [segment.start + start, count, segment.group, 0]
            })
        })
        .collect()
}
