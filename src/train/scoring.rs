//! Forward and backward over batches for scores: what gradients add up to at the present weights, which stay as they are.

use super::error::TrainError;
use super::replicas::Replicas;
use super::state::ParamsShape;
use super::trainer::Trainer;
use crate::gpu::{Buffer, Gpu, GpuError, Observe, Program};
use crate::model::Tensor;
use crate::ops::Mode;

/// What is added up over the batches of a training, for each parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradientStatistic {
    /// The gradients.
    Gradients,
    /// Their squares, batch by batch.
    Squares,
    /// `-w g` of every step of the training itself, which updates the weights: movement (Sanh et al. 2020, equation 3, without
    /// the learning rate).
    Movement,
}

impl Trainer<'_> {
    /// Adds to `sums` (`[replica][float]`) what the batches of this training give, first to last, each the gradient of its mean
    /// loss: the samples that [`Trainer::train`] would draw. Dropout is off and batch normalisation uses the batch. Nothing
    /// changes but `sums`, except that [`GradientStatistic::Movement`] trains. Gradients of pruned weights are there too where the
    /// trainer was made with [`SparseRule::Never`](crate::ops::SparseRule). `observe` is as in [`Trainer::recalibrate`].
    ///
    /// # Errors
    /// The device failed, or `observe` stopped it.
    pub fn accumulate_gradients(
        &self,
        what: GradientStatistic,
        sums: &Buffer,
        observe: Observe<'_>,
    ) -> Result<(), TrainError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let trains = what == GradientStatistic::Movement;
        let mode = if trains {
            Mode::Training
        } else {
            Mode::Scoring
        };
        self.rewind()?;
        let before = copy_of(gpu, &r.params)?;
        let mut program = Program::new("scoring");
        self.record_passes(&mut program, mode)?;
        let kind = match what {
            GradientStatistic::Gradients => 0,
            GradientStatistic::Squares => 1,
            GradientStatistic::Movement => 2,
        };
        let kernel = ("gradient_accumulate", &[("KIND", kind)][..]);
        let buffers = [&r.params, &r.grads, sums];
        record_on_all(gpu, &mut program, r, kernel, &buffers)?;
        if trains {
            self.record_update(&mut program)?;
        }
        self.record_advance(&mut program, self.samples, self.steps as u32)?;
        // Running statistics move.
        self.run_scoring(&program, (!trains).then_some(&before), observe)
    }

    /// Runs `program` for every batch, and leaves the gradients 0 and the parameters as `before` has them, if they are to be.
    pub(super) fn run_scoring(
        &self,
        program: &Program,
        before: Option<&Buffer>,
        observe: Observe<'_>,
    ) -> Result<(), TrainError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let ran = gpu.run_repeated(program, self.steps, observe)?;
        if let Some(before) = before {
            gpu.copy(before, &r.params, 0, before.bytes())?;
        }
        // Dense gradients stand at pruned places, where the audit wants zeros.
        gpu.write(&r.grads, 0, &vec![0f32; r.count as usize * r.model.floats])?;
        if ran < self.steps {
            return Err(TrainError::Interrupted);
        }
        Ok(())
    }
}

/// A new buffer with the values of `from`, `[replica][float]`.
///
/// # Errors
/// The device failed or has no room.
pub fn copy_of(gpu: &Gpu, from: &Buffer) -> Result<Buffer, GpuError> {
    let to = gpu.buffer("weights put aside", from.bytes())?;
    gpu.copy(from, &to, 0, from.bytes())?;
    Ok(to)
}

/// The masks of all replicas with a 0 for everything that no mask applies to: biases and padding.
///
/// # Errors
/// The device failed.
pub fn weights_only(gpu: &Gpu, replicas: &Replicas) -> Result<Buffer, GpuError> {
    let model = &replicas.model;
    let mut weights = vec![0u32; model.mask_words()];
    for i in model
        .tensors
        .iter()
        .filter(|t| t.prunable)
        .flat_map(Tensor::range)
    {
        weights[i / 32] |= 1 << (i % 32);
    }
    let masks = replicas.read_masks(gpu)?;
    let words = masks
        .iter()
        .flat_map(|mask| mask.words().iter().zip(&weights));
    let masks: Vec<u32> = words.map(|(mask, weights)| mask & weights).collect();
    gpu.buffer_with("masks of weights", &masks)
}

/// L2 norm of each replica's values where `masks` has a 1: blocks of 1024 in f32 on the GPU, their sum in f64.
///
/// # Errors
/// The device failed.
pub fn norms(
    gpu: &Gpu,
    replicas: &Replicas,
    masks: &Buffer,
    values: &Buffer,
) -> Result<Vec<f64>, GpuError> {
    let shape = replicas.params_shape();
    let blocks = shape.quads.div_ceil(256) as usize;
    let count = replicas.count as usize;
    let parts = gpu.buffer("norm parts", (count * blocks * 4) as u64)?;
    let mut program = Program::new("norms");
    let kernel = gpu.kernel("gradient_norm", &[])?;
    let buffers = [values, masks, &parts];
    program.push(gpu, kernel, &shape, &buffers, blocks as u64, replicas.count)?;
    gpu.run(&program)?;
    let parts: Vec<f32> = gpu.read(&parts, 0, count * blocks)?;
    let squares = parts.chunks_exact(blocks);
    Ok(squares
        .map(|own| own.iter().map(|&x| f64::from(x)).sum::<f64>().sqrt())
        .collect())
}

/// `params = |base|` where `masks` has a 1, 0 elsewhere.
///
/// # Errors
/// The device failed.
pub(super) fn make_absolute(
    gpu: &Gpu,
    replicas: &Replicas,
    [masks, base]: [&Buffer; 2],
) -> Result<(), GpuError> {
    let mut program = Program::new("absolute values");
    let buffers = [masks, base, &replicas.params];
    record_on_all(
        gpu,
        &mut program,
        replicas,
        ("params_absolute", &[]),
        &buffers,
    )?;
    gpu.run(&program)
}

/// Records a kernel that goes over all parameters of all replicas.
pub(super) fn record_on_all(
    gpu: &Gpu,
    program: &mut Program,
    replicas: &Replicas,
    (kernel, constants): (&'static str, &[(&'static str, u32)]),
    buffers: &[&Buffer],
) -> Result<(), GpuError> {
    let shape: ParamsShape = replicas.params_shape();
    let kernel = gpu.kernel(kernel, constants)?;
    let quads = u64::from(shape.quads);
    program.push(gpu, kernel, &shape, buffers, quads, replicas.count)
}
