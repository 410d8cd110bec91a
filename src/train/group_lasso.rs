//! The group lasso as a proximal step (Yuan and Lin 2006; Wen et al. 2016): after each optimizer step the weights of a unit shrink
//! together, and become exactly 0 together.
//!
//! The penalty is lambda times the sum over units of sqrt(|g|) |w_g|_2. The group g of a unit is all that goes with it: its rows in
//! every layer that makes it, and its columns in every layer that reads it; biases and batch normalisation are not in it. So a
//! weight between two removable units is in two groups, and shrinks by the factors of both. The step is decoupled: its
//! length is the learning rate of the moment, whatever the optimizer made of the gradient.

use super::replicas::Replicas;
use super::unit_table::{UnitSum, UnitTable};
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::model::{Member, Model, Structure, UnitFloats};

/// No group on this side of a tensor.
const NONE: u32 = u32::MAX;

shader_struct! {
    /// Uniform of `unit_shrink`.
    pub struct ShrinkShape {
        /// Where the tensor starts in the flat parameters.
        pub offset: u32,
        /// Its weights.
        pub count: u32,
        /// Floats per replica.
        pub param_stride: u32,
        /// Sums per replica.
        pub units: u32,
        /// Unit of its first rows; `u32::MAX` for none.
        pub row: u32,
        /// Floats of a unit's rows.
        pub row_len: u32,
        /// Unit of its first columns; `u32::MAX` for none.
        pub column: u32,
        /// Floats of a unit's columns in one row.
        pub column_len: u32,
        /// Floats of a row.
        pub width: u32,
    }
}

/// The penalty of a cohort.
pub(super) struct GroupLasso {
    table: UnitTable,
    sums: Buffer,
    lambda: Buffer,
    roots: Buffer,
    /// Each tensor that shrinks, with its layer.
    tensors: Vec<(usize, ShrinkShape)>,
}

impl GroupLasso {
    /// A penalty of `lambdas[replica]` on the units of layers that learn; `learns` says which layers do.
    ///
    /// # Errors
    /// The device has no room.
    pub fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        lambdas: &[f32],
        learns: impl Fn(usize) -> bool,
    ) -> Result<Self, GpuError> {
        let model = &replicas.model;
        let layer_of = |tensor: usize| {
            let mut layers = model.layers.iter();
            layers.position(|l| l.tensors.contains(&tensor))
        };
        let learned = |m: &&Member| layer_of(m.tensor).is_some_and(&learns);
        let mut units: Vec<Vec<UnitFloats>> = Vec::new();
        let mut roots = Vec::new();
        let mut tensors: Vec<(usize, ShrinkShape)> = Vec::new();
        let structure = Structure::of(model);
        for group in structure.groups.iter().filter(|group| group.removable) {
            let members = group.producers.iter().chain(&group.readers);
            let members: Vec<&Member> = members.filter(learned).collect();
            let first = units.len() as u32;
            for member in &members {
                let layer = layer_of(member.tensor).unwrap_or_default();
                let shape = shape_of(&mut tensors, model, (layer, member.tensor));
                let run = member.run(model, 0);
                if member.dim == 0 {
                    (shape.row, shape.row_len) = (first, run.len as u32);
                } else {
                    (shape.column, shape.column_len) = (first, run.len as u32);
                }
            }
            for unit in 0..group.units {
                let runs: Vec<UnitFloats> = members.iter().map(|m| m.run(model, unit)).collect();
                let size: usize = runs.iter().map(|run| run.count()).sum();
                roots.push((size as f64).sqrt() as f32);
                units.push(runs);
            }
        }
        for (_, shape) in &mut tensors {
            shape.units = units.len() as u32;
        }
        Ok(Self {
            table: UnitTable::new(gpu, &units)?,
            sums: gpu.buffer(
                "norms of units",
                4 * u64::from(replicas.count) * units.len() as u64,
            )?,
            lambda: gpu.buffer_with("group lasso", lambdas)?,
            roots: gpu.buffer_with("sizes of units", &roots)?,
            tensors,
        })
    }

    /// Records the proximal step; `state` has the learning rates.
    ///
    /// # Errors
    /// The device refused a kernel or a buffer.
    pub fn record(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        state: &Buffer,
    ) -> Result<(), GpuError> {
        if self.table.units() == 0 {
            return Ok(());
        }
        program.place("units");
        let to = (&replicas.params, &self.sums);
        self.table
            .record_sums(gpu, program, UnitSum::Squares, replicas, to)?;
        for (layer, shape) in &self.tensors {
            program.place(&replicas.model.layers[*layer].name);
            let kernel = gpu.kernel("unit_shrink", &[])?;
            let buffers = [
                state,
                &self.lambda,
                &self.roots,
                &self.sums,
                &replicas.params,
            ];
            let count = u64::from(shape.count);
            program.moves(8 * count * u64::from(replicas.count));
            program.push(gpu, kernel, shape, &buffers, count, replicas.count)?;
        }
        Ok(())
    }
}

/// The entry of a tensor; a new one has no groups yet.
fn shape_of<'t>(
    tensors: &'t mut Vec<(usize, ShrinkShape)>,
    model: &Model,
    (layer, tensor): (usize, usize),
) -> &'t mut ShrinkShape {
    let tensor = &model.tensors[tensor];
    let offset = tensor.offset as u32;
    let place = tensors.iter().position(|(_, shape)| shape.offset == offset);
    let place = place.unwrap_or_else(|| {
        let shape = ShrinkShape {
            offset,
            count: tensor.count as u32,
            param_stride: model.floats as u32,
            row: NONE,
            row_len: 1,
            column: NONE,
            column_len: 1,
            width: (tensor.count / tensor.shape[0]) as u32,
            units: 0,
        };
        tensors.push((layer, shape));
        tensors.len() - 1
    });
    &mut tensors[place].1
}
