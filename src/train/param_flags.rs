//! What an optimizer may do to which parameters: one word for each 64 floats of the flat buffer, shared by all replicas.
//! Tensors start at multiples of 64, so every word is about one tensor.

use crate::model::{ALIGNMENT, Model};
use crate::spec::DecayOn;

/// The optimizer may change it (`shaders/shared/optimizer.wgsl`).
const LEARNS: u32 = 1;
/// Weight decay applies to it.
const DECAYS: u32 = 2;

/// The words of `model`, or `None` where the optimizer does the same to all. `learns` says which layers learn.
pub(super) fn param_flags(
    model: &Model,
    learns: impl Fn(usize) -> bool,
    decay: DecayOn,
) -> Option<Vec<u32>> {
    let mut words = vec![LEARNS | DECAYS; model.floats / ALIGNMENT];
    for (i, layer) in model.layers.iter().enumerate() {
        for tensor in &model.tensors[layer.tensors.clone()] {
            let learned = learns(i) && tensor.learned;
            let decays = decay == DecayOn::All || tensor.prunable;
            let word = u32::from(learned) * LEARNS + u32::from(decays) * DECAYS;
            let first = tensor.offset / ALIGNMENT;
            words[first..first + tensor.count.div_ceil(ALIGNMENT)].fill(word);
        }
    }
    let special = words.iter().any(|&word| word != LEARNS | DECAYS);
    special.then_some(words)
}
