//! Addition of two layers' outputs, and the copies and sums that values with several readers need.

use super::{LayerContext, Mode, Operator, Span};
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;

shader_struct! {
    /// Uniform of `add_forward`.
    pub struct AddShape {
        /// vec4s per replica.
        pub count: u32,
        /// 1: the sum goes through a ReLU.
        pub relu: u32,
    }
}

pub(super) struct Add;

impl Operator for Add {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }

    // Both summands have the sum's gradient.
    fn passes_gradient_on(&self) -> bool {
        true
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        if context.fused.addition {
            return Ok(());
        }
        let shape = AddShape {
            count: context.output.features() as u32 * context.window.columns,
            relu: u32::from(context.fused.forward),
        };
        let kernel = gpu.kernel("add_forward", &[])?;
        // Adding a value to itself binds it twice, which is fine for what is only read.
        let buffers = [context.x, context.with.unwrap_or(context.x), context.y];
        let count = u64::from(shape.count);
        program.moves(3 * context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }

    fn backward(&self, _: &Gpu, _: &mut Program, _: &LayerContext<'_>) -> Result<(), GpuError> {
        Ok(())
    }
}

/// Records `to = from` for `span` vec4s of each replica.
///
/// # Errors
/// The device refused the kernel or a buffer.
pub fn record_copy(
    gpu: &Gpu,
    program: &mut Program,
    span: Span,
    [from, to]: [&Buffer; 2],
    replicas: u32,
) -> Result<(), GpuError> {
    let kernel = gpu.kernel("values_copy", &[])?;
    let count = u64::from(span.count);
    program.moves(2 * 16 * count * u64::from(replicas));
    program.push(gpu, kernel, &span, &[from, to], count, replicas)
}

/// Records `to = to + from`, likewise. With the output of a ReLU as `gate`, what is then the gradient of that goes through its
/// backward pass.
///
/// # Errors
/// The device refused the kernel or a buffer.
pub fn record_add(
    gpu: &Gpu,
    program: &mut Program,
    span: Span,
    [from, to]: [&Buffer; 2],
    gate: Option<&Buffer>,
    replicas: u32,
) -> Result<(), GpuError> {
    let kernel = gpu.kernel("values_add", &[("GATE", u32::from(gate.is_some()))])?;
    let count = u64::from(span.count);
    let arrays = if gate.is_some() { 4 } else { 3 };
    program.moves(arrays * 16 * count * u64::from(replicas));
    // Without a gate nothing reads what is bound in its place.
    let buffers = [from, gate.unwrap_or(from), to];
    program.push(gpu, kernel, &span, &buffers, count, replicas)
}
