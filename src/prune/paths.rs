//! Which kept weights can matter: those on a path from the model's input to its output.

use crate::model::{LayerAt, LayerInput, Mask, Model};

/// What a mask leaves of one layer with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerPaths {
    /// The weight tensor, an index into [`Model::tensors`].
    pub tensor: usize,
    /// Weights that lie on a path from the input to the output (Vysogorets and Kempe 2021, section 3).
    pub effective: u64,
    /// Outputs: features, or channels of a convolution.
    pub units: u64,
    /// Outputs that no weight of the layer feeds, or that nothing later reads.
    pub dead: u64,
    /// Outputs that a path from the input reaches.
    pub reached: u64,
}

/// Follows the kept weights of `mask` through the model's graph; one entry per layer with weights, in the model's order.
///
/// The units of the graph are channels, or features once flat: a kernel with any weight left connects its two channels, wherever in
/// the image that weight looks, and a flattened channel is as many features as it has pixels. Weights that only ever see padding
/// count as the others. Layers without weights hand each channel on, and an addition joins two. Biases are no paths: what no
/// input reaches is a constant.
pub fn paths(model: &Model, mask: &Mask) -> Vec<LayerPaths> {
    let links: Vec<Option<Links>> = model
        .layers
        .iter()
        .map(|layer| Links::of(model, layer, mask))
        .collect();
    let live = reached(model, &links);
    let needed = wanted(model, &links, true);
    let read = wanted(model, &links, false);
    let mut all = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let Some(links) = &links[i] else { continue };
        let inputs = match layer.from {
            LayerInput::Input => vec![true; links.inputs],
            LayerInput::Layer(from) => live[from].clone(),
        };
        let effective = |(row, _): (&[u32], _)| -> u64 {
            let pairs = row.iter().zip(&inputs);
            pairs
                .map(|(&n, &live)| u64::from(n) * u64::from(live))
                .sum()
        };
        let fed = |row: &[u32]| row.iter().any(|&n| n > 0);
        let rows = || links.kept.chunks_exact(links.inputs);
        all.push(LayerPaths {
            tensor: links.tensor,
            effective: rows()
                .zip(&needed[i])
                .filter(|(_, n)| **n)
                .map(effective)
                .sum(),
            units: layer.output.channels as u64,
            dead: rows()
                .zip(&read[i])
                .filter(|(row, read)| !**read || !fed(row))
                .count() as u64,
            reached: live[i].iter().filter(|l| **l).count() as u64,
        });
    }
    all
}

/// The kept weights between each output and each input channel of a layer.
struct Links {
    tensor: usize,
    inputs: usize,
    /// `[output][input]`.
    kept: Vec<u32>,
}

impl Links {
    /// `None` for a layer without weights.
    fn of(model: &Model, layer: &LayerAt, mask: &Mask) -> Option<Self> {
        let number = layer.tensors.clone().find(|&t| model.tensors[t].prunable)?;
        let tensor = &model.tensors[number];
        let inputs = layer.input.channels;
        // A linear layer on an image reads a channel as many columns, a kernel as many taps: either way they lie together.
        let together = tensor.count / (tensor.shape[0] * inputs);
        let bit = |i: usize| u32::from(mask.keeps(i));
        let between = |pair: usize| {
            let first = tensor.offset + pair * together;
            (first..first + together).map(bit).sum()
        };
        Some(Self {
            tensor: number,
            inputs,
            kept: (0..tensor.shape[0] * inputs).map(between).collect(),
        })
    }
}

/// The input channel that a layer without weights makes an output channel of: its own, or where it flattens, that of the pixel.
fn origin(layer: &LayerAt, output: usize) -> usize {
    output * layer.input.channels / layer.output.channels
}

/// For each layer, which of its output channels a path from the input reaches.
fn reached(model: &Model, links: &[Option<Links>]) -> Vec<Vec<bool>> {
    let mut live: Vec<Vec<bool>> = Vec::new();
    for (layer, links) in model.layers.iter().zip(links) {
        let own = |c: usize| {
            let at = |source: LayerInput, c: usize| match source {
                LayerInput::Input => true,
                LayerInput::Layer(i) => live[i][c],
            };
            match links {
                Some(links) => (0..links.inputs)
                    .any(|i| links.kept[c * links.inputs + i] > 0 && at(layer.from, i)),
                None => layer.sources().any(|source| at(source, origin(layer, c))),
            }
        };
        let own: Vec<bool> = (0..layer.output.channels).map(own).collect();
        live.push(own);
    }
    live
}

/// For each layer, which of its output channels a later weight reads, or the model's output is; with `to_the_end`, a weight that
/// has itself a path to the output.
fn wanted(model: &Model, links: &[Option<Links>], to_the_end: bool) -> Vec<Vec<bool>> {
    let outputs = |layer: &LayerAt| vec![false; layer.output.channels];
    let mut wanted: Vec<Vec<bool>> = model.layers.iter().map(outputs).collect();
    if let Some(last) = wanted.last_mut() {
        last.fill(true);
    }
    for (i, layer) in model.layers.iter().enumerate().rev() {
        let own = wanted[i].clone();
        let mut want = |source: LayerInput, c: usize| {
            if let LayerInput::Layer(from) = source {
                wanted[from][c] = true;
            }
        };
        for (output, &own) in own.iter().enumerate() {
            match &links[i] {
                Some(links) if own || !to_the_end => {
                    let row = &links.kept[output * links.inputs..][..links.inputs];
                    let there = row.iter().enumerate().filter(|(_, n)| **n > 0);
                    there.for_each(|(c, _)| want(layer.from, c));
                }
                None if own => {
                    for source in layer.sources() {
                        want(source, origin(layer, output));
                    }
                }
                _ => {}
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Init, Layer, ModelSpec, NamedLayer, Shape};

    fn model(layers: &[(&str, Layer)], input: Shape, classes: usize) -> Model {
        let named = |(name, layer): &(&str, Layer)| NamedLayer {
            name: (*name).to_owned(),
            layer: layer.clone(),
            from: None,
        };
        let spec = ModelSpec {
            name: "test".into(),
            layers: layers.iter().map(named).collect(),
            init: Init::default(),
        };
        Model::new(&spec, input, classes).unwrap()
    }

    /// A mask that keeps these weights, (tensor, index), alone.
    fn keeping(model: &Model, weights: &[(usize, usize)]) -> Mask {
        let mut mask = Mask::full(model.floats);
        for (number, tensor) in model.tensors.iter().enumerate().filter(|(_, t)| t.prunable) {
            let stays = |i: &usize| weights.contains(&(number, i - tensor.offset));
            for i in tensor.range().filter(|i| !stays(i)) {
                mask.remove(i);
            }
        }
        mask
    }

    fn linear(features: usize) -> Layer {
        Layer::Linear {
            features,
            bias: false,
        }
    }

    fn conv(channels: usize) -> Layer {
        Layer::Conv2d {
            channels,
            kernel: 3,
            stride: 1,
            padding: 1,
            bias: false,
        }
    }

    /// (effective, dead, reached) per layer.
    fn found(model: &Model, mask: &Mask) -> Vec<(u64, u64, u64)> {
        let all = paths(model, mask).into_iter();
        all.map(|p| (p.effective, p.dead, p.reached)).collect()
    }

    #[test]
    fn a_weight_counts_where_it_is_fed_and_read() {
        let model = model(
            &[
                ("a", linear(4)),
                ("r", Layer::Relu),
                ("b", linear(3)),
                ("c", linear(2)),
            ],
            Shape::flat(5),
            2,
        );
        // a: unit 0 fed by inputs 1 and 4, unit 1 by 2, unit 3 by 0; b: 0 <- 0, 1 <- 2, 2 <- 1; c: 0 <- 0, 1 <- 1.
        let mask = keeping(
            &model,
            &[
                (0, 1),
                (0, 4),
                (0, 7),
                (0, 15),
                (1, 0),
                (1, 6),
                (1, 9),
                (2, 0),
                (2, 4),
            ],
        );
        // a's unit 2 has no weight and 3 no reader; b's unit 2 is read by none; b's 1 is fed by a unit that is not.
        assert_eq!(found(&model, &mask), [(2, 2, 3), (1, 1, 2), (1, 0, 1)]);
        let dense = Mask::full(model.floats);
        assert_eq!(found(&model, &dense), [(20, 0, 4), (12, 0, 3), (6, 0, 2)]);
        let none = keeping(&model, &[(0, 0), (2, 0)]);
        assert_eq!(found(&model, &none), [(0, 4, 1), (0, 3, 0), (0, 1, 0)]);
    }

    #[test]
    fn channels_are_as_many_columns_as_they_have_pixels() {
        let model = model(
            &[
                ("a", conv(3)),
                ("n", Layer::BatchNorm),
                ("f", Layer::Flatten),
                ("b", linear(2)),
            ],
            Shape::new(2, 2, 2),
            2,
        );
        let [a, b] = [0, model.tensors.len() - 1];
        // a: channel 0 by two taps of input 1, channel 2 by one tap; b: unit 1 reads pixel 3 of channel 0 and pixel 0 of channel 1.
        let mask = keeping(
            &model,
            &[(a, 9), (a, 17), (a, 2 * 18), (b, 12 + 3), (b, 12 + 4)],
        );
        assert_eq!(found(&model, &mask), [(2, 2, 2), (1, 1, 1)]);
    }

    #[test]
    fn an_addition_goes_round_what_is_cut() {
        let model = model(
            &[
                ("a", conv(2)),
                ("b", conv(2)),
                ("sum", Layer::Add { with: "a".into() }),
                (
                    "p",
                    Layer::AvgPool {
                        window: None,
                        stride: 1,
                    },
                ),
                ("c", linear(2)),
            ],
            Shape::new(1, 4, 4),
            2,
        );
        // b is empty: a's channels reach c beside it.
        let mask = keeping(&model, &[(0, 0), (0, 9), (2, 0), (2, 3)]);
        assert_eq!(found(&model, &mask), [(2, 0, 2), (0, 2, 0), (2, 0, 2)]);
    }
}
