//! Dropout of elements or whole channels (Srivastava et al. 2014; Tompson et al. 2015), in place.

use super::{Dropping, LayerContext, Mode, Operator};
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;

shader_struct! {
    /// Uniform of `dropout_apply`.
    pub struct DropoutShape {
        /// vec4s per replica.
        pub count: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Which of the batch's the first is.
        pub first_column: u32,
        /// vec4s of samples in the whole batch.
        pub batch_columns: u32,
        /// Features per unit: 1, or the pixels of a channel.
        pub plane: u32,
        /// p * 2^32.
        pub threshold: u32,
        /// 1 / (1 - p).
        pub scale: f32,
        /// Number of the layer.
        pub layer: u32,
    }
}

pub(super) struct Dropout {
    pub(super) p: f32,
    pub(super) channels: bool,
}

impl Dropout {
    fn of(&self, layer: u32, input: Shape) -> Dropping {
        let p = f64::from(self.p);
        Dropping {
            layer,
            // On a flat input every feature is its own channel, as in PyTorch's Dropout2d on 2-D tensors.
            plane: match self.channels {
                true => input.plane() as u32,
                false => 1,
            },
            threshold: (p * 4_294_967_296.0).round() as u32,
            scale: (1.0 / (1.0 - p)) as f32,
        }
    }

    /// Records the pass on `on`; with a gate, that of the ReLU whose output stands in `output` too.
    fn record(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        [output, on]: [&Buffer; 2],
        gate: bool,
    ) -> Result<(), GpuError> {
        let drop = self.of(context.layer, context.input);
        let shape = DropoutShape {
            count: context.output.features() as u32 * context.window.columns,
            columns: context.window.columns,
            first_column: context.window.first,
            batch_columns: context.window.batch,
            plane: drop.plane,
            threshold: drop.threshold,
            scale: drop.scale,
            layer: drop.layer,
        };
        let kernel = gpu.kernel("dropout_apply", &[("GATE", u32::from(gate))])?;
        let buffers = [context.keys, context.state, output, on];
        let count = u64::from(shape.count);
        let arrays = if gate { 3 } else { 2 };
        program.moves(arrays * context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }
}

impl Operator for Dropout {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }
    fn in_place(&self) -> bool {
        true
    }
    fn only_in_training(&self) -> bool {
        true
    }
    fn carries_flow(&self) -> bool {
        false
    }
    fn dropping(&self, layer: u32, input: Shape) -> Option<Dropping> {
        Some(self.of(layer, input))
    }
    fn fuses_relu_backward(&self) -> bool {
        true
    }
    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        mode: Mode,
    ) -> Result<(), GpuError> {
        if mode != Mode::Training || context.fused.dropout.is_some() {
            return Ok(());
        }
        // No gate reads what is bound beside it.
        self.record(gpu, program, context, [context.dy, context.y], false)
    }
    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        if context.fused.dropout.is_some() {
            return Ok(());
        }
        let gate = context.fused.backward;
        self.record(gpu, program, context, [context.y, context.dy], gate)
    }
}
