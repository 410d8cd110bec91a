//! Where a cohort's kept weights stand, built on the GPU from its masks, and which passes run on them alone.

use super::replicas::Replicas;
use super::state::ParamsShape;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::ops::{
    ColumnsShape, Kept, PrefixShape, SparsePasses, SparseRule, TensorShape, Tiles, WeightGrid,
};

/// Below these densities the passes run sparse. Measured on lavapipe (docs/performance.md); no bit depends on them.
const FORWARD: f64 = 0.12;
const BACKWARD_DATA: f64 = 0.12;
const BACKWARD_WEIGHT: f64 = 0.08;
/// Below this density of the whole replica the optimizer walks the list of kept floats.
const OPTIMIZER: f64 = 0.5;

/// The kept floats of every replica, and what each layer does with them.
pub struct Sparsity {
    ranks: Buffer,
    list: Buffer,
    stride: u32,
    layers: Vec<Option<LayerSparsity>>,
    /// Whether the optimizer walks the list.
    optimizer: bool,
    /// Masked tensors whose dense backward-weight kernel leaves gradients at pruned places: (first quad, quads).
    strays: Vec<(u32, u32)>,
}

struct LayerSparsity {
    most: u32,
    taps: Buffer,
    starts: Buffer,
    entries: Buffer,
    column_stride: u32,
    passes: SparsePasses,
}

/// How many weights of a tensor the replicas keep.
struct Count {
    least: u32,
    most: u32,
}

impl Sparsity {
    /// Lists the kept floats of `replicas` by their masks; `None` where nothing is to run sparse. Nothing below layer
    /// `first_learning` needs a gradient.
    ///
    /// # Errors
    /// The device failed or has no room.
    pub fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        tiles: &Tiles,
        first_learning: usize,
    ) -> Result<Option<Self>, GpuError> {
        if tiles.density == SparseRule::Never {
            return Ok(None);
        }
        let model = &replicas.model;
        let words = model.mask_words();
        let shape = replicas.params_shape();
        let ranks = rank(gpu, replicas, &shape)?;
        let host: Vec<u32> = gpu.read(&ranks, 0, replicas.count as usize * (words + 1))?;
        let per_replica = || host.chunks_exact(words + 1);

        let stride = per_replica().map(|r| r[words]).max().unwrap_or(0);
        let optimizer = f64::from(stride) < OPTIMIZER * model.floats as f64
            || tiles.density == SparseRule::Always;
        let mut strays = Vec::new();
        let mut layers = Vec::new();
        for (i, layer) in model.layers.iter().enumerate() {
            let mut own = None;
            for tensor in &model.tensors[layer.tensors.clone()] {
                if !tensor.prunable {
                    continue;
                }
                // Padding counts as kept, and tensors start and end at whole words with it.
                let padded = tensor.count.next_multiple_of(crate::model::ALIGNMENT);
                let (first, last) = (tensor.offset / 32, (tensor.offset + padded) / 32);
                let padding = (padded - tensor.count) as u32;
                let kept = per_replica().map(|r| r[last] - r[first] - padding);
                let count = Count {
                    least: kept.clone().min().unwrap_or(0),
                    most: kept.max().unwrap_or(0),
                };
                let whole = tensor.count as u32;
                let masked = count.least < whole;
                let grid = layer.operator.weight_grid(layer.input);
                let passes = match grid {
                    Some(_) if masked => choose(tiles.density, &count, whole, i > first_learning),
                    _ => SparsePasses::default(),
                };
                if masked && !passes.backward_weight {
                    strays.push(((tensor.offset / 4) as u32, (padded / 4) as u32));
                }
                if let Some(grid) = grid.filter(|_| passes != SparsePasses::default()) {
                    let offset = tensor.offset as u32;
                    own = Some(layer_sparsity(
                        gpu, replicas, &grid, offset, count.most, passes,
                    )?);
                }
            }
            layers.push(own);
        }
        if !optimizer && layers.iter().all(Option::is_none) {
            return Ok(None);
        }
        let list = vec![u32::MAX; replicas.count as usize * stride as usize];
        let list = gpu.buffer_with("kept indices", &list)?;
        let mut program = Program::new("kept indices");
        let shape = ParamsShape {
            kept_stride: stride,
            ..shape
        };
        let kernel = gpu.kernel("kept_fill", &[])?;
        let buffers = [&replicas.masks, &ranks, &list];
        program.push(gpu, kernel, &shape, &buffers, words as u64, replicas.count)?;
        gpu.run(&program)?;
        Ok(Some(Self {
            ranks,
            list,
            stride,
            layers,
            optimizer,
            strays: if optimizer { strays } else { Vec::new() },
        }))
    }

    /// What layer `i` needs to run sparse, where some pass of it does.
    pub(super) fn kept<'a>(&'a self, replicas: &'a Replicas, i: usize) -> Option<Kept<'a>> {
        let layer = self.layers[i].as_ref()?;
        Some(Kept {
            masks: &replicas.masks,
            ranks: &self.ranks,
            list: &self.list,
            stride: self.stride,
            most: layer.most,
            taps: &layer.taps,
            starts: &layer.starts,
            entries: &layer.entries,
            column_stride: layer.column_stride,
            passes: layer.passes,
        })
    }

    /// The list for an optimizer that walks kept floats: the list and its length per replica.
    pub(super) fn optimizer_list(&self) -> Option<(&Buffer, u32)> {
        self.optimizer.then_some((&self.list, self.stride))
    }

    /// Records: gradients of pruned weights that dense kernels left behind become 0.
    pub(super) fn record_strays(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
    ) -> Result<(), GpuError> {
        for &(first, count) in &self.strays {
            let shape = TensorShape {
                first,
                count,
                quads: (replicas.model.floats / 4) as u32,
                mask_words: replicas.model.mask_words() as u32,
            };
            let kernel = gpu.kernel("gradient_mask", &[])?;
            let buffers = [&replicas.masks, &replicas.grads];
            let count = u64::from(count);
            program.push(gpu, kernel, &shape, &buffers, count, replicas.count)?;
        }
        Ok(())
    }
}

/// The passes of a layer that keeps `count` of `whole` weights.
fn choose(rule: SparseRule, count: &Count, whole: u32, needs_data: bool) -> SparsePasses {
    let density = f64::from(count.most) / f64::from(whole.max(1));
    let below = |most| rule == SparseRule::Always || density < most;
    SparsePasses {
        forward: below(FORWARD),
        backward_data: needs_data && below(BACKWARD_DATA),
        backward_weight: below(BACKWARD_WEIGHT),
    }
}

/// Kept floats before each mask word, and in all, `[replica][words + 1]`.
fn rank(gpu: &Gpu, replicas: &Replicas, shape: &ParamsShape) -> Result<Buffer, GpuError> {
    let words = shape.mask_words;
    let bytes = u64::from(replicas.count) * (u64::from(words) + 1) * 4;
    let ranks = gpu.buffer("ranks of kept weights", bytes)?;
    let mut program = Program::new("ranks of kept weights");
    let kernel = gpu.kernel("kept_count", &[])?;
    let buffers = [&replicas.masks, &ranks];
    program.push(
        gpu,
        kernel,
        shape,
        &buffers,
        u64::from(words),
        replicas.count,
    )?;
    record_prefix_sum(gpu, &mut program, &ranks, words, replicas.count)?;
    gpu.run(&program)?;
    Ok(ranks)
}

fn record_prefix_sum(
    gpu: &Gpu,
    program: &mut Program,
    counts: &Buffer,
    count: u32,
    replicas: u32,
) -> Result<(), GpuError> {
    let kernel = gpu.kernel("prefix_sum", &[])?;
    let shape = PrefixShape { count };
    program.push(gpu, kernel, &shape, &[counts], 1, replicas)
}

fn layer_sparsity(
    gpu: &Gpu,
    replicas: &Replicas,
    grid: &WeightGrid,
    offset: u32,
    most: u32,
    passes: SparsePasses,
) -> Result<LayerSparsity, GpuError> {
    let count = replicas.count;
    // Only convolutions read taps; only backward-data reads columns.
    let taps = if grid.kernel > 1 {
        grid.taps()
    } else {
        Vec::new()
    };
    let column_stride = if passes.backward_data { most } else { 0 };
    let starts = if passes.backward_data {
        u64::from(count) * (u64::from(grid.inputs) + 1) * 4
    } else {
        0
    };
    let layer = LayerSparsity {
        most,
        taps: gpu.buffer_with("taps", &taps)?,
        starts: gpu.buffer("columns of kept weights", starts)?,
        entries: gpu.buffer(
            "kept weights by column",
            u64::from(count) * u64::from(column_stride) * 4,
        )?,
        column_stride,
        passes,
    };
    if passes.backward_data {
        let shape = ColumnsShape {
            inputs: grid.inputs,
            outputs: grid.outputs,
            kernel: grid.kernel,
            weight_offset: offset,
            mask_words: replicas.model.mask_words() as u32,
            stride: column_stride,
        };
        let inputs = u64::from(grid.inputs);
        let mut program = Program::new("columns of kept weights");
        let kernel = gpu.kernel("column_count", &[])?;
        let buffers = [&replicas.masks, &layer.starts];
        program.push(gpu, kernel, &shape, &buffers, inputs, count)?;
        record_prefix_sum(gpu, &mut program, &layer.starts, grid.inputs, count)?;
        let kernel = gpu.kernel("column_fill", &[])?;
        let buffers = [&replicas.masks, &layer.starts, &layer.entries];
        program.push(gpu, kernel, &shape, &buffers, inputs, count)?;
        gpu.run(&program)?;
    }
    Ok(layer)
}
