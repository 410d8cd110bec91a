//! Selection within rows and runs: what it must choose, by a sort.

use super::select::chosen;
use secateur::prune::{RowsShape, RunsShape, Threshold};

/// thresholds[r][first + o] = the (key, inverted index) of the ranks[..]-th largest key of row o; all bits where none stays.
pub fn select_rows(
    u: &RowsShape,
    replicas: u32,
    score: &[u32],
    ranks: &[u32],
    thresholds: &mut [Threshold],
) {
    for r in 0..replicas {
        for o in 0..u.count / u.row {
            let slot = (r * u.rows + u.first + o) as usize;
            let start = u.offset + o * u.row;
            let key = |k: u32| score[(r * u.score_stride + k) as usize];
            let keys: Vec<(u32, u32)> = (start..start + u.row).map(|k| (k, key(k))).collect();
            let last = chosen(&keys, ranks[slot]).last().copied();
            thresholds[slot] = Threshold {
                key: last.map_or(u32::MAX, key),
                index: last.map_or(u32::MAX, |k| u32::MAX - k),
                rank: u32::from(last.is_some()),
                round: 8,
            };
        }
    }
}

/// Mask bits = 1 at or above the threshold of the row; bits of the tensor's last word past its end become 1.
pub fn select_rows_write(
    u: &RowsShape,
    replicas: u32,
    score: &[u32],
    thresholds: &[Threshold],
    masks: &mut [u32],
) {
    for r in 0..replicas {
        for i in 0..u.count.next_multiple_of(32) {
            let on = i >= u.count || {
                let t = thresholds[(r * u.rows + u.first + i / u.row) as usize];
                let key = score[(r * u.score_stride + u.offset + i) as usize];
                key != 0 && (key, u32::MAX - (u.offset + i)) >= (t.key, t.index)
            };
            put(masks, r * u.mask_words, u.offset + i, on);
        }
    }
}

/// Mask bits = 1 for the `keep` largest keys of each run, the lower index first among equals, 0 never; past the end as above.
pub fn select_runs(u: &RunsShape, replicas: u32, score: &[u32], masks: &mut [u32]) {
    for r in 0..replicas {
        for i in 0..u.count.next_multiple_of(32) {
            put(masks, r * u.mask_words, u.offset + i, i >= u.count);
        }
        for row in (0..u.count).step_by(u.row as usize) {
            for first in (row..row + u.row).step_by(u.run as usize) {
                let run = first..(first + u.run).min(row + u.row);
                let key = |i: u32| score[(r * u.score_stride + u.offset + i) as usize];
                let keys: Vec<(u32, u32)> = run.map(|i| (i, key(i))).collect();
                for i in chosen(&keys, u.keep) {
                    put(masks, r * u.mask_words, u.offset + i, true);
                }
            }
        }
    }
}

fn put(masks: &mut [u32], first_word: u32, index: u32, on: bool) {
    let word = &mut masks[(first_word + index / 32) as usize];
    *word = *word & !(1 << (index % 32)) | u32::from(on) << (index % 32);
}
