//! Which layers do a neighbour's work while they store.

use super::network::{LayerAt, LayerInput, readers};
use crate::ops::{Fused, Mode};

/// What each layer does or leaves out in this mode; see [`Fused`]. A neighbour does a pass only where nobody else reads what is
/// between, and where the mode runs the neighbour.
pub fn fuse(layers: &[LayerAt], mode: Mode) -> Vec<Fused> {
    let runs = |i: usize| mode == Mode::Training || !layers[i].operator.only_in_training();
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
            && runs(after)
        {
            fused[i].backward = true;
            fused[after].backward = true;
        }
    }
    fused
}
