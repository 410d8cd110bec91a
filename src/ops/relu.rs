//! ReLU, in place: the output tells where the gradient passes. Runs only where no neighbour does it on the way.

use super::{Branch, LayerContext, Mode, Operator};
use crate::gpu::{Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;

shader_struct! {
    /// Uniform of `relu_forward` and `relu_backward`.
    pub struct Span {
        /// vec4s per replica.
        pub count: u32,
    }
}

pub(super) struct Relu;

fn span(context: &LayerContext<'_>) -> Span {
    Span {
        count: context.output.features() as u32 * context.window.columns,
    }
}

impl Operator for Relu {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }
    fn of_constant(&self, x: f64, _own: &[f32]) -> f64 {
        x.max(0.0)
    }
    fn in_place(&self) -> bool {
        true
    }
    fn is_relu(&self) -> bool {
        true
    }
    fn branch(&self) -> Option<Branch> {
        Some(Branch::Output)
    }
    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        if context.fused.forward {
            return Ok(());
        }
        let span = span(context);
        let count = u64::from(span.count);
        if let Some(held) = context.held {
            // What is let through is told by another value, as in the backward pass.
            let kernel = gpu.kernel("relu_backward", &[])?;
            program.moves(3 * context.bytes(context.output));
            return program.push(
                gpu,
                kernel,
                &span,
                &[held, context.y],
                count,
                context.replicas,
            );
        }
        let kernel = gpu.kernel("relu_forward", &[])?;
        program.moves(2 * context.bytes(context.output));
        program.push(gpu, kernel, &span, &[context.y], count, context.replicas)
    }
    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        if context.fused.backward {
            return Ok(());
        }
        let span = span(context);
        let kernel = gpu.kernel("relu_backward", &[])?;
        let count = u64::from(span.count);
        program.moves(3 * context.bytes(context.output));
        program.push(
            gpu,
            kernel,
            &span,
            &[context.held.unwrap_or(context.y), context.dy],
            count,
            context.replicas,
        )
    }
}
