//! One training step of a whole model for one replica, layer by layer, every value and gradient in memory of its own.
//!
//! Gradients of a value with several readers are added as `src/train/gradients.rs` says: in backward order, an addition's
//! named summand before its input.

use super::activation::{activation_backward, activation_forward};
use super::batch_norm::{batch_norm_backward, batch_norm_forward};
use super::conv::{
    conv_backward_data, conv_backward_weight, conv_forward, part_floats, partial_shape,
};
use super::dense::{dense_backward_data, dense_backward_weight, dense_forward};
use super::loss::softmax_loss;
use super::number::Real;
use super::pointwise::{add_forward, dropout_apply, relu_backward, relu_forward};
use super::pool::{avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward};
use super::reduce::partial_sum;
use bytemuck::Zeroable;
use secateur::model::{LayerInput, Model};
use secateur::ops::{
    ActivationShape, AddShape, BatchNormShape, ConvShape, DenseShape, DropoutShape, LossShape,
    PoolShape, Span, Window,
};
use secateur::spec::{Layer, ModelSpec};
use secateur::train::{RandomKey, State};

/// A model and the size of its batch.
pub struct Network<'a> {
    pub spec: &'a ModelSpec,
    pub model: &'a Model,
    /// vec4s of samples.
    pub columns: u32,
    /// Samples that are there.
    pub count: u32,
    /// What fates are drawn by; `None` leaves dropout out.
    pub dropout: Option<RandomKey>,
}

/// What a step computes.
pub struct Step<T> {
    /// Loss of each sample.
    pub loss: Vec<T>,
    /// Flat gradients.
    pub grads: Vec<T>,
}

impl Network<'_> {
    fn offset(&self, i: usize, tensor: usize) -> u32 {
        let tensors = &self.model.tensors[self.model.layers[i].tensors.clone()];
        tensors.get(tensor).map_or(u32::MAX, |t| t.offset as u32)
    }

    fn dense(&self, i: usize) -> DenseShape {
        let layer = &self.model.layers[i];
        let [inputs, outputs] = [layer.input, layer.output].map(|side| side.features() as u32);
        DenseShape {
            inputs,
            outputs,
            columns: self.columns,
            weight_offset: self.offset(i, 0),
            bias_offset: self.offset(i, 1),
            param_stride: self.model.floats as u32,
            relu: 0,
            gate: 0,
            part: DenseShape::part_for(inputs, layer.channels as u32),
            kept_stride: 0,
        }
    }

    fn conv(&self, i: usize, kernel: usize, stride: usize, padding: usize) -> ConvShape {
        let layer = &self.model.layers[i];
        ConvShape {
            in_channels: layer.input.channels as u32,
            in_height: layer.input.height as u32,
            in_width: layer.input.width as u32,
            out_channels: layer.output.channels as u32,
            out_height: layer.output.height as u32,
            out_width: layer.output.width as u32,
            kernel: kernel as u32,
            stride: stride as u32,
            padding: padding as u32,
            columns: self.columns,
            weight_offset: self.offset(i, 0),
            bias_offset: self.offset(i, 1),
            param_stride: self.model.floats as u32,
            relu: 0,
            gate: 0,
            kept_stride: 0,
        }
    }

    fn pool(&self, i: usize, window: Option<usize>, stride: usize) -> PoolShape {
        let layer = &self.model.layers[i];
        let (height, width) = window.map_or((layer.input.height, layer.input.width), |w| (w, w));
        PoolShape {
            channels: layer.input.channels as u32,
            in_height: layer.input.height as u32,
            in_width: layer.input.width as u32,
            out_height: layer.output.height as u32,
            out_width: layer.output.width as u32,
            window_height: height as u32,
            window_width: width as u32,
            stride: stride as u32,
            columns: self.columns,
            share: (1.0 / (height * width) as f64) as f32,
            gate: 0,
            ..Zeroable::zeroed()
        }
    }

    fn batch_norm(&self, i: usize) -> BatchNormShape {
        let input = self.model.layers[i].input;
        let pixels = (input.height * input.width) as u32;
        BatchNormShape {
            channels: input.channels as u32,
            pixels,
            columns: self.columns,
            lanes: BatchNormShape::lanes_for(pixels),
            weight_offset: self.offset(i, 0),
            bias_offset: self.offset(i, 1),
            mean_offset: self.offset(i, 2),
            variance_offset: self.offset(i, 3),
            param_stride: self.model.floats as u32,
            mode: 1,
            learns: 1,
            relu: 0,
            momentum: 0.1,
            eps: 1e-5,
        }
    }

    fn activation(&self, i: usize) -> (ActivationShape, u32) {
        let (kind, slope) = match self.spec.layers[i].layer {
            Layer::Tanh => (0, 0.0),
            Layer::LeakyRelu { slope } => (1, slope),
            _ => (2, 0.0),
        };
        let count = self.span(i);
        (ActivationShape { count, slope }, kind)
    }

    /// Dropout of the values of layer `i`, or of their gradients, in the first step.
    fn drop<T: Real>(&self, i: usize, p: f32, channels: bool, values: &mut [T]) {
        let Some(key) = self.dropout else { return };
        let p = f64::from(p);
        let shape = DropoutShape {
            count: self.span(i),
            columns: self.columns,
            first_column: 0,
            batch_columns: self.columns,
            plane: match channels {
                true => self.model.layers[i].input.plane() as u32,
                false => 1,
            },
            threshold: (p * 4_294_967_296.0).round() as u32,
            scale: (1.0 / (1.0 - p)) as f32,
            layer: i as u32,
        };
        let keys = [[key.seed, key.fresh, key.train, key.select]];
        dropout_apply(&shape, &keys, &[State::default()], values);
    }

    fn span(&self, i: usize) -> u32 {
        self.model.layers[i].output.features() as u32 * self.columns
    }

    /// Forward, loss and backward. `labels` are [`EMPTY`](super::batch::EMPTY) in empty slots.
    pub fn step<T: Real>(&self, params: &mut [T], input: &[T], labels: &[u32]) -> Step<T> {
        let slots = 4 * self.columns as usize;
        let layers = &self.model.layers;
        let mut values: Vec<Vec<T>> = Vec::new();
        let state = [State {
            count: self.count,
            ..State::default()
        }];
        // What batch normalisations keep from forward to backward.
        let mut kept: Vec<Vec<T>> = vec![Vec::new(); layers.len()];
        let mut places: Vec<Vec<u32>> = vec![Vec::new(); layers.len()];
        for (i, layer) in layers.iter().enumerate() {
            let of = |source| match source {
                LayerInput::Input => input,
                LayerInput::Layer(j) => values[j].as_slice(),
            };
            let x = of(layer.from);
            let mut y = vec![T::ZERO; layer.output.features() * slots];
            match self.spec.layers[i].layer {
                Layer::Linear { .. } => dense_forward(&self.dense(i), 1, params, x, &mut y),
                Layer::Conv2d {
                    kernel,
                    stride,
                    padding,
                    ..
                } => conv_forward(&self.conv(i, kernel, stride, padding), 1, params, x, &mut y),
                Layer::Relu => {
                    y.copy_from_slice(x);
                    let count = self.span(i);
                    relu_forward(&Span { count }, 1, &mut y);
                }
                Layer::MaxPool { window, stride } => {
                    places[i] = vec![0; y.len()];
                    let shape = self.pool(i, Some(window), stride);
                    max_pool_forward(&shape, 1, x, &mut y, &mut places[i]);
                }
                Layer::AvgPool { window, stride } => {
                    avg_pool_forward(&self.pool(i, window, stride), 1, x, &mut y);
                }
                Layer::Add { .. } => {
                    let count = self.span(i);
                    let shape = AddShape { count, relu: 0 };
                    let with = of(layer.with.expect("a second summand"));
                    add_forward(&shape, 1, x, with, &mut y);
                }
                Layer::BatchNorm => {
                    let shape = self.batch_norm(i);
                    kept[i] = vec![T::ZERO; 4 * shape.channels as usize];
                    batch_norm_forward(&shape, &state, (x, None), params, &mut kept[i], &mut y);
                }
                Layer::Flatten => y.copy_from_slice(x),
                Layer::Tanh | Layer::LeakyRelu { .. } | Layer::Gelu => {
                    let (shape, kind) = self.activation(i);
                    activation_forward(&shape, kind, 1, x, &mut y);
                }
                Layer::Dropout { p, channels } => {
                    y.copy_from_slice(x);
                    self.drop(i, p, channels, &mut y);
                }
            }
            values.push(y);
        }
        let logits = &values[layers.len() - 1];
        let mut gradient: Vec<Option<Vec<T>>> = vec![None; layers.len()];
        let (mut dlogits, mut loss) = (vec![T::ZERO; logits.len()], vec![T::ZERO; slots]);
        let shape = LossShape::new(
            self.model.classes as u32,
            Window::all(self.columns, self.columns)[0],
            0.0,
        );
        softmax_loss(
            &shape,
            &state,
            labels,
            logits,
            &mut dlogits,
            &mut loss,
            &mut vec![0; slots],
        );
        gradient[layers.len() - 1] = Some(dlogits);
        let mut grads = vec![T::ZERO; self.model.floats];
        for (i, layer) in layers.iter().enumerate().rev() {
            let dy = gradient[i].take().expect("every layer is read");
            let x = match layer.from {
                LayerInput::Input => input,
                LayerInput::Layer(j) => values[j].as_slice(),
            };
            let mut dx = vec![T::ZERO; x.len()];
            match self.spec.layers[i].layer {
                Layer::Linear { .. } => {
                    let shape = self.dense(i);
                    dense_backward_weight(&shape, false, 1, x, &dy, &mut grads);
                    dense_backward_data(&shape, 1, params, &dy, x, &mut dx);
                }
                Layer::Conv2d {
                    kernel,
                    stride,
                    padding,
                    ..
                } => {
                    let shape = self.conv(i, kernel, stride, padding);
                    let mut part = vec![T::ZERO; part_floats(&shape, 1)];
                    conv_backward_weight(&shape, false, 1, x, &dy, &mut part);
                    partial_sum(&partial_shape(&shape), 1, &part, &mut grads);
                    conv_backward_data(&shape, 1, params, &dy, x, &mut dx);
                }
                Layer::Relu => {
                    dx.copy_from_slice(&dy);
                    let count = self.span(i);
                    relu_backward(&Span { count }, 1, &values[i], &mut dx);
                }
                Layer::MaxPool { window, stride } => {
                    let shape = self.pool(i, Some(window), stride);
                    max_pool_backward(&shape, 1, &dy, &places[i], &mut dx);
                }
                Layer::AvgPool { window, stride } => {
                    avg_pool_backward(&self.pool(i, window, stride), 1, &dy, x, &mut dx);
                }
                Layer::BatchNorm => {
                    let shape = self.batch_norm(i);
                    batch_norm_backward(&shape, &state, (x, &dy), &kept[i], &mut grads, &mut dx);
                }
                Layer::Add { .. } | Layer::Flatten => dx.copy_from_slice(&dy),
                Layer::Tanh | Layer::LeakyRelu { .. } | Layer::Gelu => {
                    let (shape, kind) = self.activation(i);
                    activation_backward(&shape, kind, 1, x, &dy, &mut dx);
                }
                Layer::Dropout { p, channels } => {
                    dx.copy_from_slice(&dy);
                    self.drop(i, p, channels, &mut dx);
                }
            }
            if let Some(LayerInput::Layer(with)) = layer.with {
                send(&mut gradient[with], &dy);
            }
            if let LayerInput::Layer(below) = layer.from {
                send(&mut gradient[below], &dx);
            }
        }
        Step { loss, grads }
    }
}

/// The first gradient to come stands as it is, the others are added.
fn send<T: Real>(to: &mut Option<Vec<T>>, from: &[T]) {
    match to {
        None => *to = Some(from.to_vec()),
        Some(sum) => {
            for (sum, &g) in sum.iter_mut().zip(from) {
                *sum = *sum + g;
            }
        }
    }
}
