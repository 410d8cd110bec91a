//! Scores by a criterion of the program that runs the experiment.

use super::error::PruneError;
use crate::gpu::{Buffer, Gpu};
use crate::train::Replicas;

/// The weights of one layer, for a [`CustomCriterion`].
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'w> {
    /// The layer's name in the model.
    pub layer: &'w str,
    /// `[out, in]` of a linear layer, `[out, in, height, width]` of a convolution.
    pub shape: &'w [usize],
    /// The weights in that order, the last dimension fastest. Pruned ones are 0, and their scores do not count.
    pub weights: &'w [f32],
}

/// A score for each weight of a layer, in their order: the largest stay, and of equal ones those of the lower index.
pub type CustomCriterion<'c> = dyn Fn(&LayerWeights<'_>) -> Vec<f32> + 'c;

/// Keys of every replica, `[replica][float]`, in the order of the scores; 0 for weights that may not be selected.
///
/// # Errors
/// A score is NaN, there are too few or too many of them, or the device failed.
pub(super) fn custom_keys(
    gpu: &Gpu,
    replicas: &Replicas,
    tensors: &[usize],
    criterion: &CustomCriterion<'_>,
) -> Result<Buffer, PruneError> {
    let model = &replicas.model;
    let mut keys = vec![0u32; replicas.count as usize * model.floats];
    let own = keys.chunks_exact_mut(model.floats);
    for (replica, (keys, snapshot)) in own.zip(replicas.download(gpu)?).enumerate() {
        let mut nans = 0;
        for &t in tensors {
            let tensor = &model.tensors[t];
            let range = tensor.offset..tensor.offset + tensor.count;
            let scores = criterion(&LayerWeights {
                layer: &tensor.layer,
                shape: &tensor.shape,
                weights: &snapshot.weights[range.clone()],
            });
            if scores.len() != tensor.count {
                return Err(PruneError::ScoreCount {
                    layer: tensor.layer.clone(),
                    weights: tensor.count,
                    scores: scores.len(),
                });
            }
            for (i, score) in range.zip(scores) {
                if snapshot.mask.keeps(i) {
                    nans += u32::from(score.is_nan());
                    keys[i] = key(score);
                }
            }
        }
        if nans > 0 {
            return Err(PruneError::NotANumber {
                count: nans,
                replica,
            });
        }
    }
    Ok(gpu.buffer_with("scores", &keys)?)
}

/// The order of floats as that of integers between 0 and `u32::MAX`; -0 = +0.
fn key(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    let negative = bits >> 31 == 1;
    if negative { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_have_the_order_of_scores() {
        let tiny = f32::from_bits(1);
        let ascending = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            -tiny,
            0.0,
            tiny,
            1.0,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(ascending.map(key).is_sorted_by(|a, b| a < b));
        assert_eq!(key(-0.0), key(0.0));
        assert!(key(f32::NEG_INFINITY) > 0 && key(f32::INFINITY) < u32::MAX);
    }
}
