//! `select_rows`, `select_rows_write`, `select_runs`: exact selection within rows and runs, against a sort.

use crate::common::{Dice, gpu};
use crate::reference::device::Case;
use crate::reference::rows::{select_rows, select_rows_write, select_runs};
use bytemuck::Zeroable;
use secateur::prune::{RowsShape, RunsShape, Threshold};

/// What stands in masks before; words outside the tensor must keep it.
const BEFORE: u32 = 0x5a5a_1234;

/// (outputs, inputs) of a tensor, and replicas.
const SIZES: [(u32, u32, u32); 6] = [
    (1, 1, 1),
    (3, 27, 2),
    (10, 100, 3),
    (33, 5, 1),
    (4, 700, 2),
    (2, 9000, 1),
];

/// Keys full of ties, zeros among them, in two regions of a replica: before the tensor and behind it.
fn keys(dice: &mut Dice, count: usize) -> Vec<u32> {
    let kinds = [0, 1, 7, 8, 0x3f80_0001, u32::MAX - 1];
    let mut key = || match dice.below(3) {
        0 => kinds[dice.below(6) as usize],
        _ => 0x3f80_0000 + dice.below(1 << 20),
    };
    (0..count).map(|_| key()).collect()
}

#[test]
fn rows_keep_their_largest() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(401);
    for (outputs, row, replicas) in SIZES {
        let count = outputs * row;
        let stride = 64 + count.next_multiple_of(64);
        let u = RowsShape {
            offset: 64,
            count,
            row,
            score_stride: stride,
            mask_words: stride / 32,
            first: 2,
            rows: outputs + 3,
        };
        let score = keys(&mut dice, (stride * replicas) as usize);
        // As many as there are, none, one, and anything between.
        let mut ranks = vec![0; (u.rows * replicas) as usize];
        for r in 0..replicas {
            for o in 0..outputs {
                let start = (r * stride + u.offset + o * row) as usize;
                let own = &score[start..start + row as usize];
                let there = own.iter().filter(|&&k| k != 0).count() as u32;
                ranks[(r * u.rows + u.first + o) as usize] = match o % 4 {
                    0 => dice.below(there + 1),
                    1 => there,
                    2 => 0,
                    _ => there.min(1),
                };
            }
        }
        let case = Case::new(gpu, "select_rows", &u);
        let on_gpu = [case.with(&score), case.with(&ranks)];
        let mut thresholds = vec![Threshold::zeroed(); ranks.len()];
        let found = case.with(&thresholds);
        let invocations = u64::from(outputs) * 256;
        case.run(&u, &[&on_gpu[0], &on_gpu[1], &found], invocations, replicas);
        select_rows(&u, replicas, &score, &ranks, &mut thresholds);
        let flat: &[u32] = bytemuck::cast_slice(&thresholds);
        case.check_words("thresholds", &case.words(&found, flat.len()), flat);

        let write = Case::new(gpu, "select_rows_write", &u);
        let mut masks = vec![BEFORE; (u.mask_words * replicas) as usize];
        let written = write.with(&masks);
        let words = u64::from(count.div_ceil(32));
        write.run(&u, &[&on_gpu[0], &found, &written], words, replicas);
        select_rows_write(&u, replicas, &score, &thresholds, &mut masks);
        write.check_words("masks", &write.words(&written, masks.len()), &masks);
    }
}

#[test]
fn runs_keep_their_largest() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(402);
    for (outputs, row, replicas) in SIZES {
        for (keep, run) in [(2, 4), (1, 1), (1, 4), (4, 8), (3, 7), (5, 1024)] {
            let count = outputs * row;
            let stride = 64 + count.next_multiple_of(64);
            let u = RunsShape {
                offset: 64,
                count,
                row,
                score_stride: stride,
                mask_words: stride / 32,
                keep,
                run,
            };
            let score = keys(&mut dice, (stride * replicas) as usize);
            let case = Case::new(gpu, "select_runs", &u);
            let mut masks = vec![BEFORE; (u.mask_words * replicas) as usize];
            let buffers = [case.with(&score), case.with(&masks)];
            let words = u64::from(count.div_ceil(32));
            case.run(&u, &[&buffers[0], &buffers[1]], words, replicas);
            select_runs(&u, replicas, &score, &mut masks);
            case.check_words("masks", &case.words(&buffers[1], masks.len()), &masks);
        }
    }
}
