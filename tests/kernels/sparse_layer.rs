//! A layer of which each replica keeps another part, with the lists that sparse kernels bind.

use crate::common::{Dice, gpu};
use crate::reference::device::{Case, GUARD, output};
use crate::reference::sparse::{columns, rows};
use secateur::gpu::{Buffer, ShaderStruct};
use secateur::ops::{ColumnsShape, ConvShape, DenseShape, WeightGrid};
use std::fmt::Debug;

/// What replicas keep of a layer.
const DENSITIES: [f64; 4] = [0.0, 0.02, 0.3, 1.0];
/// (1, COLS): vec4s of samples per invocation; the first is the shader's own. No sparse kernel has more than one row.
pub const TILES: &[(u32, u32)] = &[(1, 4), (1, 1), (1, 2), (1, 3), (1, 7)];

/// A shape that sparse kernels take.
pub trait Layer: ShaderStruct + Debug {
    /// The weight tensor.
    fn grid(&self) -> WeightGrid;
    /// Where weights and bias start, and floats per replica.
    fn place(&self) -> (u32, u32, u32);
    /// The shape with room for this many kept indices per replica.
    fn with_room(self, kept_stride: u32) -> Self;
}

impl Layer for DenseShape {
    fn grid(&self) -> WeightGrid {
        WeightGrid {
            outputs: self.outputs,
            inputs: self.inputs,
            kernel: 1,
        }
    }
    fn place(&self) -> (u32, u32, u32) {
        (self.weight_offset, self.bias_offset, self.param_stride)
    }
    fn with_room(self, kept_stride: u32) -> Self {
        Self {
            kept_stride,
            ..self
        }
    }
}

impl Layer for ConvShape {
    fn grid(&self) -> WeightGrid {
        WeightGrid {
            outputs: self.out_channels,
            inputs: self.in_channels,
            kernel: self.kernel,
        }
    }
    fn place(&self) -> (u32, u32, u32) {
        (self.weight_offset, self.bias_offset, self.param_stride)
    }
    fn with_room(self, kept_stride: u32) -> Self {
        Self {
            kept_stride,
            ..self
        }
    }
}

/// One of the rounds in which every replica of a layer takes its turn at every density.
#[derive(Clone, Copy, Debug)]
pub struct Round<S> {
    pub shape: S,
    pub replicas: u32,
    /// Of the first replica's density; the others follow.
    number: usize,
}

/// Every round of each (shape, replicas).
pub fn rounds<S: Layer>(layers: &[(S, u32)]) -> Vec<Round<S>> {
    let each = |&(shape, replicas): &(S, u32)| {
        (0..DENSITIES.len()).map(move |number| Round {
            shape,
            replicas,
            number,
        })
    };
    layers.iter().flat_map(each).collect()
}

impl<S: Layer> Round<S> {
    /// Masks that keep of the layer what the replicas' densities say, all of its bias, and half of the rest of the model.
    pub fn masks(&self, dice: &mut Dice) -> Vec<u32> {
        let (weight_offset, bias_offset, param_stride) = self.shape.place();
        let grid = self.shape.grid();
        let weights = weight_offset..weight_offset + grid.weights();
        let bias = bias_offset..bias_offset.saturating_add(grid.outputs);
        let mut mask = |r: usize| {
            dice.mask(param_stride as usize, |k| match k as u32 {
                k if weights.contains(&k) => DENSITIES[(self.number + r) % DENSITIES.len()],
                k if bias.contains(&k) => 1.0,
                _ => 0.5,
            })
        };
        (0..self.replicas as usize).flat_map(&mut mask).collect()
    }

    fn columns_shape(&self) -> ColumnsShape {
        let (weight_offset, _, param_stride) = self.shape.place();
        let grid = self.shape.grid();
        ColumnsShape {
            inputs: grid.inputs,
            outputs: grid.outputs,
            kernel: grid.kernel,
            weight_offset,
            mask_words: param_stride / 32,
            stride: 0,
        }
    }

    /// The most kept weights of the layer in any replica: what backward-weight is dispatched for.
    pub fn most(&self, masks: &[u32]) -> u32 {
        columns(&self.columns_shape(), self.replicas, masks).stride
    }

    /// What kernels by row bind, masks, ranks and list, and the shape with the list's room.
    pub fn by_row(&self, case: &Case<'_>, masks: &[u32]) -> (S, [Buffer; 3]) {
        let lists = rows(self.shape.place().2 / 32, self.replicas, masks);
        let [ranks, list] = [&lists.ranks, &lists.list].map(|l| case.with(l));
        let shape = self.shape.with_room(lists.stride);
        (shape, [case.with(masks), ranks, list])
    }

    /// Likewise by column: starts and entries.
    pub fn by_column(&self, case: &Case<'_>, masks: &[u32]) -> (S, [Buffer; 2]) {
        let lists = columns(&self.columns_shape(), self.replicas, masks);
        let shape = self.shape.with_room(lists.stride);
        let buffers = [&lists.starts, &lists.entries].map(|l| case.with(l));
        (shape, buffers)
    }

    /// The `count` floats that a dense kernel makes of `inputs`, and the guard behind them.
    pub fn dense(
        &self,
        (kernel, constants): (&'static str, &[(&'static str, u32)]),
        inputs: &[&Buffer],
        count: usize,
        invocations: u64,
    ) -> Vec<f32> {
        let case = Case::new(gpu().expect("a sparse kernel ran"), kernel, self);
        let result = case.with(&output(count));
        let buffers: Vec<_> = inputs.iter().copied().chain([&result]).collect();
        case.run_with(constants, &self.shape, &buffers, invocations, self.replicas);
        case.floats(&result, count + GUARD)
    }
}
