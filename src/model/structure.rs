//! Which parts of a model can be taken out whole: its units, worked out from the graph.
//!
//! A unit is one output channel of a convolution or one neuron of a linear layer, with all that is tied to it. Layers that keep
//! channels apart (batch normalisation, activations, pooling, dropout, flatten) hand it on; an addition ties the units
//! of what it adds, so all channels of a residual stage are one group. An operator that mixes channels reads the unit: as an input channel, or
//! as several columns where the channel was flattened.

use super::{LayerAt, LayerInput, Model};

/// Where the units of a group lie in a tensor: unit u has the indices `u * span .. (u + 1) * span` along `dim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Index into [`Model::tensors`].
    pub tensor: usize,
    /// 0: its outputs; 1: its inputs.
    pub dim: usize,
    /// Indices per unit.
    pub span: usize,
}

/// The floats of one unit in one tensor: `outer` runs of `len`, `stride` apart, in the flat parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitFloats {
    /// First float.
    pub start: usize,
    /// Number of runs.
    pub outer: usize,
    /// From one run to the next.
    pub stride: usize,
    /// Floats of a run.
    pub len: usize,
}

impl UnitFloats {
    /// Every index into the flat parameters, ascending.
    pub fn indices(self) -> impl Iterator<Item = usize> {
        (0..self.outer).flat_map(move |o| {
            let first = self.start + o * self.stride;
            first..first + self.len
        })
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.outer * self.len
    }
}

impl Member {
    /// Where unit `unit` lies in the flat parameters of `model`.
    pub fn run(&self, model: &Model, unit: usize) -> UnitFloats {
        let tensor = &model.tensors[self.tensor];
        let inner: usize = tensor.shape[self.dim + 1..].iter().product();
        let len = self.span * inner;
        UnitFloats {
            start: tensor.offset + unit * len,
            outer: tensor.shape[..self.dim].iter().product(),
            stride: tensor.shape[self.dim] * inner,
            len,
        }
    }
}

/// Coupled units: those that can only be removed together, by their number, with every place they have (a dependency group).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitGroup {
    /// How many units.
    pub units: usize,
    /// Layers whose outputs they are, in the model's order; none for the model's input.
    pub layers: Vec<usize>,
    /// Rows of these layers' weights, tensor by tensor.
    pub producers: Vec<Member>,
    /// What else has an entry per unit: biases, and batch normalisation's scales, shifts and running statistics.
    pub carried: Vec<Member>,
    /// Columns of the weights that read them.
    pub readers: Vec<Member>,
    /// Whether units may be removed: they are neither the model's inputs nor its outputs.
    pub removable: bool,
}

impl UnitGroup {
    /// Rows and columns of a unit: all weights that are gone with it. A weight that leads from a unit of this group to another of
    /// the same group, as in a layer that is both, is listed twice.
    pub fn weights<'a>(
        &'a self,
        model: &'a Model,
        unit: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let members = self.producers.iter().chain(&self.readers);
        members.flat_map(move |m| m.run(model, unit).indices())
    }
}

/// The channels of a value, as units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Index into [`Structure::groups`].
    pub group: usize,
    /// Channels per unit: more than one where a plane was flattened.
    pub span: usize,
}

/// The units of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Groups, each at its first appearance in the model: the input's, then by layer.
    pub groups: Vec<UnitGroup>,
    /// The model's input.
    pub input: Channels,
    /// Each layer's output.
    pub outputs: Vec<Channels>,
}

impl Structure {
    /// Works out the units of a model from what its layers read and mix.
    pub fn of(model: &Model) -> Self {
        let mut draft = Draft::default();
        let input = draft.fresh(model.input.channels, false);
        let mut outputs: Vec<Channels> = Vec::new();
        for (number, layer) in model.layers.iter().enumerate() {
            let value = |source: LayerInput| match source {
                LayerInput::Input => input,
                LayerInput::Layer(i) => outputs[i],
            };
            let from = value(layer.from);
            outputs.push(if layer.operator.mixes_channels() {
                draft.mix(model, layer, number, from)
            } else {
                let channels = layer.with.map_or(from, |with| draft.tie(from, value(with)));
                draft.hand_on(layer, channels)
            });
        }
        if let Some(last) = outputs.last() {
            draft.nodes[last.group].removable = false;
        }
        draft.finish(input, outputs)
    }

    /// The channels of what a layer reads.
    pub fn of_source(&self, source: LayerInput) -> Channels {
        match source {
            LayerInput::Input => self.input,
            LayerInput::Layer(i) => self.outputs[i],
        }
    }
}

/// Groups while additions still tie them: `group` of a [`Channels`] is a node here, and spans count its units.
#[derive(Default)]
struct Draft {
    nodes: Vec<UnitNode>,
}

#[derive(Default)]
struct UnitNode {
    units: usize,
    removable: bool,
    layers: Vec<usize>,
    producers: Vec<Member>,
    carried: Vec<Member>,
    readers: Vec<Member>,
    /// The node that it was tied into, and how many of its units are one there.
    tied: Option<(usize, usize)>,
}

impl Draft {
    fn fresh(&mut self, units: usize, removable: bool) -> Channels {
        self.nodes.push(UnitNode {
            units,
            removable,
            ..UnitNode::default()
        });
        Channels {
            group: self.nodes.len() - 1,
            span: 1,
        }
    }

    /// The same channels as units of the node that theirs has become part of.
    fn now(&self, mut channels: Channels) -> Channels {
        while let Some((group, factor)) = self.nodes[channels.group].tied {
            channels = Channels {
                group,
                span: channels.span * factor,
            };
        }
        channels
    }

    /// A layer whose every output reads every input channel.
    fn mix(&mut self, model: &Model, layer: &LayerAt, number: usize, from: Channels) -> Channels {
        let output = self.fresh(layer.output.channels, true);
        self.nodes[output.group].layers.push(number);
        for tensor in layer.tensors.clone() {
            let rows = Member {
                tensor,
                dim: 0,
                span: 1,
            };
            let Some(inputs) = model.tensors[tensor].shape.get(1) else {
                self.nodes[output.group].carried.push(rows);
                continue;
            };
            self.nodes[output.group].producers.push(rows);
            self.nodes[from.group].readers.push(Member {
                tensor,
                dim: 1,
                // A linear layer flattens what it reads: a channel is as many columns as it has pixels.
                span: from.span * (inputs / layer.input.channels),
            });
        }
        output
    }

    /// A layer that keeps channels apart, or flattens them.
    fn hand_on(&mut self, layer: &LayerAt, channels: Channels) -> Channels {
        for tensor in layer.tensors.clone() {
            self.nodes[channels.group].carried.push(Member {
                tensor,
                dim: 0,
                span: channels.span,
            });
        }
        Channels {
            span: channels.span * (layer.output.channels / layer.input.channels),
            ..channels
        }
    }

    /// Two values that are added: their channels are the same units. Where one has more channels to a unit than the other, so
    /// many units of the other become one.
    fn tie(&mut self, a: Channels, b: Channels) -> Channels {
        let (a, b) = (self.now(a), self.now(b));
        if a == b {
            return a;
        }
        let span = lcm(a.span, b.span);
        let units = self.nodes[a.group].units * a.span / span;
        let removable = self.nodes[a.group].removable && self.nodes[b.group].removable;
        let both = self.fresh(units, removable);
        for part in [a, b] {
            self.nodes[part.group].tied = Some((both.group, span / part.span));
        }
        Channels { span, ..both }
    }

    fn finish(self, input: Channels, outputs: Vec<Channels>) -> Structure {
        let mut groups: Vec<UnitGroup> = Vec::new();
        // Which group each root has become.
        let mut places: Vec<Option<usize>> = vec![None; self.nodes.len()];
        for (number, node) in self.nodes.iter().enumerate() {
            let root = self.now(Channels {
                group: number,
                span: 1,
            });
            let place = *places[root.group].get_or_insert_with(|| {
                groups.push(UnitGroup {
                    units: self.nodes[root.group].units,
                    removable: true,
                    ..UnitGroup::default()
                });
                groups.len() - 1
            });
            let group = &mut groups[place];
            let whole = |m: &Member| Member {
                span: m.span * root.span,
                ..*m
            };
            group.layers.extend(&node.layers);
            group.producers.extend(node.producers.iter().map(whole));
            group.carried.extend(node.carried.iter().map(whole));
            group.readers.extend(node.readers.iter().map(whole));
            group.removable &= node.removable;
        }
        let settled = |channels: Channels| {
            let root = self.now(channels);
            Channels {
                group: places[root.group].unwrap_or_default(),
                span: root.span,
            }
        };
        Structure {
            input: settled(input),
            outputs: outputs.into_iter().map(settled).collect(),
            groups,
        }
    }
}

/// Least common multiple.
fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}
