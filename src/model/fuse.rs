//! Which layers do a neighbour's work while they store.

use super::network::{LayerAt, LayerInput, readers};
use crate::ops::{Fused, Mode};

/// What each layer does or leaves out in this mode; see [`Fused`]. A neighbour does a pass only where nobody else reads what is
/// between, and only layers that the mode runs take part.
pub fn fuse(layers: &[LayerAt], mode: Mode) -> Vec<Fused> {
    let runs = |i: usize| mode == Mode::Training || !layers[i].operator.only_in_training();
    let mut fused = vec![Fused::default(); layers.len()];
    for (i, layer) in layers.iter().enumerate().filter(|&(i, _)| runs(i)) {
        let before = match layer.from {
            LayerInput::Layer(before) if readers(layers, layer.from) == 1 => Some(before),
            _ => None,
        };
        let dropping = layer.operator.dropping(i as u32, layer.input);
        if let (Some(dropping), Some(before)) = (dropping, before)
            && layers[before].operator.fuses_dropout()
        {
            fused[i].dropout = Some(dropping);
            fused[before].dropout = Some(dropping);
        }
        if !layer.operator.is_relu() {
            continue;
        }
        if let Some(before) = before
            && layers[before].operator.fuses_relu_forward()
        {
            fused[i].forward = true;
            fused[before].forward = true;
        }
        let own = LayerInput::Layer(i);
        if readers(layers, own) > 1 {
            // The sum of what they send goes through it as it is added up.
            fused[i].backward = true;
        } else if let Some(after) = layers.iter().position(|l| l.from == own)
            && layers[after].operator.fuses_relu_backward()
            && runs(after)
        {
            fused[i].backward = true;
            fused[after].backward = true;
        }
    }
    fused
}
