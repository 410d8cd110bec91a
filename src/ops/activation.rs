//! Smooth and leaky activations: tanh, leaky ReLU (Maas et al. 2013) and GELU (Hendrycks and Gimpel 2016).
//!
//! They read their input in both passes and so leave it alone.

use super::{Branch, LayerContext, Mode, Operator};
use crate::gpu::{Gpu, GpuError, Kernel, Program, shader_struct};
use crate::spec::Shape;
use std::sync::Arc;

shader_struct! {
    /// Uniform of `activation_forward` and `activation_backward`.
    pub struct ActivationShape {
        /// vec4s per replica.
        pub count: u32,
        /// Leaky ReLU: the slope below 0.
        pub slope: f32,
    }
}

/// The functions.
pub(super) enum Activation {
    Tanh,
    LeakyRelu { slope: f32 },
    Gelu,
}

impl Activation {
    fn shape(&self, context: &LayerContext<'_>) -> ActivationShape {
        ActivationShape {
            count: context.output.features() as u32 * context.window.columns,
            slope: match self {
                Self::LeakyRelu { slope } => *slope,
                Self::Tanh | Self::Gelu => 0.0,
            },
        }
    }

    fn kernel(&self, gpu: &Gpu, name: &'static str) -> Result<Arc<Kernel>, GpuError> {
        let kind = match self {
            Self::Tanh => 0,
            Self::LeakyRelu { .. } => 1,
            Self::Gelu => 2,
        };
        gpu.kernel(name, &[("KIND", kind)])
    }
}

impl Operator for Activation {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }

    fn of_constant(&self, x: f64, _own: &[f32]) -> f64 {
        match self {
            Self::Tanh => x.tanh(),
            Self::LeakyRelu { slope } => x.max(0.0) + f64::from(*slope) * x.min(0.0),
            Self::Gelu => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
        }
    }

    fn carries_flow(&self) -> bool {
        false
    }

    fn branch(&self) -> Option<Branch> {
        matches!(self, Self::LeakyRelu { .. }).then_some(Branch::Output)
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = self.shape(context);
        let count = u64::from(shape.count);
        if let Some(held) = context.held {
            // Times the slope at another value, as in the backward pass.
            let kernel = self.kernel(gpu, "activation_backward")?;
            program.moves(3 * context.bytes(context.output));
            let buffers = [held, context.x, context.y];
            return program.push(gpu, kernel, &shape, &buffers, count, context.replicas);
        }
        let kernel = self.kernel(gpu, "activation_forward")?;
        program.moves(2 * context.bytes(context.output));
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
        let shape = self.shape(context);
        let kernel = self.kernel(gpu, "activation_backward")?;
        // A leaky ReLU's output has the sign of its input.
        let buffers = [context.held.unwrap_or(context.x), context.dy, dx];
        let count = u64::from(shape.count);
        program.moves(3 * context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }
}
