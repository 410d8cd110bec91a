//! Where a cohort's kept weights stand, listed on the GPU from its masks.

use super::replicas::Replicas;
use super::state::ParamsShape;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::Model;
use crate::ops::{
    ColumnsShape, KeptLists, PrefixShape, SparseRule, TensorShape, Variants, WeightGrid,
};

/// Below this density of the whole replica, and of itself, a masked layer may be faster sparse; nothing else is listed.
const LISTED: f64 = 0.5;
/// Below this density of the whole replica the optimizer walks the list of kept floats: on lavapipe 20 ns for each, where
/// walking all takes 3 ns for each.
const OPTIMIZER: f64 = 0.15;

/// The kept floats of every replica, by row and by column.
pub struct Sparsity {
    ranks: Buffer,
    list: Buffer,
    /// Kept floats of all replicas.
    floats: u64,
    stride: u32,
    layers: Vec<LayerSparsity>,
    /// Whether the optimizer walks the list.
    optimizer: bool,
    /// Writes all lists anew, for masks that keep as many weights in each layer.
    fill: Program,
}

/// The weight tensor of a layer.
#[derive(Default)]
struct LayerSparsity {
    /// The masked tensor in quads: first, count; `None` where every replica keeps all of it.
    masked: Option<(u32, u32)>,
    /// Weights that are kept, all replicas together.
    kept: u64,
    /// The lists, where the layer may run sparse.
    lists: Option<Lists>,
}

struct Lists {
    most: u32,
    density: f64,
    taps: Buffer,
    starts: Buffer,
    entries: Buffer,
    column_stride: u32,
}

impl Sparsity {
    /// Lists the kept floats of `replicas` by their masks; `None` where nothing may run sparse. `needs_data`
    /// says of which layers' inputs the gradient is needed.
    ///
    /// # Errors
    /// The device failed or has no room.
    pub fn new(
        gpu: &Gpu,
        replicas: &Replicas,
        rule: SparseRule,
        needs_data: impl Fn(usize) -> bool,
    ) -> Result<Option<Self>, GpuError> {
        if rule == SparseRule::Never {
            return Ok(None);
        }
        let always = rule == SparseRule::Always;
        let model = &replicas.model;
        let words = model.mask_words();
        let shape = replicas.params_shape();
        let bytes = u64::from(replicas.count) * (words as u64 + 1) * 4;
        let ranks = gpu.buffer("ranks of kept weights", bytes)?;
        let mut ranking = Program::new("ranks of kept weights");
        record_ranks(gpu, &mut ranking, replicas, &ranks)?;
        gpu.run(&ranking)?;
        let host: Vec<u32> = gpu.read(&ranks, 0, replicas.count as usize * (words + 1))?;
        let per_replica = || host.chunks_exact(words + 1);

        let stride = per_replica().map(|r| r[words]).max().unwrap_or(0);
        if !always && f64::from(stride) >= LISTED * model.floats as f64 {
            return Ok(None);
        }
        let optimizer = always || f64::from(stride) < OPTIMIZER * model.floats as f64;
        let mut fill = Program::new("lists of kept weights");
        record_ranks(gpu, &mut fill, replicas, &ranks)?;
        let mut layers = Vec::new();
        for (i, layer) in model.layers.iter().enumerate() {
            let mut own = LayerSparsity::default();
            let tensors = &model.tensors[layer.tensors.clone()];
            if let Some(tensor) = tensors.iter().find(|t| t.prunable) {
                // Padding counts as kept, and tensors start and end at whole words with it.
                let padded = tensor.count.next_multiple_of(crate::model::ALIGNMENT);
                let (first, last) = (tensor.offset / 32, (tensor.offset + padded) / 32);
                let padding = (padded - tensor.count) as u32;
                // The no-op device has counted nothing, padding neither.
                let kept = per_replica().map(|r| (r[last] - r[first]).saturating_sub(padding));
                own.kept = kept.clone().map(u64::from).sum();
                let least = kept.clone().min().unwrap_or(0);
                let most = kept.max().unwrap_or(0);
                let density = f64::from(most) / tensor.count as f64;
                if (least as usize) < tensor.count {
                    own.masked = Some(((tensor.offset / 4) as u32, (padded / 4) as u32));
                }
                let grid = layer.operator.weight_grid(layer.input);
                let listed = own.masked.is_some() && (always || density < LISTED);
                if let Some(grid) = grid.filter(|_| listed) {
                    let offset = tensor.offset as u32;
                    let columns = needs_data(i);
                    let lists = lists(gpu, &mut fill, replicas, &grid, (offset, most), columns)?;
                    own.lists = Some(lists);
                }
            }
            layers.push(own);
        }
        if !optimizer && layers.iter().all(|l| l.lists.is_none()) {
            return Ok(None);
        }
        let floats = per_replica().map(|r| u64::from(r[words])).sum();
        let listed = replicas.count as usize * stride as usize;
        // Behind the list there is room for flags, as behind the masks.
        let list = vec![u32::MAX; listed + model.floats / crate::model::ALIGNMENT];
        let list = gpu.buffer_with("kept indices", &list)?;
        let shape = ParamsShape {
            kept_stride: stride,
            ..shape
        };
        let kernel = gpu.kernel("kept_fill", &[])?;
        let buffers = [&replicas.masks, &ranks, &list];
        fill.push(gpu, kernel, &shape, &buffers, words as u64, replicas.count)?;
        gpu.run(&fill)?;
        Ok(Some(Self {
            ranks,
            list,
            floats,
            stride,
            layers,
            optimizer,
            fill,
        }))
    }

    /// Lists the weights anew, under other masks of which each keeps as many in every layer as before.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn refill(&self, gpu: &Gpu) -> Result<(), GpuError> {
        gpu.run(&self.fill)
    }

    /// The largest share of its weights that layer `i` keeps in any replica, where it may run sparse.
    pub(super) fn density(&self, i: usize) -> Option<f64> {
        self.layers[i].lists.as_ref().map(|lists| lists.density)
    }

    /// What layer `i` needs to run sparse, where it may.
    pub(super) fn kept<'a>(&'a self, replicas: &'a Replicas, i: usize) -> Option<KeptLists<'a>> {
        let lists = self.layers[i].lists.as_ref()?;
        Some(KeptLists {
            masks: &replicas.masks,
            ranks: &self.ranks,
            list: &self.list,
            stride: self.stride,
            most: lists.most,
            total: self.layers[i].kept,
            taps: &lists.taps,
            starts: &lists.starts,
            entries: &lists.entries,
            column_stride: lists.column_stride,
        })
    }

    /// The list for an optimizer that walks kept floats: the list and its length per replica.
    pub(super) fn optimizer_list(&self) -> Option<(&Buffer, u32)> {
        self.optimizer.then_some((&self.list, self.stride))
    }

    /// Kept floats of all replicas, biases and padding counted.
    pub(super) fn floats(&self) -> u64 {
        self.floats
    }

    /// Records, where the optimizer walks the list: the gradients that dense backward-weight kernels leave at pruned places
    /// become 0.
    pub(super) fn record_strays(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        replicas: &Replicas,
        variants: &[Variants],
    ) -> Result<(), GpuError> {
        let layers = self.layers.iter().zip(&replicas.model.layers);
        let unlisted = layers
            .zip(variants)
            .filter(|(_, v)| self.optimizer && !v.backward_weight.is_sparse())
            .filter_map(|((own, layer), _)| Some((&layer.name, own.masked?, own.kept)));
        for (layer, (first, count), kept) in unlisted {
            program.place(layer);
            let shape = TensorShape {
                first,
                count,
                quads: (replicas.model.floats / 4) as u32,
                mask_words: replicas.model.mask_words() as u32,
            };
            let kernel = gpu.kernel("gradient_mask", &[])?;
            let buffers = [&replicas.masks, &replicas.grads];
            let count = u64::from(count);
            let weights = 4 * count * u64::from(replicas.count);
            // Mask bits, and the gradients that are read and cleared.
            program.moves(weights / 8 + 8 * weights.saturating_sub(kept));
            program.push(gpu, kernel, &shape, &buffers, count, replicas.count)?;
        }
        Ok(())
    }
}

/// (name, words per replica) of the lists of a model whose layers all keep `density` of their weights, for
/// [`Memory::plan`](super::Memory::plan).
pub(super) fn planned_lists(model: &Model, density: f64) -> Vec<(String, u64)> {
    if density >= LISTED {
        return Vec::new();
    }
    let kept = |count: usize| (count as f64 * density).ceil() as u64;
    let rest = (model.floats - model.prunable()) as u64;
    let mut columns = 0;
    let learning = model.layers.iter().filter(|l| !l.tensors.is_empty());
    // The gradient of the first one's input is not needed.
    for layer in learning.skip(1) {
        let tensors = &model.tensors[layer.tensors.clone()];
        let grid = layer.operator.weight_grid(layer.input);
        if let (Some(grid), Some(tensor)) = (grid, tensors.iter().find(|t| t.prunable)) {
            columns += u64::from(grid.inputs) + 1 + kept(tensor.count);
        }
    }
    vec![
        (
            "ranks of kept weights".to_owned(),
            model.mask_words() as u64 + 1,
        ),
        ("kept indices".to_owned(), kept(model.prunable()) + rest),
        ("kept weights by column".to_owned(), columns),
    ]
}

/// Records: kept floats before each mask word, and in all, `[replica][words + 1]`.
fn record_ranks(
    gpu: &Gpu,
    program: &mut Program,
    replicas: &Replicas,
    ranks: &Buffer,
) -> Result<(), GpuError> {
    let shape = replicas.params_shape();
    let kernel = gpu.kernel("kept_count", &[])?;
    let buffers = [&replicas.masks, ranks];
    let words = u64::from(shape.mask_words);
    program.push(gpu, kernel, &shape, &buffers, words, replicas.count)?;
    record_prefix_sum(gpu, program, ranks, shape.mask_words, replicas.count)
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

/// Room for a layer's lists, of at most `most` weights per replica, and in `program` what fills them.
fn lists(
    gpu: &Gpu,
    program: &mut Program,
    replicas: &Replicas,
    grid: &WeightGrid,
    (offset, most): (u32, u32),
    columns: bool,
) -> Result<Lists, GpuError> {
    let count = replicas.count;
    let column_stride = if columns { most } else { 0 };
    let starts = if columns { grid.inputs + 1 } else { 0 };
    let words = |per_replica: u32| u64::from(count) * u64::from(per_replica) * 4;
    let lists = Lists {
        most,
        density: f64::from(most) / f64::from(grid.weights().max(1)),
        // Convolutions read them, also those of 1x1; linear layers do not, and have few.
        taps: gpu.buffer_with("taps", &grid.taps())?,
        starts: gpu.buffer("columns of kept weights", words(starts))?,
        entries: gpu.buffer("kept weights by column", words(column_stride))?,
        column_stride,
    };
    if columns {
        let shape = ColumnsShape {
            inputs: grid.inputs,
            outputs: grid.outputs,
            kernel: grid.kernel,
            weight_offset: offset,
            mask_words: replicas.model.mask_words() as u32,
            stride: column_stride,
        };
        let inputs = u64::from(grid.inputs);
        let kernel = gpu.kernel("column_count", &[])?;
        let buffers = [&replicas.masks, &lists.starts];
        program.push(gpu, kernel, &shape, &buffers, inputs, count)?;
        record_prefix_sum(gpu, program, &lists.starts, grid.inputs, count)?;
        let kernel = gpu.kernel("column_fill", &[])?;
        let buffers = [&replicas.masks, &lists.starts, &lists.entries];
        program.push(gpu, kernel, &shape, &buffers, inputs, count)?;
    }
    Ok(lists)
}
