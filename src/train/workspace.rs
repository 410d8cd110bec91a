//! What training needs on the GPU beside the parameters: activations, their gradients, batches and sums.
//!
//! Sizes are known before anything is allocated ([`Memory`]); the plan and the allocation are the same list.

use super::Warp;
use super::gradients::{GradientPlan, GradientTarget, LayerGradients, needs_gradient};
use super::held::HeldBranches;
use super::replicas::Replicas;
use super::sparsity::{Sparsity, planned_lists};
use super::state::State;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::{LayerAt, LayerInput, Model, fuse, readers};
use crate::ops::{
    Branch, Fused, LayerContext, Mode, Span, Variants, Window, record_add, record_copy,
};
use crate::spec::TrainSpec;

/// What a training needs memory for beside its model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryRequest {
    /// Samples in a batch.
    pub batch: u32,
    /// How many of them are on the GPU at once.
    pub micro_batch: u32,
    /// Share of the prunable weights that the masks keep: from a half on none are listed.
    pub density: f64,
    /// Whether weights of an earlier pass are kept, see [`Stopping`](crate::spec::Stopping).
    pub keeps_weights: bool,
    /// See [`Optimizer::moments`](crate::spec::Optimizer::moments).
    pub moments: usize,
    /// Buffers of a float per parameter beside those of every training, by name, as many as there are at once: scores, sums over
    /// batches.
    pub beside: &'static [&'static str],
    /// Whether the outputs of ReLUs and the like are held, see [`Branch`].
    pub holds_branches: bool,
}

impl MemoryRequest {
    /// That of a training under masks of this density, which stay.
    pub fn of(spec: &TrainSpec, density: f64) -> Self {
        Self {
            batch: spec.batch,
            micro_batch: spec.micro_batch(),
            density,
            keeps_weights: spec.stopping.decides(),
            moments: spec.optimizer.moments(),
            beside: &[],
            holds_branches: false,
        }
    }

    /// The batch in words: `128`, or `128 in micro-batches of 32`.
    pub fn batch_text(&self) -> String {
        if self.micro_batch < self.batch {
            format!("{} in micro-batches of {}", self.batch, self.micro_batch)
        } else {
            self.batch.to_string()
        }
    }

    /// That of the activations alone, without masks and an optimizer.
    pub fn of_batch(batch: u32) -> Self {
        Self {
            batch,
            micro_batch: batch,
            density: 1.0,
            keeps_weights: false,
            moments: 0,
            beside: &[],
            holds_branches: false,
        }
    }
}

/// 4-byte words per replica of everything a training cohort allocates, but for some bytes for each dispatch.
#[derive(Clone, Debug)]
pub struct Memory {
    /// (name, words per replica), one entry per buffer.
    pub buffers: Vec<(String, u64)>,
    /// How many of them, the first ones, are the workspace's own.
    own: usize,
    /// For layer i, the buffer of its output; operators in place share their input's, unless another layer reads it too.
    output_of: Vec<usize>,
    gradients: GradientPlan,
}

/// Names of an optimizer's moments. `sgd_momentum_step` and its like bind five storage buffers beside them, and eight are all
/// that there may be.
pub const MOMENTS: [&str; 3] = ["first moments", "second moments", "third moments"];

impl Memory {
    /// The plan of a training. What is listed of kept weights is planned as if every layer kept the same share.
    pub fn plan(model: &Model, request: &MemoryRequest) -> Self {
        let in_batch = u64::from(request.batch.next_multiple_of(4));
        let columns = u64::from(request.micro_batch.div_ceil(4));
        let carries = request.micro_batch < request.batch;
        let mut activations = vec![(
            "input batch".to_owned(),
            model.input.features() as u64 * columns * 4,
        )];
        let mut kept = Vec::new();
        let mut output_of = Vec::new();
        let mut shared = 1;
        let mut carried = Vec::new();
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
            if carries {
                // Sums that go on with the next micro-batch.
                carried.push((format!("partial sums of {}", layer.name), scratch.parts));
            } else {
                shared = shared.max(scratch.parts);
            }
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
            ("sample indices".to_owned(), in_batch),
            ("labels".to_owned(), in_batch),
            ("losses".to_owned(), in_batch),
            ("hits".to_owned(), in_batch),
            (
                "augmentation".to_owned(),
                in_batch * (size_of::<Warp>() / 4) as u64,
            ),
        ]);
        buffers.extend(carried);
        let own = buffers.len();
        // As long as the flat parameters, each of them.
        let flat = ["parameters", "gradients"].into_iter();
        let flat = flat.chain(MOMENTS.into_iter().take(request.moments));
        buffers.extend(flat.map(|name| (name.to_owned(), floats)));
        buffers.push(("masks".to_owned(), floats / 32));
        if request.keeps_weights {
            buffers.push(("kept parameters".to_owned(), floats));
        }
        let beside = request.beside.iter();
        buffers.extend(beside.map(|&name| (name.to_owned(), floats)));
        if request.holds_branches {
            let layers = model.layers.iter();
            let chooses = layers.filter(|l| l.operator.branch() == Some(Branch::Output));
            buffers.extend(chooses.map(|layer| {
                let words = layer.output.features() as u64 * columns * 4;
                (format!("held output of {}", layer.name), words)
            }));
        }
        buffers.extend(planned_lists(model, request.density));
        Self {
            buffers,
            own,
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

    /// The largest buffers in words, for people: `activations of conv1 9 MiB, ...`, each with its size for `replicas`.
    pub fn largest_text(&self, replicas: u64) -> String {
        let mut sorted: Vec<_> = self.buffers.iter().collect();
        sorted.sort_by_key(|(_, words)| std::cmp::Reverse(*words));
        let texts = sorted.iter().take(3).map(|(name, words)| {
            let mib = (replicas * words * 4) as f64 / f64::from(1 << 20);
            format!("{name} {mib:.1} MiB")
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    /// What `replicas` need, and why that is too much: the end of a sentence.
    pub fn refusal(&self, replicas: u64, max_binding: u64, budget: u64) -> String {
        format!(
            "{} MiB, of which {}; this adapter binds at most {} MiB at once and the limit is {} MiB (--memory)",
            self.bytes(replicas) >> 20,
            self.largest_text(replicas),
            max_binding >> 20,
            budget >> 20
        )
    }

    /// How many replicas fit when no buffer may exceed `max_binding` bytes and all together `budget`; 0 when not even one does.
    pub fn replicas_that_fit(&self, max_binding: u64, budget: u64) -> u64 {
        let (_, largest) = self.largest();
        (max_binding / largest.max(1)).min(budget / self.bytes(1).max(1))
    }
}

/// The buffer of what a layer reads.
fn buffer_of(output_of: &[usize], source: LayerInput) -> usize {
    match source {
        LayerInput::Input => 0,
        LayerInput::Layer(i) => output_of[i],
    }
}

/// The buffers of a training cohort.
pub struct Workspace {
    /// What is on the GPU at once of each batch, in order.
    pub(super) windows: Vec<Window>,
    /// The optimizer's, in its order.
    pub(super) moments: Vec<Buffer>,
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
    /// Of each layer, where there are micro-batches: its partial sums.
    carried: Vec<Buffer>,
    output_of: Vec<usize>,
    offsets: Vec<Vec<u32>>,
    fused_in_training: Vec<Fused>,
    /// Without layers that are there for training alone.
    fused_otherwise: Vec<Fused>,
    learns: Vec<bool>,
    needs_gradient: Vec<bool>,
}

impl Workspace {
    /// Allocates what [`Memory::plan`] lists for this request, but for what the masks take. `learns` says which layers do.
    ///
    /// # Errors
    /// A buffer too large, or out of memory; names the buffer.
    pub fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        request: &MemoryRequest,
        learns: Vec<bool>,
    ) -> Result<Self, GpuError> {
        let model = &replicas.model;
        let memory = Memory::plan(model, request);
        let mut made = memory
            .buffers
            .iter()
            .take(memory.own)
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
        let windows = Window::all(request.batch.div_ceil(4), request.micro_batch.div_ceil(4));
        let carrying = if windows.len() > 1 {
            model.layers.len()
        } else {
            0
        };
        let carried = (0..carrying).map(|_| next()).collect::<Result<_, _>>()?;
        let moments = MOMENTS[..request.moments].iter();
        let moments = moments.map(|name| gpu.buffer(name, replicas.params.bytes()));
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
            windows,
            moments: moments.collect::<Result<_, _>>()?,
            state: gpu.buffer(
                "states",
                u64::from(replicas.count) * size_of::<State>() as u64,
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
            carried,
            output_of: memory.output_of,
            offsets,
            fused_in_training: fuse(&model.layers, Mode::Training),
            fused_otherwise: fuse(&model.layers, Mode::Scoring),
            needs_gradient: needs_gradient(&model.layers, |i| learns[i]),
            learns,
        })
    }

    /// Likewise, for passes that leave out layers which would do an addition on the way.
    pub(super) fn with_additions_apart(mut self) -> Self {
        let all = self.fused_in_training.iter_mut();
        for fused in all.chain(&mut self.fused_otherwise) {
            fused.addition = false;
        }
        self
    }

    /// Slots of a whole batch.
    pub(super) fn slots(&self) -> u32 {
        4 * self.windows[0].batch
    }

    /// The images of a window of the batch.
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
    pub(super) fn node(&self, source: LayerInput) -> u32 {
        buffer_of(&self.output_of, source) as u32
    }

    /// Every buffer of activation gradients.
    pub(super) fn gradient_slots(&self) -> &[Buffer] {
        &self.slots
    }

    /// The output of the ReLU whose backward pass is done where this gradient goes.
    pub(super) fn gate(&self, target: &GradientTarget) -> Option<&Buffer> {
        let output = &self.activations[self.output_of[target.of]];
        target.gate.then_some(output)
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
            LayerInput::Input => false,
            LayerInput::Layer(below) => self.needs_gradient[below],
        }
    }

    /// Layer `i`'s place while it works on a window of the batch.
    pub(super) fn context<'a>(
        &'a self,
        replicas: &'a Replicas,
        variants: Variants,
        sparsity: Option<&'a Sparsity>,
        window: Window,
        mode: Mode,
        i: usize,
    ) -> LayerContext<'a> {
        let fused = match mode {
            Mode::Training => &self.fused_in_training,
            Mode::Evaluation | Mode::Scoring | Mode::Recalibration => &self.fused_otherwise,
        };
        self.context_of(replicas, variants, sparsity, window, fused[i], i)
    }

    /// Likewise, while it takes the branches that it took before: no layer does another's work then.
    pub(super) fn holding_context<'a>(
        &'a self,
        replicas: &'a Replicas,
        variants: Variants,
        sparsity: Option<&'a Sparsity>,
        window: Window,
        branches: &'a HeldBranches,
        i: usize,
    ) -> LayerContext<'a> {
        LayerContext {
            held: match replicas.model.layers[i].operator.branch() {
                Some(Branch::Output) => branches.output(i),
                Some(Branch::Kept) => Some(&self.kept[i]),
                None => None,
            },
            ..self.context_of(replicas, variants, sparsity, window, Fused::default(), i)
        }
    }

    fn context_of<'a>(
        &'a self,
        replicas: &'a Replicas,
        variants: Variants,
        sparsity: Option<&'a Sparsity>,
        window: Window,
        fused: Fused,
        i: usize,
    ) -> LayerContext<'a> {
        let layers = &replicas.model.layers;
        let layer = &layers[i];
        let activations = |source| &self.activations[buffer_of(&self.output_of, source)];
        let own = LayerInput::Layer(i);
        // The addition that this layer does while it stores.
        let sum = (fused.addition && layer.with.is_none())
            .then(|| layers.iter().position(|l| l.sources().any(|s| s == own)))
            .flatten();
        let with = match sum {
            Some(sum) => layers[sum].sources().find(|&s| s != own),
            None => layer.with,
        };
        let gradients = &self.gradients.layers[i];
        let dx = gradients.dx.map(|slot| &self.slots[slot]);
        LayerContext {
            layer: i as u32,
            replicas: replicas.count,
            window,
            param_stride: replicas.model.floats as u32,
            offsets: &self.offsets[i],
            input: layer.input,
            channels: layer.channels as u32,
            output: layer.output,
            params: &replicas.params,
            grads: &replicas.grads,
            keys: &replicas.keys,
            state: &self.state,
            x: activations(layer.from),
            with: with.map(activations),
            y: &self.activations[self.output_of[sum.unwrap_or(i)]],
            dy: &self.slots[gradients.dy],
            dx: dx.filter(|_| self.needs_input_gradient(&replicas.model, i)),
            kept: &self.kept[i],
            parts: self.carried.get(i).unwrap_or(&self.shared),
            learns: self.learns[i],
            fused,
            held: None,
            sparse: sparsity.and_then(|s| s.kept(replicas, i)),
            variants,
        }
    }

    /// Room for the branches that layers take on a window of the batch.
    pub(super) fn room_for_branches(
        &self,
        gpu: &Gpu,
        model: &Model,
    ) -> Result<HeldBranches, GpuError> {
        let room = |(layer, &output): (&LayerAt, &usize)| {
            let holds = layer.operator.branch() == Some(Branch::Output);
            let held = holds.then(|| gpu.buffer("held outputs", self.activations[output].bytes()));
            held.transpose()
        };
        let layers = model.layers.iter().zip(&self.output_of);
        Ok(HeldBranches::new(
            layers.map(room).collect::<Result<_, _>>()?,
        ))
    }

    /// Records that the branches of the pass before are held.
    pub(super) fn record_hold(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        (replicas, window): (&Replicas, Window),
        branches: &HeldBranches,
    ) -> Result<(), GpuError> {
        for (i, layer) in replicas.model.layers.iter().enumerate() {
            let Some(held) = branches.output(i) else {
                continue;
            };
            let span = span(layer.output.features(), window);
            let buffers = [&self.activations[self.output_of[i]], held];
            record_copy(gpu, program, span, buffers, replicas.count)?;
        }
        Ok(())
    }

    /// Records what brings layer `i`'s input where the layer works: a copy, for an operator in place whose input another
    /// layer reads too.
    pub(super) fn record_input(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        window: Window,
        i: usize,
    ) -> Result<(), GpuError> {
        let layer = &replicas.model.layers[i];
        let (from, to) = (buffer_of(&self.output_of, layer.from), self.output_of[i]);
        if !layer.operator.in_place() || from == to {
            return Ok(());
        }
        let buffers = [&self.activations[from], &self.activations[to]];
        let span = span(layer.input.features(), window);
        record_copy(gpu, program, span, buffers, replicas.count)
    }

    /// Records what brings the gradients that layer `i` sends to the values they are of. Where layers are `apart`, none does a ReLU's
    /// backward pass on the way.
    pub(super) fn record_moves(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        (window, apart): (Window, bool),
        i: usize,
    ) -> Result<(), GpuError> {
        let needed = |m: &&GradientTarget| self.needs_gradient[m.of];
        for m in self.gradients.layers[i].moves.iter().filter(needed) {
            let buffers = [&self.slots[m.from], &self.slots[m.to]];
            let span = span(replicas.model.layers[m.of].output.features(), window);
            if m.add {
                let gate = self.gate(m).filter(|_| !apart);
                record_add(gpu, program, span, buffers, gate, replicas.count)?;
            } else {
                record_copy(gpu, program, span, buffers, replicas.count)?;
            }
        }
        Ok(())
    }
}

fn span(features: usize, window: Window) -> Span {
    Span {
        count: features as u32 * window.columns,
    }
}
