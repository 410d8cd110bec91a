//! Max and average pooling; windows lie wholly inside the image.

use super::conv2d::windows;
use super::kernels::columns_per_invocation;
use super::{Branch, LayerContext, Mode, Operator, Scratch};
use crate::gpu::{Gpu, GpuError, Kernel, Program, shader_struct};
use crate::spec::Shape;
use std::sync::Arc;

shader_struct! {
    /// Uniform of the `max_pool_*` and `avg_pool_*` kernels.
    pub struct PoolShape {
        /// Channels.
        pub channels: u32,
        /// Input rows.
        pub in_height: u32,
        /// Input columns.
        pub in_width: u32,
        /// Output rows.
        pub out_height: u32,
        /// Output columns.
        pub out_width: u32,
        /// Window rows.
        pub window_height: u32,
        /// Window columns.
        pub window_width: u32,
        /// Step between windows.
        pub stride: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Average pooling: 1 / (window area).
        pub share: f32,
        /// 1: the input came out of a ReLU, whose backward pass is done with the input's gradient.
        pub gate: u32,
        /// Of the dropout that is done on the way: as in [`DropoutShape`](super::DropoutShape).
        pub first_column: u32,
        /// Likewise.
        pub batch_columns: u32,
        /// Likewise.
        pub plane: u32,
        /// Likewise.
        pub threshold: u32,
        /// Likewise.
        pub scale: f32,
        /// Likewise.
        pub layer: u32,
    }
}

pub(super) struct MaxPool {
    pub(super) window: usize,
    pub(super) stride: usize,
}

pub(super) struct AvgPool {
    /// `None`: the whole image.
    pub(super) window: Option<usize>,
    pub(super) stride: usize,
}

fn shape(context: &LayerContext<'_>, window: (usize, usize), stride: usize) -> PoolShape {
    let drop = context.fused.dropout;
    PoolShape {
        channels: context.input.channels as u32,
        in_height: context.input.height as u32,
        in_width: context.input.width as u32,
        out_height: context.output.height as u32,
        out_width: context.output.width as u32,
        window_height: window.0 as u32,
        window_width: window.1 as u32,
        stride: stride as u32,
        columns: context.window.columns,
        share: (1.0 / (window.0 * window.1) as f64) as f32,
        gate: u32::from(context.fused.backward),
        first_column: context.window.first,
        batch_columns: context.window.batch,
        plane: drop.map_or(1, |d| d.plane),
        threshold: drop.map_or(0, |d| d.threshold),
        scale: drop.map_or(1.0, |d| d.scale),
        layer: drop.map_or(0, |d| d.layer),
    }
}

fn pooled(input: Shape, window: (usize, usize), stride: usize) -> Result<Shape, String> {
    Ok(Shape::new(
        input.channels,
        windows(input.height, window.0, stride, 0)?,
        windows(input.width, window.1, stride, 0)?,
    ))
}

/// A pooling kernel whose invocations walk the pixels of `shape`, with constants beside `COLS`, and the number of invocations.
fn kernel(
    gpu: &Gpu,
    name: &'static str,
    constants: &[(&'static str, u32)],
    context: &LayerContext<'_>,
    shape: Shape,
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let columns = columns_per_invocation(gpu);
    let constants = [&[("COLS", columns)], constants].concat();
    let kernel = gpu.kernel(name, &constants)?;
    let each = u64::from(context.window.columns.div_ceil(columns));
    Ok((kernel, shape.features() as u64 * each))
}

impl MaxPool {
    /// Whether no two windows overlap.
    fn are_apart(&self) -> bool {
        self.stride >= self.window
    }
}

/// The constant that says whether the passes of the dropout above are done too.
fn dropout(context: &LayerContext<'_>) -> (&'static str, u32) {
    ("DROPOUT", u32::from(context.fused.dropout.is_some()))
}

impl Operator for MaxPool {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        pooled(input, (self.window, self.window), self.stride)
    }

    fn scratch(&self, input: Shape, columns: u32) -> Scratch {
        let outputs = self.output(input).map_or(0, |o| o.features());
        Scratch {
            kept: outputs as u64 * u64::from(columns) * 4,
            ..Scratch::default()
        }
    }

    fn fuses_relu_backward(&self) -> bool {
        true
    }

    fn branch(&self) -> Option<Branch> {
        Some(Branch::Kept)
    }

    // Where windows overlap, gradients are added up, and a driver might round a scaled one together with its sum.
    fn fuses_dropout(&self) -> bool {
        self.are_apart()
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = shape(context, (self.window, self.window), self.stride);
        if let Some(places) = context.held {
            let (kernel, count) = kernel(gpu, "max_pool_held", &[], context, context.output)?;
            program.moves(context.bytes(context.input) + 2 * context.bytes(context.output));
            let buffers = [context.x, places, context.y];
            return program.push(gpu, kernel, &shape, &buffers, count, context.replicas);
        }
        let (name, dropout) = ("max_pool_forward", dropout(context));
        let (kernel, count) = kernel(gpu, name, &[dropout], context, context.output)?;
        let buffers = [
            context.x,
            context.keys,
            context.state,
            context.y,
            context.kept,
        ];
        // Values, and the places of the maxima.
        program.moves(context.bytes(context.input) + 2 * context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let Some(dx) = context.dx else { return Ok(()) };
        let shape = shape(context, (self.window, self.window), self.stride);
        // Where no windows overlap, one invocation writes all that a window gives.
        let (kernel, count) = if self.are_apart() {
            let (name, dropout) = ("max_pool_backward_apart", dropout(context));
            kernel(gpu, name, &[dropout], context, context.output)?
        } else {
            kernel(gpu, "max_pool_backward", &[], context, context.input)?
        };
        let buffers = [context.dy, context.kept, dx];
        // Values, and the places of the maxima.
        program.moves(context.bytes(context.input) + 2 * context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }
}

impl AvgPool {
    fn window(&self, input: Shape) -> ((usize, usize), usize) {
        match self.window {
            Some(window) => ((window, window), self.stride),
            None => ((input.height, input.width), 1),
        }
    }
}

impl Operator for AvgPool {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        let (window, stride) = self.window(input);
        pooled(input, window, stride)
    }

    fn fuses_relu_backward(&self) -> bool {
        true
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        let (window, stride) = self.window(context.input);
        let shape = shape(context, window, stride);
        let (kernel, count) = kernel(gpu, "avg_pool_forward", &[], context, context.output)?;
        program.moves(context.bytes(context.input) + context.bytes(context.output));
        program.push(
            gpu,
            kernel,
            &shape,
            &[context.x, context.y],
            count,
            context.replicas,
        )
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let Some(dx) = context.dx else { return Ok(()) };
        let (window, stride) = self.window(context.input);
        let shape = shape(context, window, stride);
        let (kernel, count) = kernel(gpu, "avg_pool_backward", &[], context, context.input)?;
        let buffers = [context.dy, context.x, dx];
        // Where it does a ReLU's backward pass it reads what came out of that ReLU.
        let reads = if context.fused.backward { 2 } else { 1 };
        program.moves(reads * context.bytes(context.input) + context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }
}
