//! A model with every shape known: what is needed before anything runs.

use super::presets;
use crate::ops::{self, InitialValues, Operator};
use crate::spec::{INPUT, Init, Layer, ModelSpec, NamedLayer, Shape};

/// Parameters start at multiples of this many floats: whole mask words and vec4s, and 256-byte binding offsets.
pub const ALIGNMENT: usize = 64;

/// One parameter tensor in a replica's flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `<layer>.weight`, `.bias`, `.running_mean` or `.running_var`, as PyTorch would say.
    pub name: String,
    /// The layer's name.
    pub layer: String,
    /// Sizes, output side first.
    pub shape: Vec<usize>,
    /// First float in the flat buffer, a multiple of [`ALIGNMENT`].
    pub offset: usize,
    /// Number of values.
    pub count: usize,
    /// Whether masks apply to it (weights yes, biases no).
    pub prunable: bool,
    /// Whether the optimizer changes it (running statistics it leaves alone).
    pub learned: bool,
    /// What it starts as.
    pub start: InitialValues,
    /// Inputs that feed one output.
    pub fan_in: usize,
    /// Outputs that one input feeds.
    pub fan_out: usize,
}

impl Tensor {
    /// Its floats in the flat buffer.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.count
    }
}

/// Where a layer's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerInput {
    /// The model's input.
    Input,
    /// The output of the layer of this number.
    Layer(usize),
}

/// One layer with its shapes.
pub struct LayerAt {
    /// Its name.
    pub name: String,
    /// What it computes.
    pub operator: Box<dyn Operator>,
    /// What it reads: an earlier layer.
    pub from: LayerInput,
    /// What an addition adds to that, of the same shape.
    pub with: Option<LayerInput>,
    /// Shape of its input.
    pub input: Shape,
    /// Channels of its input, also where they were flattened on the way.
    pub channels: usize,
    /// Shape of its output.
    pub output: Shape,
    /// Its tensors: a range of [`Model::tensors`].
    pub tensors: std::ops::Range<usize>,
}

impl LayerAt {
    /// Everything it reads.
    pub fn sources(&self) -> impl Iterator<Item = LayerInput> {
        std::iter::once(self.from).chain(self.with)
    }
}

/// The channels of a value that a layer made, also where they were flattened.
fn channels_of(layers: &[LayerAt], source: LayerInput, input: Shape) -> usize {
    match source {
        LayerInput::Input => input.channels,
        LayerInput::Layer(i) if layers[i].operator.mixes_channels() => layers[i].output.channels,
        LayerInput::Layer(i) => layers[i].channels,
    }
}

/// How often `source` is read.
pub fn readers(layers: &[LayerAt], source: LayerInput) -> usize {
    let reads = layers.iter().flat_map(LayerAt::sources);
    reads.filter(|&s| s == source).count()
}

/// A model whose shapes fit together.
pub struct Model {
    /// Name of the preset, or `custom`.
    pub name: String,
    /// How fresh weights are drawn.
    pub init: Init,
    /// Shape of one input.
    pub input: Shape,
    /// Number of classes it tells apart.
    pub classes: usize,
    /// Layers; each comes after those it reads, and the last gives the model's output.
    pub layers: Vec<LayerAt>,
    /// All parameter tensors, in layer order.
    pub tensors: Vec<Tensor>,
    /// Floats per replica in the flat buffer, padding included; a multiple of [`ALIGNMENT`].
    pub floats: usize,
}

/// Why a model cannot be built on a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer}: {reason}")]
pub struct ShapeError {
    /// The layer's name.
    pub layer: String,
    /// What does not fit and what would.
    pub reason: String,
}

impl Model {
    /// Infers every shape from the input's, and of a preset the number of outputs from the classes.
    ///
    /// # Errors
    /// A layer that reads what is not before it or cannot take its input, that no other reads, or a last layer that does not
    /// give one number per class; names the layer.
    pub fn new(spec: &ModelSpec, input: Shape, classes: usize) -> Result<Self, ShapeError> {
        let mut layers: Vec<LayerAt> = Vec::new();
        let mut tensors: Vec<Tensor> = Vec::new();
        let mut offset = 0;
        for named in presets::for_classes(spec, classes).iter() {
            let operator = ops::operator(&named.layer);
            let fail = |reason| ShapeError {
                layer: named.name.clone(),
                reason,
            };
            let (from, with) = sources(&layers, named).map_err(fail)?;
            let shape_of = |source| match source {
                LayerInput::Input => input,
                LayerInput::Layer(i) => layers[i].output,
            };
            let shape = shape_of(from);
            if let Some(other) = with
                && shape_of(other) != shape
            {
                return Err(fail(format!(
                    "it adds {} ({}) to {} ({shape}); both must have the same shape",
                    name_of(&layers, other),
                    shape_of(other),
                    name_of(&layers, from),
                )));
            }
            let output = operator.output(shape).map_err(fail)?;
            let first = tensors.len();
            for parameter in operator.parameters(shape) {
                let count = parameter.shape.iter().product();
                tensors.push(Tensor {
                    name: format!("{}.{}", named.name, parameter.role),
                    layer: named.name.clone(),
                    shape: parameter.shape,
                    offset,
                    count,
                    prunable: parameter.prunable,
                    learned: parameter.learned,
                    start: parameter.start,
                    fan_in: parameter.fan_in,
                    fan_out: parameter.fan_out,
                });
                offset += count.next_multiple_of(ALIGNMENT);
            }
            layers.push(LayerAt {
                name: named.name.clone(),
                operator,
                from,
                with,
                input: shape,
                channels: channels_of(&layers, from, input),
                output,
                tensors: first..tensors.len(),
            });
        }
        let unread = |i: &usize| readers(&layers, LayerInput::Layer(*i)) == 0;
        if let Some(i) = (0..layers.len().saturating_sub(1)).find(unread) {
            return Err(ShapeError {
                layer: layers[i].name.clone(),
                reason:
                    "no layer reads its output; remove it, or name it in another's `from` or `add`"
                        .to_owned(),
            });
        }
        let last = layers.last().map_or("(none)", |l| l.name.as_str());
        let shape = layers.last().map_or(input, |l| l.output);
        if shape.features() != classes {
            return Err(ShapeError {
                layer: last.to_owned(),
                reason: format!(
                    "the model ends with {shape} outputs, but the dataset has {classes} classes; end it with {{ linear = {classes} }}"
                ),
            });
        }
        if !tensors.iter().any(|t| t.prunable) {
            return Err(ShapeError {
                layer: last.to_owned(),
                reason: "the model has no weights to train; add a linear or conv2d layer"
                    .to_owned(),
            });
        }
        if offset > u32::MAX as usize {
            return Err(ShapeError {
                layer: last.to_owned(),
                reason: format!("{offset} parameters are more than 32 bits can index"),
            });
        }
        Ok(Self {
            name: spec.name.clone(),
            init: spec.init,
            input,
            classes,
            layers,
            tensors,
            floats: offset,
        })
    }

    /// Number of parameters that training changes: weights and biases, not running statistics.
    pub fn parameters(&self) -> usize {
        let learned = self.tensors.iter().filter(|t| t.learned);
        learned.map(|t| t.count).sum()
    }

    /// Number of running statistics.
    pub fn statistics(&self) -> usize {
        let kept = self.tensors.iter().filter(|t| !t.learned);
        kept.map(|t| t.count).sum()
    }

    /// Indices of the tensors that masks apply to.
    pub fn prunable_tensors(&self) -> impl Iterator<Item = usize> {
        (0..self.tensors.len()).filter(|&t| self.tensors[t].prunable)
    }

    /// Number of weights that masks apply to.
    pub fn prunable(&self) -> usize {
        self.tensors
            .iter()
            .filter(|t| t.prunable)
            .map(|t| t.count)
            .sum()
    }

    /// Multiply-adds of one forward pass of one sample, dense.
    pub fn multiply_adds(&self) -> u64 {
        self.layers
            .iter()
            .map(|l| l.operator.multiply_adds(l.input))
            .sum()
    }

    /// Words of a replica's bit mask.
    pub fn mask_words(&self) -> usize {
        self.floats / 32
    }
}

/// What a layer reads, and what it adds to that.
fn sources(
    before: &[LayerAt],
    named: &NamedLayer,
) -> Result<(LayerInput, Option<LayerInput>), String> {
    if named.name == INPUT || before.iter().any(|l| l.name == named.name) {
        return Err("its name is taken".to_owned());
    }
    let called = |name: &String| {
        if name == INPUT {
            return Ok(LayerInput::Input);
        }
        let found = before.iter().position(|l| l.name == *name);
        found.map(LayerInput::Layer).ok_or_else(|| {
            format!("it reads {name}, which is no earlier layer; \"{INPUT}\" is the model's input")
        })
    };
    let from = match &named.from {
        Some(name) => called(name)?,
        None => before
            .len()
            .checked_sub(1)
            .map_or(LayerInput::Input, LayerInput::Layer),
    };
    let with = match &named.layer {
        Layer::Add { with } => Some(called(with)?),
        _ => None,
    };
    Ok((from, with))
}

/// What errors and tables call a source.
fn name_of(layers: &[LayerAt], source: LayerInput) -> &str {
    match source {
        LayerInput::Input => INPUT,
        LayerInput::Layer(i) => &layers[i].name,
    }
}
