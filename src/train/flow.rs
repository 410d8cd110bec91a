//! SynFlow's pass (Tanaka et al. 2020, algorithm 1): R is the sum of the outputs for an input of ones, with |w| for weights,
//! without biases, dropout, batch normalisation or smooth activations; the score of a weight is |w dR/dw|.
//!
//! R is a product over layers and leaves the range of f32 in deep or sparse networks. So every value and every gradient is held
//! as x 2^e: after each layer the largest |x| is brought to [1, 2) and the power of two goes to an integer that travels with the
//! buffer (`flow_rescale`); summands meet at the larger exponent first. A score is computed relative to 2^e of the
//! output. Relative to R the scores of the layers on every path add up to 1 (neuronal conservation), so none of them can
//! overflow, and only a weight that carries less than about 2^-126 of the flow is rounded to 0. Powers of two round nothing:
//! where plain f32 neither over- nor underflows, the bits are those of the plain pass times a power of two.

use super::gradients::GradientTarget;
use super::replicas::Replicas;
use super::scoring::{copy_of, make_absolute, weights_only};
use super::workspace::{MemoryRequest, Workspace};
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::model::LayerInput;
use crate::ops::{Execution, LayerContext, Mode, Span, record_add, record_copy};

/// [`Rescale::floor`]: bring the largest value to [1, 2).
const NONE: u32 = u32::MAX;

shader_struct! {
    /// Uniform of `flow_rescale`.
    pub struct Rescale {
        /// vec4s per replica.
        pub count: u32,
        /// Exponents per replica.
        pub nodes: u32,
        /// The exponent that the values have.
        pub source: u32,
        /// Where it goes.
        pub to: u32,
        /// The exponent to meet, if that is larger; [`u32::MAX`] normalises.
        pub floor: u32,
    }
}

shader_struct! {
    /// Uniform of `flow_share`.
    pub struct Share {
        /// Where the tensor starts in the flat parameters.
        pub offset: u32,
        /// Its weights.
        pub count: u32,
        /// Floats per replica.
        pub param_stride: u32,
        /// Exponents per replica.
        pub nodes: u32,
        /// Exponent of the layer's input.
        pub input: u32,
        /// Exponent of the gradient of its output.
        pub gradient: u32,
        /// Exponent of the model's output.
        pub output: u32,
    }
}

/// SynFlow's scores of every weight of every replica under its present mask, `[replica][float]`, relative to a power of two
/// near R that all weights of a replica share. Parameters are as before afterwards.
///
/// # Errors
/// The device failed or has no room.
pub fn synaptic_flow(gpu: &Gpu, replicas: &Replicas) -> Result<Buffer, GpuError> {
    let layers = replicas.model.layers.len();
    let workspace = Workspace::new(
        gpu,
        replicas,
        &MemoryRequest::of_batch(1),
        vec![true; layers],
    )?
    .with_additions_apart();
    let nodes = workspace.activations().len() + workspace.gradient_slots().len();
    let pass = FlowPass {
        gpu,
        replicas,
        exponents: gpu.buffer_with("exponents", &vec![0i32; nodes * replicas.count as usize])?,
        nodes: nodes as u32,
        execution: Execution::for_adapter(gpu.adapter()),
        shares: gpu.buffer("flow", replicas.params.bytes())?,
        workspace,
    };
    let before = copy_of(gpu, &replicas.params)?;
    let masks = weights_only(gpu, replicas)?;
    make_absolute(gpu, replicas, [&masks, &before])?;
    // One sample: the first of the four that a vec4 holds.
    let ones = |features: usize| [1f32, 0.0, 0.0, 0.0].repeat(features * replicas.count as usize);
    let model = &replicas.model;
    gpu.write(pass.workspace.input(), 0, &ones(model.input.features()))?;
    gpu.write(pass.workspace.logits_gradient(), 0, &ones(model.classes))?;
    let mut program = Program::new("synaptic flow");
    for i in 0..layers {
        pass.record_forward(&mut program, i)?;
    }
    for i in (0..layers).rev() {
        pass.record_backward(&mut program, i)?;
    }
    gpu.run(&program)?;
    gpu.copy(&before, &replicas.params, 0, before.bytes())?;
    let zeros = vec![0f32; replicas.count as usize * model.floats];
    gpu.write(&replicas.grads, 0, &zeros)?;
    Ok(pass.shares)
}

struct FlowPass<'a> {
    gpu: &'a Gpu,
    replicas: &'a Replicas,
    workspace: Workspace,
    execution: Execution,
    /// `[replica][node]`: those of activations, then those of gradient slots.
    exponents: Buffer,
    nodes: u32,
    shares: Buffer,
}

impl FlowPass<'_> {
    /// The exponent of a slot.
    fn slot(&self, slot: usize) -> u32 {
        (self.workspace.activations().len() + slot) as u32
    }

    fn context(&self, i: usize) -> LayerContext<'_> {
        let (w, r) = (&self.workspace, self.replicas);
        let dense = self.execution.dense();
        w.context(r, dense, None, w.windows[0], Mode::Evaluation, i)
    }

    fn span(&self, features: usize) -> Span {
        Span {
            count: features as u32 * self.workspace.windows[0].columns,
        }
    }

    /// Values whose exponent is `source` get the exponent `to`.
    fn rescale(
        &self,
        program: &mut Program,
        (values, features): (&Buffer, usize),
        (source, to, floor): (u32, u32, u32),
    ) -> Result<(), GpuError> {
        let shape = Rescale {
            count: self.span(features).count,
            nodes: self.nodes,
            source,
            to,
            floor,
        };
        let kernel = self.gpu.kernel("flow_rescale", &[])?;
        let grid = [1, 1, self.replicas.count];
        program.push_groups(self.gpu, kernel, &shape, &[&self.exponents, values], grid)
    }

    fn record_forward(&self, program: &mut Program, i: usize) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        let layer = &r.model.layers[i];
        let context = self.context(i);
        let (x, y) = (w.node(layer.from), w.node(LayerInput::Layer(i)));
        let (inputs, outputs) = (layer.input.features(), layer.output.features());
        program.place(&layer.name);
        if let Some((with, other)) = layer.with.zip(context.with) {
            let with = w.node(with);
            self.rescale(program, (context.x, inputs), (x, x, with))?;
            self.rescale(program, (other, inputs), (with, with, x))?;
        }
        if layer.operator.carries_flow() {
            w.record_input(gpu, program, r, w.windows[0], i)?;
            layer
                .operator
                .forward(gpu, program, &context, Mode::Evaluation)?;
        } else if x != y {
            let span = self.span(outputs);
            record_copy(gpu, program, span, [context.x, context.y], r.count)?;
        }
        self.rescale(program, (context.y, outputs), (x, y, NONE))
    }

    fn record_backward(&self, program: &mut Program, i: usize) -> Result<(), GpuError> {
        let (gpu, w, r) = (self.gpu, &self.workspace, self.replicas);
        let layer = &r.model.layers[i];
        let context = self.context(i);
        let gradients = w.gradients_of(i);
        let dy = self.slot(gradients.dy);
        let inputs = layer.input.features();
        program.place(&layer.name);
        if layer.operator.carries_flow() {
            layer.operator.backward(gpu, program, &context)?;
        } else if let Some(dx) = context.dx {
            record_copy(gpu, program, self.span(inputs), [context.dy, dx], r.count)?;
        }
        let tensors = &r.model.tensors[layer.tensors.clone()];
        for tensor in tensors.iter().filter(|t| t.prunable) {
            let shape = Share {
                offset: tensor.offset as u32,
                count: tensor.count as u32,
                param_stride: r.model.floats as u32,
                nodes: self.nodes,
                input: w.node(layer.from),
                gradient: dy,
                output: w.node(LayerInput::Layer(r.model.layers.len() - 1)),
            };
            let kernel = gpu.kernel("flow_share", &[])?;
            let buffers = [&self.exponents, &r.params, &r.grads, &self.shares];
            let count = tensor.count as u64;
            program.push(gpu, kernel, &shape, &buffers, count, r.count)?;
        }
        if let (Some(dx), Some(slot)) = (context.dx, gradients.dx) {
            self.rescale(program, (dx, inputs), (dy, self.slot(slot), NONE))?;
        }
        for m in &gradients.moves {
            self.record_move(program, m)?;
        }
        Ok(())
    }

    /// A gradient on its way to the value it is of.
    fn record_move(&self, program: &mut Program, m: &GradientTarget) -> Result<(), GpuError> {
        let (gpu, count) = (self.gpu, self.replicas.count);
        let features = self.replicas.model.layers[m.of].output.features();
        let slots = self.workspace.gradient_slots();
        let (from, to) = (self.slot(m.from), self.slot(m.to));
        let buffers = [&slots[m.from], &slots[m.to]];
        if !m.add {
            record_copy(gpu, program, self.span(features), buffers, count)?;
            return self.rescale(program, (buffers[1], features), (from, to, NONE));
        }
        self.rescale(program, (buffers[0], features), (from, from, to))?;
        self.rescale(program, (buffers[1], features), (to, to, from))?;
        let gate = self.workspace.gate(m);
        record_add(gpu, program, self.span(features), buffers, gate, count)?;
        self.rescale(program, (buffers[1], features), (to, to, NONE))
    }
}
