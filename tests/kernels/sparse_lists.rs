//! `kept_count`, `prefix_sum`, `kept_fill`, `column_count` and `column_fill`: where the kept weights stand.
//!
//! Each kernel of a chain runs on what the one before it left on the GPU, as in training.

use crate::common::{Dice, gpu};
use crate::reference::device::{Case, GUARD, word_output};
use crate::reference::sparse::{column_count, column_fill, kept_count, kept_fill, prefix_sum};
use secateur::gpu::{Buffer, Gpu};
use secateur::ops::{ColumnsShape, PrefixShape};
use secateur::train::ParamsShape;
use std::fmt::Debug;

/// Sums `counts` and its twin `want`, and compares them.
fn sum_both(gpu: &'static Gpu, size: &dyn Debug, counts: &Buffer, want: &mut [u32], u: [u32; 2]) {
    let [count, replicas] = u;
    let case = Case::new(gpu, "prefix_sum", size);
    let u = PrefixShape { count };
    case.run(&u, &[counts], 1, replicas);
    prefix_sum(&u, replicas, want);
    case.check_words("counts", &case.words(counts, want.len()), want);
}

/// The largest sum of `count` counts in any replica.
fn most(sums: &[u32], count: u32) -> u32 {
    let own = sums[..sums.len() - GUARD].chunks(count as usize + 1);
    own.map(|s| s[count as usize]).max().unwrap_or(0)
}

#[test]
fn prefix_sum_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(81);
    // Fewer counts than invocations, as many, one more; then stretches of unequal length, and of more than 256.
    for count in [
        0, 1, 2, 31, 255, 256, 257, 511, 513, 1000, 65_535, 65_536, 65_537, 131_073,
    ] {
        for replicas in [1, 3] {
            let size = (count, replicas);
            let mut counts = word_output((replicas * (count + 1)) as usize);
            let end = counts.len() - GUARD;
            for own in counts[..end].chunks_mut(count as usize + 1) {
                // The last place holds anything before the sum is there.
                own[..count as usize].fill_with(|| [0, dice.below(1000)][dice.below(2) as usize]);
            }
            let buffer = Case::new(gpu, "prefix_sum", &size).with(&counts);
            sum_both(gpu, &size, &buffer, &mut counts, [count, replicas]);
        }
    }
}

#[test]
fn kept_lists_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(82);
    // Mask words, room to spare, and the density of each replica.
    let cases: &[(u32, u32, &[f64])] = &[
        (1, 0, &[0.5]),
        (1, 0, &[1.0]),
        (1, 3, &[0.0, 0.1]),
        (3, 1, &[1.0, 0.0, 0.5]),
        (13, 0, &[0.0, 0.02, 0.3, 1.0]),
        (13, 7, &[1.0, 0.3, 0.02, 0.0]),
        // Nothing is kept by anyone: there is no list.
        (65, 0, &[0.0, 0.0]),
        (129, 0, &[1.0, 1.0]),
        (255, 2, &[0.02, 0.9]),
        (256, 0, &[0.3]),
        (257, 5, &[0.7, 0.001, 0.5]),
        (1001, 0, &[0.02, 0.02, 0.3]),
        (66_001, 1, &[0.01, 0.3]),
    ];
    for &size in cases {
        let (words, spare, densities) = size;
        let replicas = densities.len() as u32;
        let mut u = ParamsShape {
            quads: 8 * words,
            mask_words: words,
            kept_stride: 0,
            flags: 0,
        };
        let mut mask = |&d| dice.mask(32 * words as usize, |_| d);
        let mut masks: Vec<u32> = densities.iter().flat_map(&mut mask).collect();
        if words == 13 {
            // Words of which only the first or the last bit is kept, between empty ones.
            masks[1..6].copy_from_slice(&[0, 1, 0, 1 << 31, 0]);
        }
        let case = Case::new(gpu, "kept_count", &size);
        let mask_buffer = case.with(&masks);
        let mut want = word_output((replicas * (words + 1)) as usize);
        let ranks = case.with(&want);
        case.run(&u, &[&mask_buffer, &ranks], u64::from(words), replicas);
        kept_count(&u, replicas, &masks, &mut want);
        case.check_words("ranks", &case.words(&ranks, want.len()), &want);
        sum_both(gpu, &size, &ranks, &mut want, [words, replicas]);

        u.kept_stride = most(&want, words) + spare;
        let case = Case::new(gpu, "kept_fill", &size);
        let mut want = word_output((replicas * u.kept_stride) as usize);
        let list = case.with(&want);
        let buffers = [&mask_buffer, &ranks, &list];
        case.run(&u, &buffers, u64::from(words), replicas);
        kept_fill(&u, replicas, &masks, &mut want);
        case.check_words("kept", &case.words(&list, want.len()), &want);
    }
}

/// Masks of a layer at these densities, in which one input and one output keep nothing.
fn layer_masks(dice: &mut Dice, u: &ColumnsShape, densities: &[f64]) -> Vec<u32> {
    let area = (u.kernel * u.kernel) as usize;
    let inputs = u.inputs as usize;
    let weights = u.outputs as usize * inputs * area;
    let (input, output) = (dice.below(u.inputs), dice.below(u.outputs));
    let first = u.weight_offset as usize;
    let mut mask = |&d: &f64| {
        dice.mask(32 * u.mask_words as usize, |k| {
            // Around the layer stand the bits of others.
            if k < first || k >= first + weights {
                return 0.5;
            }
            let (o, c) = ((k - first) / area / inputs, (k - first) / area % inputs);
            // A layer that keeps everything keeps these too.
            let empty = c == input as usize || o == output as usize;
            if empty && d < 1.0 { 0.0 } else { d }
        })
    };
    densities.iter().flat_map(&mut mask).collect()
}

#[test]
fn column_lists_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(83);
    // Inputs, outputs, kernel and offset; room to spare; the density of each replica.
    let cases: &[([u32; 4], u32, &[f64])] = &[
        ([1, 1, 1, 0], 0, &[1.0]),
        ([1, 1, 1, 31], 2, &[0.0, 1.0]),
        ([5, 3, 1, 5], 0, &[0.5, 0.0]),
        ([33, 31, 1, 7], 1, &[0.0, 0.02, 0.3, 1.0]),
        ([8, 4, 1, 32], 0, &[0.0, 0.0]),
        // More than a workgroup of inputs, and more than prefix_sum has invocations.
        ([65, 257, 1, 64], 0, &[0.02, 0.3]),
        ([784, 10, 1, 1], 5, &[0.3, 0.02, 1.0]),
        ([1, 6, 5, 13], 0, &[0.3]),
        ([3, 9, 3, 7], 4, &[1.0, 0.3, 0.02, 0.0]),
        ([17, 4, 2, 97], 0, &[0.02, 0.5]),
        ([70, 5, 3, 3], 1, &[0.1, 0.9]),
        // The widest kernel that an entry holds.
        ([2, 3, 32, 9], 0, &[0.3, 1.0]),
    ];
    for &size in cases {
        let ([inputs, outputs, kernel, weight_offset], spare, densities) = size;
        let replicas = densities.len() as u32;
        let weights = inputs * outputs * kernel * kernel;
        let mut u = ColumnsShape {
            inputs,
            outputs,
            kernel,
            weight_offset,
            mask_words: (weight_offset + weights).div_ceil(32) + 1,
            stride: 0,
        };
        let masks = layer_masks(&mut dice, &u, densities);
        let case = Case::new(gpu, "column_count", &size);
        let mask_buffer = case.with(&masks);
        let mut want = word_output((replicas * (inputs + 1)) as usize);
        let starts = case.with(&want);
        case.run(&u, &[&mask_buffer, &starts], u64::from(inputs), replicas);
        column_count(&u, replicas, &masks, &mut want);
        case.check_words("starts", &case.words(&starts, want.len()), &want);
        sum_both(gpu, &size, &starts, &mut want, [inputs, replicas]);

        u.stride = most(&want, inputs) + spare;
        let case = Case::new(gpu, "column_fill", &size);
        let mut want = word_output((replicas * u.stride) as usize);
        let entries = case.with(&want);
        let buffers = [&mask_buffer, &starts, &entries];
        case.run(&u, &buffers, u64::from(inputs), replicas);
        column_fill(&u, replicas, &masks, &mut want);
        case.check_words("entries", &case.words(&entries, want.len()), &want);
    }
}
