//! Selection within the rows of a layer, one per output, and within runs of a row: groups too many and too small for
//! [`super::select`], which keeps a histogram of each in memory.

use super::counts::{kept_after, kept_of, tensors_in_scope};
use super::criterion::Scorer;
use super::error::PruneError;
use crate::gpu::{Buffer, Gpu, GpuError, MAX_GROUPS, Observe, Program, shader_struct};
use crate::model::{Mask, Model, Tensor};
use crate::spec::{Amount, PowerSums, PruneSpec};

shader_struct! {
    /// Uniform of `select_rows` and `select_rows_write` (`shaders/shared/rows.wgsl`).
    pub struct RowsShape {
        /// Where the tensor starts, in keys.
        pub offset: u32,
        /// Its keys.
        pub count: u32,
        /// Keys of a row.
        pub row: u32,
        /// Keys per replica.
        pub score_stride: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// Its first row among those of all tensors.
        pub first: u32,
        /// Rows of all tensors.
        pub rows: u32,
    }
}

shader_struct! {
    /// Uniform of `select_runs`.
    pub struct RunsShape {
        /// Where the tensor starts, in keys.
        pub offset: u32,
        /// Its keys.
        pub count: u32,
        /// Keys of a row.
        pub row: u32,
        /// Keys per replica.
        pub score_stride: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// How many of each run stay.
        pub keep: u32,
        /// Keys of a run.
        pub run: u32,
    }
}

/// Weights of one output: of a linear layer its inputs, of a convolution its kernels.
fn row_of(tensor: &Tensor) -> usize {
    tensor.count / tensor.shape[0]
}

/// The tensors that a prune step takes from: those of its layers that are not to stay dense.
pub(super) fn rows_in_scope(model: &Model, spec: &PruneSpec) -> Result<Vec<usize>, PruneError> {
    let mut tensors = tensors_in_scope(model, spec.layers.as_deref())?;
    if !spec.keep_dense.is_empty() {
        let dense = tensors_in_scope(model, Some(&spec.keep_dense))?;
        tensors.retain(|t| !dense.contains(t));
    }
    Ok(tensors)
}

/// For each row of `tensors`, how many weights exist and how many of them stay. `weights` are there where they decide that.
pub(super) fn row_counts(
    model: &Model,
    tensors: &[usize],
    spec: &PruneSpec,
    mask: &Mask,
    weights: Option<&[f32]>,
) -> Result<Vec<(u64, u64)>, PruneError> {
    let mut counts = Vec::new();
    for tensor in tensors.iter().map(|&t| &model.tensors[t]) {
        let row = row_of(tensor);
        for first in tensor.range().step_by(row) {
            let there = (first..first + row).filter(|&i| mask.keeps(i));
            let alive = there.clone().count() as u64;
            let keep = match (spec.amount, weights) {
                (Amount::Sap(sap), Some(weights)) => {
                    let there = there.map(|i| weights[i]);
                    alive - sap.pruned(&PowerSums::of(there, sap.norms))
                }
                (amount, _) => kept_of(amount, row as u64, alive),
            };
            if keep > alive {
                return Err(PruneError::TooFewLeft {
                    keep,
                    alive,
                    layers: format!("one output of {}", tensor.layer),
                });
            }
            counts.push((alive, keep));
        }
    }
    Ok(counts)
}

/// Prunes each row within itself. `masks` are those of the replicas as they are, and `weights` are theirs where an amount is decided by
/// them.
///
/// # Errors
/// As [`super::prune_on`].
pub(super) fn prune_rows(
    scorer: &Scorer<'_>,
    specs: &[&PruneSpec],
    (masks, weights): (&[Mask], Option<&[Vec<f32>]>),
    observe: Observe<'_>,
) -> Result<(), PruneError> {
    let (gpu, replicas) = (scorer.gpu, scorer.replicas);
    let model = &*replicas.model;
    let tensors = rows_in_scope(model, specs[0])?;
    let of_replica = |(r, spec): (usize, &&PruneSpec)| {
        let weights = weights.map(|weights| weights[r].as_slice());
        row_counts(model, &tensors, spec, &masks[r], weights)
    };
    let counts = specs.iter().enumerate().map(of_replica);
    let counts = counts.collect::<Result<Vec<_>, _>>()?;
    let shots = specs[0].iterations;
    for shot in 1..=shots {
        let after = |&(alive, keep): &(u64, u64)| kept_after(alive, keep, shot, shots) as u32;
        let ranks: Vec<u32> = counts.iter().flatten().map(after).collect();
        let score = scorer.keys(&tensors, observe)?;
        let mut program = Program::new("selection in rows");
        select_rows(
            gpu,
            &mut program,
            model,
            &tensors,
            [&score, &replicas.masks],
            &ranks,
        )?;
        replicas.record_mask_apply(gpu, &mut program, &replicas.params)?;
        gpu.run(&program)?;
    }
    Ok(())
}

/// Records the selection of the `ranks[replica][row]` largest keys of each row of `tensors`, rows in that order.
fn select_rows(
    gpu: &Gpu,
    program: &mut Program,
    model: &Model,
    tensors: &[usize],
    [score, masks]: [&Buffer; 2],
    ranks: &[u32],
) -> Result<(), GpuError> {
    let outputs = |&t: &usize| model.tensors[t].shape[0];
    let rows: usize = tensors.iter().map(outputs).sum();
    let replicas = (ranks.len() / rows.max(1)) as u32;
    let thresholds = gpu.buffer("thresholds", ranks.len() as u64 * 16)?;
    let ranks = gpu.buffer_with("ranks", ranks)?;
    let mut first = 0;
    for &t in tensors {
        let tensor = &model.tensors[t];
        let shape = RowsShape {
            offset: tensor.offset as u32,
            count: tensor.count as u32,
            row: row_of(tensor) as u32,
            score_stride: model.floats as u32,
            mask_words: model.mask_words() as u32,
            first,
            rows: rows as u32,
        };
        let own = outputs(&t) as u32;
        let x = own.min(MAX_GROUPS);
        let kernel = gpu.kernel("select_rows", &[])?;
        let buffers = [score, &ranks, &thresholds];
        program.push_groups(
            gpu,
            kernel,
            &shape,
            &buffers,
            [x, own.div_ceil(x), replicas],
        )?;
        let kernel = gpu.kernel("select_rows_write", &[])?;
        let words = u64::from(shape.count.div_ceil(32));
        program.push(
            gpu,
            kernel,
            &shape,
            &[score, &thresholds, masks],
            words,
            replicas,
        )?;
        first += own;
    }
    Ok(())
}

/// Keeps the `n` largest scores of each run of `m` inputs of an output, in the order in which they lie; of fewer that exist, all.
///
/// # Errors
/// As [`super::prune_on`].
pub(super) fn prune_runs(
    scorer: &Scorer<'_>,
    spec: &PruneSpec,
    (n, m): (u32, u32),
    observe: Observe<'_>,
) -> Result<(), PruneError> {
    let (gpu, replicas) = (scorer.gpu, scorer.replicas);
    let model = &replicas.model;
    let tensors = rows_in_scope(model, spec)?;
    let score = scorer.keys(&tensors, observe)?;
    let mut program = Program::new("selection in runs");
    for tensor in tensors.iter().map(|&t| &model.tensors[t]) {
        let shape = RunsShape {
            offset: tensor.offset as u32,
            count: tensor.count as u32,
            row: row_of(tensor) as u32,
            score_stride: model.floats as u32,
            mask_words: model.mask_words() as u32,
            keep: n,
            run: m,
        };
        let kernel = gpu.kernel("select_runs", &[])?;
        let words = u64::from(shape.count.div_ceil(32));
        let buffers = [&score, &replicas.masks];
        program.push(gpu, kernel, &shape, &buffers, words, replicas.count)?;
    }
    replicas.record_mask_apply(gpu, &mut program, &replicas.params)?;
    Ok(gpu.run(&program)?)
}
