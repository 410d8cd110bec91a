//! Which layers do a neighbour's work while they store.

use super::network::{LayerAt, LayerInput, readers};
use crate::ops::Fused;

/// What each layer does or leaves out; see [`Fused`]. A neighbour does a pass only where nobody else reads what is between.
pub fn fuse(layers: &[LayerAt]) -> Vec<Fused> {
    let mut fused = vec![Fused::default(); layers.len()];
    for i in 0..layers.len() {
        if let Some(before) = summand(layers, i) {
            fused[i].addition = true;
            fused[before].addition = true;
        }
        if !layers[i].operator.is_relu() {
            continue;
        }
        if let LayerInput::Layer(before) = layers[i].from
            && layers[before].operator.fuses_relu_forward()
            && readers(layers, layers[i].from) == 1
        {
            fused[i].forward = true;
            fused[before].forward = true;
            // Whoever adds comes before whoever rectifies the sum.
            if let Some(summand) = summand(layers, before) {
                fused[summand].forward = true;
            }
        }
        let own = LayerInput::Layer(i);
        if readers(layers, own) == 1
            && let Some(after) = layers.iter().position(|l| l.from == own)
            && layers[after].operator.fuses_relu_backward()
        {
            fused[i].backward = true;
            fused[after].backward = true;
        }
    }
    fused
}

/// The layer that does the addition `i` while it stores: the later of the two summands, if nobody else reads it.
fn summand(layers: &[LayerAt], i: usize) -> Option<usize> {
    let (LayerInput::Layer(a), LayerInput::Layer(b)) = (layers[i].from, layers[i].with?) else {
        return None;
    };
    let later = a.max(b);
    let alone = a != b && readers(layers, LayerInput::Layer(later)) == 1;
    (alone && layers[later].operator.fuses_addition()).then_some(later)
}
