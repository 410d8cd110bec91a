//! Compaction: the same network in smaller tensors, without the units that nobody reads or that never change.

use super::constants::constants;
use crate::model::{LayerInput, Mask, Member, Model, ShapeError, Structure, readers};
use crate::spec::{Layer, ModelSpec};
use crate::train::Snapshot;
use std::sync::Arc;

/// A network that lost units.
pub struct Compacted {
    /// What it is made of now: the same layers, fewer outputs.
    pub spec: ModelSpec,
    /// The same with shapes.
    pub model: Arc<Model>,
    /// Its weights and mask, in the order that they had.
    pub snapshot: Snapshot,
}

/// Removes, until nothing changes, every unit of which no kept weight reads anything, and every unit into which no kept weight leads:
/// that one is a constant, which goes into the biases of its readers, or into the running mean of the batch normalisation
/// that alone reads a layer without biases. A constant other than 0 stays where a reader has neither, or pads with zeros:
/// its sum is another at the border. One unit of each group stays.
///
/// Evaluated, the network computes the same function; to the bit where no constant is moved. A batch normalisation in
/// training takes constants away anyhow.
///
/// # Errors
/// The smaller layers do not make a model.
pub fn compact(
    spec: &ModelSpec,
    model: &Model,
    snapshot: &Snapshot,
) -> Result<Compacted, ShapeError> {
    let structure = Structure::of(model);
    let mut work = Compaction {
        model,
        left: structure
            .groups
            .iter()
            .map(|g| vec![true; g.units])
            .collect(),
        structure: &structure,
        weights: snapshot.weights.clone(),
        mask: snapshot.mask.clone(),
    };
    while work.drop_unread() | work.drop_constant() {}
    work.smaller(spec)
}

struct Compaction<'a> {
    model: &'a Model,
    structure: &'a Structure,
    weights: Vec<f32>,
    mask: Mask,
    /// `[group][unit]`.
    left: Vec<Vec<bool>>,
}

impl Compaction<'_> {
    fn exists(&self, i: usize) -> bool {
        self.mask.keeps(i)
    }

    fn reads(&self, reader: &Member, unit: usize) -> bool {
        let mut columns = reader.run(self.model, unit).indices();
        columns.any(|i| self.exists(i))
    }

    /// Units that may still go: those of a removable group that has others.
    fn candidates(&self) -> Vec<(usize, usize)> {
        let groups = self.structure.groups.iter().enumerate();
        let removable = groups.filter(|(_, group)| group.removable);
        let units = removable.flat_map(|(g, group)| (0..group.units).map(move |u| (g, u)));
        units.filter(|&(g, u)| self.left[g][u]).collect()
    }

    fn drop_unit(&mut self, (g, unit): (usize, usize)) -> bool {
        if self.left[g].iter().filter(|left| **left).count() == 1 {
            return false;
        }
        self.left[g][unit] = false;
        for i in self.structure.groups[g].weights(self.model, unit) {
            self.mask.remove(i);
            self.weights[i] = 0.0;
        }
        true
    }

    fn drop_unread(&mut self) -> bool {
        let mut changed = false;
        for (g, unit) in self.candidates() {
            let mut readers = self.structure.groups[g].readers.iter();
            if !readers.any(|m| self.reads(m, unit)) {
                changed |= self.drop_unit((g, unit));
            }
        }
        changed
    }

    fn drop_constant(&mut self) -> bool {
        let values = constants(self.model, &self.weights, |i| self.exists(i));
        let mut changed = false;
        for (g, unit) in self.candidates() {
            let moves: Option<Vec<ConstantMove>> = self.structure.groups[g]
                .readers
                .iter()
                .filter(|m| self.reads(m, unit))
                .map(|m| self.plan_move(m, unit, &values))
                .collect();
            let last = self.left[g].iter().filter(|left| **left).count() == 1;
            if let Some(moves) = moves.filter(|_| !last) {
                for step in &moves {
                    self.carry_out(step);
                }
                changed |= self.drop_unit((g, unit));
            }
        }
        changed
    }

    /// How a reader does without a unit; `None` if it cannot, or the unit is no constant.
    fn plan_move(
        &self,
        reader: &Member,
        unit: usize,
        values: &[Vec<Option<f64>>],
    ) -> Option<ConstantMove> {
        let layers = &self.model.layers;
        let number = layers
            .iter()
            .position(|layer| layer.tensors.contains(&reader.tensor))?;
        let LayerInput::Layer(from) = layers[number].from else {
            return None;
        };
        let span = self.structure.outputs[from].span;
        let channels = values[from].get(unit * span..(unit + 1) * span)?;
        let channels: Vec<f64> = channels.iter().copied().collect::<Option<_>>()?;
        let tensor = &self.model.tensors[reader.tensor];
        let inner: usize = tensor.shape[2..].iter().product();
        // Columns of one channel: the pixels that a linear layer flattens, and the places of a kernel.
        let len = reader.span / span * inner;
        let run = reader.run(self.model, unit);
        let sums: Vec<f64> = (0..run.outer)
            .map(|o| {
                let first = run.start + o * run.stride;
                let own = self.weights[first..first + run.len].chunks_exact(len);
                let products = own.zip(&channels).map(|(columns, &x)| {
                    let sum: f64 = columns.iter().map(|&w| f64::from(w)).sum();
                    sum * x
                });
                products.sum()
            })
            .collect();
        if channels.iter().all(|&x| x == 0.0) {
            return Some(ConstantMove { to: None, sums });
        }
        if !layers[number].operator.reads_whole_windows() {
            return None;
        }
        let offset = |tensor: usize| self.model.tensors[tensor].offset;
        let mut own = layers[number].tensors.clone();
        if let Some(bias) = own.find(|&t| self.model.tensors[t].shape.len() == 1) {
            let to = Some((offset(bias), 1.0));
            return Some(ConstantMove { to, sums });
        }
        let output = LayerInput::Layer(number);
        let after = layers.iter().find(|layer| layer.from == output)?;
        let subtracted = after.tensors.start + after.operator.subtracts()?;
        let alone = readers(layers, output) == 1;
        alone.then(|| ConstantMove {
            to: Some((offset(subtracted), -1.0)),
            sums,
        })
    }

    fn carry_out(&mut self, step: &ConstantMove) {
        let Some((to, sign)) = step.to else { return };
        for (value, sum) in self.weights[to..].iter_mut().zip(&step.sums) {
            *value = (f64::from(*value) + sign * sum) as f32;
        }
    }

    /// Copies what is left.
    fn smaller(&self, spec: &ModelSpec) -> Result<Compacted, ShapeError> {
        let mut spec = spec.clone();
        for (i, named) in spec.layers.iter_mut().enumerate() {
            let channels = self.structure.outputs[i];
            let left = self.left[channels.group].iter().filter(|left| **left);
            let outputs = left.count() * channels.span;
            match &mut named.layer {
                Layer::Linear { features, .. } => *features = outputs,
                Layer::Conv2d { channels, .. } => *channels = outputs,
                _ => {}
            }
        }
        let model = Model::new(&spec, self.model.input, self.model.classes)?;
        let mut snapshot = Snapshot {
            weights: vec![0.0; model.floats],
            mask: Mask::full(model.floats),
        };
        for (number, new) in model.tensors.iter().enumerate() {
            for (to, from) in (new.offset..).zip(self.indices(number)) {
                snapshot.weights[to] = self.weights[from];
                if !self.exists(from) {
                    snapshot.mask.remove(to);
                }
            }
        }
        Ok(Compacted {
            spec,
            model: Arc::new(model),
            snapshot,
        })
    }

    /// What stays of a tensor: indices into the flat parameters, ascending.
    fn indices(&self, number: usize) -> Vec<usize> {
        let tensor = &self.model.tensors[number];
        // Which indices of a dimension are left.
        let mut sides = [0, 1].map(|dim| vec![true; tensor.shape.get(dim).copied().unwrap_or(1)]);
        for (group, left) in self.structure.groups.iter().zip(&self.left) {
            let all = [&group.producers, &group.carried, &group.readers];
            let here = all.into_iter().flatten().filter(|m| m.tensor == number);
            for member in here {
                for (index, side) in sides[member.dim].iter_mut().enumerate() {
                    *side &= left[index / member.span];
                }
            }
        }
        let [rows, columns] = &sides;
        let inner = tensor.count / (rows.len() * columns.len());
        let mut indices = Vec::new();
        for (row, _) in rows.iter().enumerate().filter(|(_, left)| **left) {
            for (column, _) in columns.iter().enumerate().filter(|(_, left)| **left) {
                let first = tensor.offset + (row * columns.len() + column) * inner;
                indices.extend(first..first + inner);
            }
        }
        indices
    }
}

/// What a constant unit adds to each output of a reader, and where that goes.
struct ConstantMove {
    /// The first float of the bias, or of a running mean with the sign turned; nowhere for zeros.
    to: Option<(usize, f64)>,
    sums: Vec<f64>,
}
