//! What is left of a network after a step: counts, paths, work, and how far from equal its weights are.

use super::exact::Exact;
use crate::model::{Mask, Model};
use crate::prune::paths;
use crate::spec::{PowerSums, REPORTED};
use crate::train::Snapshot;
use serde::{Deserialize, Serialize};

/// One layer with weights, or all of them together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerMeasures {
    /// The layer's name; empty for the whole network.
    pub layer: String,
    /// Its weights.
    pub weights: u64,
    /// Those that exist.
    pub kept: u64,
    /// Those on a path from input to output; see [`paths`].
    pub effective: u64,
    /// Its outputs: features or channels.
    pub units: u64,
    /// Those that no weight feeds or none reads.
    pub dead_units: u64,
    /// Multiply-adds of one sample forward with every weight.
    pub multiply_adds: u64,
    /// The same with the kept weights alone: each as often as its layer has output positions.
    pub kept_multiply_adds: u64,
    /// The PQ index of the kept weights for each of [`REPORTED`]; not finite where a weight is not.
    pub pq_index: [Exact; 2],
}

/// What one step left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Steps before it in its history.
    pub step: u32,
    /// What the step does: a word of the experiment file.
    pub does: String,
    /// Each layer with weights, in the model's order, then the whole network.
    pub layers: Vec<LayerMeasures>,
}

/// Multiply-adds of one sample forward with every weight of tensor `t`, and with the `kept` ones alone: each as often as its layer
/// has output positions.
fn multiply_adds(model: &Model, t: usize, kept: u64) -> (u64, u64) {
    let tensor = &model.tensors[t];
    let operator = model.layers.iter().find(|l| l.name == tensor.layer);
    let dense = operator.map_or(0, |l| l.operator.multiply_adds(l.input));
    (dense, dense / tensor.count as u64 * kept)
}

/// Multiply-adds of one sample forward with the weights alone that a mask keeps.
pub fn kept_multiply_adds(model: &Model, mask: &Mask) -> u64 {
    let kept = mask.counts(model);
    let of = |t| multiply_adds(model, t, kept[t]).1;
    model.prunable_tensors().map(of).sum()
}

/// Measures each layer with weights, in the model's order, then the whole network.
pub fn measure(model: &Model, snapshot: &Snapshot) -> Vec<LayerMeasures> {
    let kept = snapshot.mask.counts(model);
    let mut total = LayerMeasures::default();
    let mut sums = [PowerSums::default(); 2];
    let mut all = Vec::new();
    for found in paths(model, &snapshot.mask) {
        let tensor = &model.tensors[found.tensor];
        let own = REPORTED.map(|norms| {
            let there = snapshot.mask.kept_in(tensor);
            PowerSums::of(there.map(|i| snapshot.weights[i]), norms)
        });
        let (weights, kept) = (tensor.count as u64, kept[found.tensor]);
        let (dense, sparse) = multiply_adds(model, found.tensor, kept);
        let layer = LayerMeasures {
            layer: tensor.layer.clone(),
            weights,
            kept,
            effective: found.effective,
            units: found.units,
            dead_units: found.dead,
            multiply_adds: dense,
            kept_multiply_adds: sparse,
            pq_index: indices(own),
        };
        total.weights += layer.weights;
        total.kept += layer.kept;
        total.effective += layer.effective;
        total.units += layer.units;
        total.dead_units += layer.dead_units;
        total.multiply_adds += layer.multiply_adds;
        total.kept_multiply_adds += layer.kept_multiply_adds;
        for (sum, own) in sums.iter_mut().zip(own) {
            *sum = *sum + own;
        }
        all.push(layer);
    }
    total.pq_index = indices(sums);
    all.push(total);
    all
}

fn indices(sums: [PowerSums; 2]) -> [Exact; 2] {
    [0, 1].map(|i| Exact(sums[i].index(REPORTED[i])))
}
