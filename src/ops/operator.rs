//! What a layer kind is: its shapes and its cost, what it needs and what its passes find.

use super::micro_batch::Window;
use super::sparse::{KeptLists, WeightGrid};
use super::variants::{KernelVariant, ProductPass, Variants};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::spec::Shape;

/// The offset that says "no bias".
pub(super) const NO_BIAS: u32 = u32::MAX;

/// A parameter tensor that a layer needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `weight` or `bias`.
    pub role: &'static str,
    /// Sizes, output side first.
    pub shape: Vec<usize>,
    /// Whether masks apply to it.
    pub prunable: bool,
    /// Whether the optimizer changes it; running statistics are moved by the forward pass.
    pub learned: bool,
    /// What it starts as.
    pub start: InitialValues,
    /// Inputs that feed one output.
    pub fan_in: usize,
    /// Outputs that one input feeds.
    pub fan_out: usize,
}

impl Parameter {
    /// The weight of a layer that mixes its inputs, of this shape, and its bias if it has one.
    pub(super) fn weight_and_bias(
        shape: Vec<usize>,
        (fan_in, fan_out): (usize, usize),
        bias: bool,
    ) -> Vec<Self> {
        let outputs = shape[0];
        let drawn = |role, shape| Self {
            role,
            shape,
            prunable: role == "weight",
            learned: true,
            start: InitialValues::Drawn,
            fan_in,
            fan_out,
        };
        let mut tensors = vec![drawn("weight", shape)];
        tensors.extend(bias.then(|| drawn("bias", vec![outputs])));
        tensors
    }
}

/// What fresh parameters are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitialValues {
    /// Drawn as [`crate::spec::Init`] says.
    Drawn,
    /// This number everywhere.
    Constant(f32),
}

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To be scored: no dropout, running statistics.
    Evaluation,
    /// To be followed by a backward pass: dropout, statistics of the batch, which the running ones follow.
    Training,
    /// To be followed by a backward pass that nothing learns from: no dropout, statistics of the batch, which the running
    /// ones follow; the caller that scores puts these back.
    Scoring,
    /// For the running statistics alone, which become the average over all batches of the pass: no dropout.
    Recalibration,
}

/// Extra memory a layer needs per replica, in 4-byte words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scratch {
    /// Kept from forward to backward (places of maxima).
    pub kept: u64,
    /// Partial sums of a backward pass. All layers share the room, unless there are micro-batches.
    pub parts: u64,
}

/// Which passes of a ReLU, a dropout or an addition its neighbours do while they store. At the layer itself: leave the pass out. At the
/// neighbour: do the pass. The bits are those of the passes done apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fused {
    /// A ReLU's forward pass: the layer before applies it to its output.
    pub forward: bool,
    /// A ReLU's backward pass: the layer after applies it to the gradient of its input; where there are several, who adds up what
    /// they send does so with the sum.
    pub backward: bool,
    /// Both passes of this dropout: the layer before applies them to its output, and to the gradient of that.
    pub dropout: Option<Dropping>,
    /// An addition's forward pass: the layer before adds the other summand to its output, and leaves the sum where the addition would.
    pub addition: bool,
}

/// Where it stands which branch of a layer with kinks each value took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// The signs of its output.
    Output,
    /// What it keeps from forward to backward.
    Kept,
}

/// What a dropout drops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropping {
    /// Number of the layer, which keys its random stream.
    pub layer: u32,
    /// Features per unit: 1, or the pixels of a channel.
    pub plane: u32,
    /// p * 2^32.
    pub threshold: u32,
    /// 1 / (1 - p).
    pub scale: f32,
}

/// Where a layer stands in a cohort's memory.
pub struct LayerContext<'a> {
    /// Number of the layer, which keys its random stream.
    pub layer: u32,
    /// Replicas in the cohort: the grid's z.
    pub replicas: u32,
    /// The samples that are worked on.
    pub window: Window,
    /// Floats per replica in the flat parameters.
    pub param_stride: u32,
    /// Where the layer's tensors start in them, in the order of [`Operator::parameters`].
    pub offsets: &'a [u32],
    /// Shape of the input.
    pub input: Shape,
    /// Channels of the input, also where they lie in one row of features now.
    pub channels: u32,
    /// Shape of the output.
    pub output: Shape,
    /// Flat parameters of all replicas.
    pub params: &'a Buffer,
    /// Flat gradients of all replicas.
    pub grads: &'a Buffer,
    /// Random keys, one per replica.
    pub keys: &'a Buffer,
    /// Training states, one per replica.
    pub state: &'a Buffer,
    /// Input activations.
    pub x: &'a Buffer,
    /// What an addition adds to them, or the layer before it to its output.
    pub with: Option<&'a Buffer>,
    /// Output activations; operators in place find their input there.
    pub y: &'a Buffer,
    /// Gradient of the output; becomes the gradient of the input for operators that pass it on.
    pub dy: &'a Buffer,
    /// Where the input's gradient goes; `None` where nothing below learns, and for operators that pass `dy` on.
    pub dx: Option<&'a Buffer>,
    /// [`Scratch::kept`] words per replica.
    pub kept: &'a Buffer,
    /// [`Scratch::parts`] words per replica, at least.
    pub parts: &'a Buffer,
    /// Whether gradients of the layer's own parameters are wanted.
    pub learns: bool,
    /// What is done on the way.
    pub fused: Fused,
    /// The branches that an earlier pass took, where this pass takes the same.
    pub held: Option<&'a Buffer>,
    /// The kept weights, where some pass may run sparse.
    pub sparse: Option<KeptLists<'a>>,
    /// How its passes run.
    pub variants: Variants,
}

impl<'a> LayerContext<'a> {
    /// The kept weights, if this variant runs on them.
    pub(super) fn sparse_for(&self, variant: KernelVariant) -> Option<KeptLists<'a>> {
        self.sparse.filter(|_| variant.is_sparse())
    }
}

impl LayerContext<'_> {
    /// Bytes of a value of this shape, all replicas together.
    pub(super) fn bytes(&self, shape: Shape) -> u64 {
        self.vectors(shape.features()) * 16
    }

    /// vec4s of samples of so many features, all replicas together.
    pub(super) fn vectors(&self, features: usize) -> u64 {
        features as u64 * u64::from(self.window.columns) * u64::from(self.replicas)
    }
}

/// What a layer kind is.
pub trait Operator: Send + Sync {
    /// The output's shape.
    ///
    /// # Errors
    /// A sentence saying why this input cannot be taken.
    fn output(&self, input: Shape) -> Result<Shape, String>;

    /// Its tensors.
    fn parameters(&self, _input: Shape) -> Vec<Parameter> {
        Vec::new()
    }

    /// Multiply-adds for one sample forward.
    fn multiply_adds(&self, _input: Shape) -> u64 {
        0
    }

    /// Whether it overwrites its input.
    fn in_place(&self) -> bool {
        false
    }

    /// Whether it is there for training alone: scoring leaves it out of both passes.
    fn only_in_training(&self) -> bool {
        false
    }

    /// Whether SynFlow's linear pass runs it; what does not hands values on as they are.
    fn carries_flow(&self) -> bool {
        true
    }

    /// Whether the gradient of its input is left where that of its output stood.
    fn passes_gradient_on(&self) -> bool {
        self.in_place()
    }

    /// Whether what it makes of a sample depends on the others of the batch, so that there can be no micro-batches.
    fn needs_whole_batch(&self) -> bool {
        false
    }

    /// Whether every output channel is made of all input channels; other layers keep channels apart, or flatten them.
    fn mixes_channels(&self) -> bool {
        false
    }

    /// Of a layer that keeps channels apart: what a channel becomes, evaluated, that is `x` in every pixel. `own` are the channel's
    /// entries of the layer's tensors; an addition is given the sum.
    fn of_constant(&self, x: f64, _own: &[f32]) -> f64 {
        x
    }

    /// Whether no output sees zeros from outside of the image in the place of its input.
    fn reads_whole_windows(&self) -> bool {
        true
    }

    /// Which of its tensors holds a number for each channel that it subtracts from its input when evaluated.
    fn subtracts(&self) -> Option<usize> {
        None
    }

    /// Whether its forward pass makes its sums in parts, see [`KernelVariant::Parts`]; the input was so many channels before it was
    /// flattened.
    fn sums_in_parts(&self, _input: Shape, _channels: usize) -> bool {
        false
    }

    /// Its weight tensor, if its kernels have sparse variants.
    fn weight_grid(&self, _input: Shape) -> Option<WeightGrid> {
        None
    }

    /// Whether it is a ReLU, which neighbours may do on the way.
    fn is_relu(&self) -> bool {
        false
    }

    /// Whether it can apply a ReLU to the output it stores.
    fn fuses_relu_forward(&self) -> bool {
        false
    }

    /// Whether it can add another value to the output it stores, before a ReLU.
    fn fuses_addition(&self) -> bool {
        false
    }

    /// Whether it can apply a ReLU's backward pass to the gradient it stores.
    fn fuses_relu_backward(&self) -> bool {
        false
    }

    /// Where its branches stand, if it has kinks.
    fn branch(&self) -> Option<Branch> {
        None
    }

    /// What it drops as layer number `layer`, if it is a dropout, which a neighbour may do on the way.
    fn dropping(&self, _layer: u32, _input: Shape) -> Option<Dropping> {
        None
    }

    /// Whether it can do the passes of a dropout of its output.
    fn fuses_dropout(&self) -> bool {
        false
    }

    /// Extra memory per replica for `columns` vec4s of samples.
    fn scratch(&self, _input: Shape, _columns: u32) -> Scratch {
        Scratch::default()
    }

    /// Records the forward pass.
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        mode: Mode,
    ) -> Result<(), GpuError>;

    /// Records the backward pass: gradients of the parameters, and of the input where `context.dx` asks for it.
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError>;

    /// Records one pass of a product alone, for measurements; nothing where the layer is none.
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    fn record_pass(
        &self,
        _gpu: &Gpu,
        _program: &mut Program,
        _site: &LayerContext<'_>,
        _pass: ProductPass,
    ) -> Result<(), GpuError> {
        Ok(())
    }
}
