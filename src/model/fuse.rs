//! Which layers do a neighbour's work while they store.

use super::network::{LayerAt, LayerInput, readers};
use crate::ops::{Fused, Mode};

/// What each layer does or leaves out in this mode; see [`Fused`]. A neighbour does a pass only where nobody else reads what is
/// between, and only layers that the mode runs take part.
pub fn fuse(layers: &[LayerAt], mode: Mode) -> Vec<Fused> {
    let runs = |i: usize| mode == Mode::Training || !layers[i].operator.only_in_training();
    let mut fused = vec![Fused::default(); layers.len()];
    for (i, layer) in layers.iter().enumerate().filter(|&(i, _)| runs(i)) {
        if let Some(summand) = summand(layers, i) {
            fused[i].addition = true;
            fused[summand].addition = true;
        }
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
            // Whoever adds comes before whoever rectifies the sum.
            if let Some(summand) = summand(layers, before) {
                fused[summand].forward = true;
            }
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

/// The layer that does the addition `i` while it stores: the later of the two summands, if nobody else reads it.
fn summand(layers: &[LayerAt], i: usize) -> Option<usize> {
    let (LayerInput::Layer(a), LayerInput::Layer(b)) = (layers[i].from, layers[i].with?) else {
        return None;
    };
    let later = a.max(b);
    let alone = a != b && readers(layers, LayerInput::Layer(later)) == 1;
    (alone && layers[later].operator.fuses_addition()).then_some(later)
}
