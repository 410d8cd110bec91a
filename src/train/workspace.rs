//! What training needs on the GPU beside the parameters: activations, their gradients, batches and sums.
//!
//! Sizes are known before anything is allocated ([`Memory`]); the plan and the allocation are the same list.

use super::Warp;
use super::gradients::{GradientPlan, LayerGradients, Move, needs_gradient};
use super::replicas::Replicas;
use super::sparsity::Sparsity;
use super::state::State;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::{Model, Source, readers};
use crate::ops::{Fused, Site, Span, Variants, fuse, record_add, record_copy};

/// 4-byte words per replica of everything a training cohort allocates.
#[derive(Clone, Debug)]
pub struct Memory {
    /// (name, words per replica), one entry per buffer.
    pub buffers: Vec<(String, u64)>,
    /// For layer i, the buffer of its output; operators in place share their input's, unless another layer reads it too.
    output_of: Vec<usize>,
    gradients: GradientPlan,
}

/// Names of the flat buffers, each [`Model::floats`] words per replica.
const FLAT: [&str; 4] = ["parameters", "gradients", "first moments", "second moments"];

impl Memory {
    /// The plan for `batch` samples.
    pub fn plan(model: &Model, batch: u32) -> Self {
        let columns = u64::from(batch.div_ceil(4));
        let mut activations = vec![(
            "input batch".to_owned(),
            model.input.features() as u64 * columns * 4,
        )];
        let mut kept = Vec::new();
        let mut output_of = Vec::new();
        let mut shared = 1;
        for layer in &model.layers {
            if layer.operator.in_place() && readers(&model.layers, layer.from) == 1 {
                output_of.push(buffer_of(&output_of, layer.from));
            } else {
                let words = layer.output.features() as u64 * columns * 4;
                activations.push((format!("activations of {}", layer.name), words));
                output_of.push(activations.len() - 1);
            }
            let scratch = layer.operator.scratch(layer.input, columns as u32);
            kept.push((format!("places of {}", layer.name), scratch.kept));
            shared = shared.max(scratch.shared);
        }
        let gradients = GradientPlan::new(model);
        let floats = model.floats as u64;
        let mut buffers = activations;
        buffers.extend(kept);
        let slots = gradients.slots.iter().enumerate();
        buffers.extend(slots.map(|(slot, &features)| {
            let words = features as u64 * columns * 4;
            (format!("activation gradients {}", slot + 1), words)
        }));
        buffers.extend([
            ("partial sums".to_owned(), shared),
            ("gradient norm parts".to_owned(), floats.div_ceil(1024)),
            ("sample indices".to_owned(), columns * 4),
            ("labels".to_owned(), columns * 4),
            ("losses".to_owned(), columns * 4),
            ("hits".to_owned(), columns * 4),
            (
                "augmentation".to_owned(),
                columns * 4 * (size_of::<Warp>() / 4) as u64,
            ),
        ]);
        buffers.extend(FLAT.map(|name| (name.to_owned(), floats)));
        buffers.push(("masks".to_owned(), floats / 32));
        Self {
            buffers,
            output_of,
            gradients,
        }
    }

    /// Bytes for `replicas`.
    pub fn bytes(&self, replicas: u64) -> u64 {
        replicas * self.buffers.iter().map(|(_, words)| words * 4).sum::<u64>()
    }

    /// The largest buffer: (name, bytes per replica).
    pub fn largest(&self) -> (&str, u64) {
        self.buffers
            .iter()
            .max_by_key(|(_, words)| *words)
            .map_or(("", 0), |(name, words)| (name.as_str(), words * 4))
    }

    /// How many replicas fit when no buffer may exceed `max_binding` bytes and all together `budget`; 0 when not even one does.
    pub fn replicas_that_fit(&self, max_binding: u64, budget: u64) -> u64 {
        let (_, largest) = self.largest();
        (max_binding / largest.max(1)).min(budget / self.bytes(1).max(1))
    }
}

/// The buffer of what a layer reads.
fn buffer_of(output_of: &[usize], source: Source) -> usize {
    match source {
        Source::Input => 0,
        Source::Layer(i) => output_of[i],
    }
}

/// The buffers of a training cohort.
pub struct Workspace {
    pub(super) columns: u32,
    pub(super) moment1: Buffer,
    pub(super) moment2: Buffer,
    pub(super) state: Buffer,
    pub(super) index: Buffer,
    pub(super) label: Buffer,
    pub(super) loss: Buffer,
    pub(super) hit: Buffer,
    pub(super) warps: Buffer,
    pub(super) norm_parts: Buffer,
    pub(super) violations: Buffer,
    activations: Vec<Buffer>,
    kept: Vec<Buffer>,
    slots: Vec<Buffer>,
    gradients: GradientPlan,
    shared: Buffer,
    output_of: Vec<usize>,
    offsets: Vec<Vec<u32>>,
    fused: Vec<Fused>,
    learns: Vec<bool>,
    needs_gradient: Vec<bool>,
}

impl Workspace {
    /// Allocates what [`Memory::plan`] lists. `learns` says which layers do.
    ///
    /// # Errors
    /// A buffer too large, or out of memory; names the buffer.
    pub fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        batch: u32,
        learns: Vec<bool>,
    ) -> Result<Self, GpuError> {
        let model = &replicas.model;
        let memory = Memory::plan(model, batch);
        let mut made = memory
            .buffers
            .iter()
            .take(memory.buffers.len() - FLAT.len() - 1)
            .map(|(name, words)| gpu.buffer(name, words * 4 * u64::from(replicas.count)));
        let mut next = || made.next().unwrap_or_else(|| gpu.buffer("nothing", 0));
        let activation_count = memory.output_of.iter().max().map_or(1, |last| last + 1);
        let activations = (0..activation_count)
            .map(|_| next())
            .collect::<Result<_, _>>()?;
        let kept = (0..model.layers.len())
            .map(|_| next())
            .collect::<Result<_, _>>()?;
        let slots = (0..memory.gradients.slots.len())
            .map(|_| next())
            .collect::<Result<_, _>>()?;
        let shared = next()?;
        let norm_parts = next()?;
        let (index, label, loss, hit) = (next()?, next()?, next()?, next()?);
        let warps = next()?;
        let flat = u64::from(replicas.count) * model.floats as u64 * 4;
        let offsets = model
            .layers
            .iter()
            .map(|layer| {
                model.tensors[layer.tensors.clone()]
                    .iter()
                    .map(|t| t.offset as u32)
                    .collect()
            })
            .collect();
        Ok(Self {
            columns: batch.div_ceil(4),
            moment1: gpu.buffer("first moments", flat)?,
            moment2: gpu.buffer("second moments", flat)?,
            state: gpu.buffer(
                "states",
                u64::from(replicas.count) * std::mem::size_of::<State>() as u64,
            )?,
            index,
            label,
            loss,
            hit,
            warps,
            norm_parts,
            violations: gpu.buffer("violations", u64::from(replicas.count) * 4)?,
            activations,
            kept,
            slots,
            gradients: memory.gradients,
            shared,
            output_of: memory.output_of,
            offsets,
            fused: fuse(&model.layers),
            needs_gradient: needs_gradient(&model.layers, |i| learns[i]),
            learns,
        })
    }

    /// The batch's images.
    pub(super) fn input(&self) -> &Buffer {
        &self.activations[0]
    }

    /// The last layer's output.
    pub(super) fn logits(&self) -> &Buffer {
        &self.activations[self.output_of.last().copied().unwrap_or(0)]
    }

    /// Where the loss writes the logits' gradient.
    pub(super) fn logits_gradient(&self) -> &Buffer {
        let last = self.gradients.layers.last();
        &self.slots[last.map_or(0, |l| l.dy)]
    }

    /// Every buffer of activations; the first holds the model's input.
    pub(super) fn activations(&self) -> &[Buffer] {
        &self.activations
    }

    /// Which of them holds a value.
    pub(super) fn node(&self, source: Source) -> u32 {
        buffer_of(&self.output_of, source) as u32
    }

    /// Every buffer of activation gradients.
    pub(super) fn slots(&self) -> &[Buffer] {
        &self.slots
    }

    /// Which of them layer `i` reads and writes.
    pub(super) fn gradients_of(&self, i: usize) -> &LayerGradients {
        &self.gradients.layers[i]
    }

    /// Whether layer `i` has parameters that this training changes.
    pub(super) fn learns(&self, i: usize) -> bool {
        self.learns[i]
    }

    /// Whether the gradient of layer `i`'s output is needed: it learns, or a layer below it does.
    pub(super) fn needs_gradient(&self, i: usize) -> bool {
        self.needs_gradient[i]
    }

    /// Whether layer `i` must hand a gradient on to the layer it reads.
    pub(super) fn needs_input_gradient(&self, model: &Model, i: usize) -> bool {
        match model.layers[i].from {
            Source::Input => false,
            Source::Layer(below) => self.needs_gradient[below],
        }
    }

    /// Layer `i`'s place.
    pub(super) fn site<'a>(
        &'a self,
        replicas: &'a Replicas,
        variants: Variants,
        sparsity: Option<&'a Sparsity>,
        i: usize,
    ) -> Site<'a> {
        let layer = &replicas.model.layers[i];
        let activations = |source| &self.activations[buffer_of(&self.output_of, source)];
        let gradients = &self.gradients.layers[i];
        let dx = gradients.dx.map(|slot| &self.slots[slot]);
        Site {
            layer: i as u32,
            replicas: replicas.count,
            columns: self.columns,
            param_stride: replicas.model.floats as u32,
            offsets: &self.offsets[i],
            input: layer.input,
            output: layer.output,
            params: &replicas.params,
            grads: &replicas.grads,
            keys: &replicas.keys,
            state: &self.state,
            x: activations(layer.from),
            with: layer.with.map(activations),
            y: &self.activations[self.output_of[i]],
            dy: &self.slots[gradients.dy],
            dx: dx.filter(|_| self.needs_input_gradient(&replicas.model, i)),
            kept: &self.kept[i],
            shared: &self.shared,
            learns: self.learns[i],
            fused: self.fused[i],
            sparse: sparsity.and_then(|s| s.kept(replicas, i)),
            variants,
        }
    }

    /// Records what brings layer `i`'s input where the layer works: a copy, for an operator in place whose input another
    /// layer reads too.
    pub(super) fn record_input(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        i: usize,
    ) -> Result<(), GpuError> {
        let layer = &replicas.model.layers[i];
        let (from, to) = (buffer_of(&self.output_of, layer.from), self.output_of[i]);
        if !layer.operator.in_place() || from == to {
            return Ok(());
        }
        let buffers = [&self.activations[from], &self.activations[to]];
        let span = self.span(layer.input.features());
        record_copy(gpu, program, span, buffers, replicas.count)
    }

    /// Records what brings the gradients that layer `i` sends to the values they are of.
    pub(super) fn record_moves(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        i: usize,
    ) -> Result<(), GpuError> {
        let needed = |m: &&Move| self.needs_gradient[m.of];
        for m in self.gradients.layers[i].moves.iter().filter(needed) {
            let buffers = [&self.slots[m.from], &self.slots[m.to]];
            let span = self.span(replicas.model.layers[m.of].output.features());
            if m.add {
                record_add(gpu, program, span, buffers, replicas.count)?;
            } else {
                record_copy(gpu, program, span, buffers, replicas.count)?;
            }
        }
        Ok(())
    }

    fn span(&self, features: usize) -> Span {
        Span {
            count: features as u32 * self.columns,
        }
    }
}
