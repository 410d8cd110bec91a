//! Which layers do a neighbour's work while they store.

use super::network::{LayerAt, LayerInput, readers};
use crate::ops::Fused;

/// What each layer does or leaves out; see [`Fused`]. A neighbour does a pass only where nobody else reads what is between.
pub fn fuse(layers: &[LayerAt]) -> Vec<Fused> {
    let mut fused = vec![Fused::default(); layers.len()];
    for i in 0..layers.len() {
        if !layers[i].operator.is_relu() {
            continue;
        }
        if let LayerInput::Layer(before) = layers[i].from
            && layers[before].operator.fuses_relu_forward()
            && readers(layers, layers[i].from) == 1
        {
            fused[i].forward = true;
            fused[before].forward = true;
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
