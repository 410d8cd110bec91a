//! Channels that are the same number in every pixel of every sample, because no kept weight leads into them.

use crate::model::{LayerInput, Model};

/// The value of each channel of each layer's output where it is constant when evaluated; `exists` says which weights do. The
/// input's channels are not.
pub(super) fn constants(
    model: &Model,
    weights: &[f32],
    exists: impl Fn(usize) -> bool,
) -> Vec<Vec<Option<f64>>> {
    let mut values: Vec<Vec<Option<f64>>> = Vec::new();
    for layer in &model.layers {
        let unknown = vec![None; model.input.channels];
        let of = |source: LayerInput| match source {
            LayerInput::Input => &unknown,
            LayerInput::Layer(i) => &values[i],
        };
        let tensors = &model.tensors[layer.tensors.clone()];
        let own = |channel: usize| -> Vec<f32> {
            let each = tensors.iter().filter(|t| t.shape.len() == 1);
            each.map(|t| weights[t.offset + channel]).collect()
        };
        let value = |channel: usize| -> Option<f64> {
            if layer.operator.mixes_channels() {
                let mut rows = tensors.iter().filter(|t| t.prunable).flat_map(|t| {
                    let len = t.count / t.shape[0];
                    t.offset + channel * len..t.offset + (channel + 1) * len
                });
                let bias = own(channel).first().copied().unwrap_or(0.0);
                return (!rows.any(&exists)).then_some(f64::from(bias));
            }
            // A flattened plane has its channel's value in every place.
            let input = channel / (layer.output.channels / layer.input.channels);
            let x = of(layer.from)[input]?;
            let other = match layer.with {
                Some(with) => of(with)[input]?,
                None => 0.0,
            };
            Some(layer.operator.of_constant(x + other, &own(input)))
        };
        let output = (0..layer.output.channels).map(value).collect();
        values.push(output);
    }
    values
}
