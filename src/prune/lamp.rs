//! Layer-adaptive magnitude (Lee et al. 2021, equation 1).

use super::error::PruneError;
use crate::gpu::{Buffer, Gpu};
use crate::model::Model;
use crate::train::{Replicas, Snapshot};

/// The weights that exist, largest score first: index and score. The score of a weight is its square over the sum of squares of
/// its layer from it upwards. Equal weights have an order, that of their indices: the lower one counts as the larger, and so
/// has the larger score; equal scores of different layers go by the index too. In f64, in which squares of f32 are exact.
///
/// On the host: the denominators are sums along a sorted layer, and f32 could not tell millions of them apart.
pub fn lamp_order(model: &Model, snapshot: &Snapshot) -> Vec<(u32, f64)> {
    let mut scores: Vec<(u32, f64)> = Vec::new();
    for tensor in model.tensors.iter().filter(|t| t.prunable) {
        let mut order: Vec<usize> = snapshot.mask.kept_in(tensor).collect();
        // Bits of positive floats have the order of the floats.
        let size = |i: usize| snapshot.weights[i].abs().to_bits();
        order.sort_unstable_by_key(|&i| (std::cmp::Reverse(size(i)), i));
        let mut sum = 0.0;
        for i in order {
            let w = f64::from(snapshot.weights[i]);
            sum += w * w;
            // A layer of zeros has no largest weight.
            let score = if sum == 0.0 { 0.0 } else { w * w / sum };
            scores.push((i as u32, score));
        }
    }
    scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scores
}

/// Keys of every replica by rank in [`lamp_order`], `[replica][float]`: no two alike, so no rounding decides.
///
/// # Errors
/// A score is NaN, or the device failed.
pub(super) fn lamp_keys(gpu: &Gpu, replicas: &Replicas) -> Result<Buffer, PruneError> {
    let model = &replicas.model;
    let mut keys = vec![0u32; replicas.count as usize * model.floats];
    let own = keys.chunks_exact_mut(model.floats);
    for (replica, (keys, snapshot)) in own.zip(replicas.download(gpu)?).enumerate() {
        let order = lamp_order(model, &snapshot);
        let nans = order.iter().filter(|(_, score)| score.is_nan()).count() as u32;
        if nans > 0 {
            return Err(PruneError::NotANumber {
                count: nans,
                replica,
            });
        }
        let count = order.len() as u32;
        for (rank, (i, _)) in order.into_iter().enumerate() {
            keys[i as usize] = count - rank as u32;
        }
    }
    Ok(gpu.buffer_with("scores", &keys)?)
}
