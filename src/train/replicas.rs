//! The parameters and masks of several replicas on the GPU, outermost index the replica.

use super::state::{InitShape, ParamsShape, RandomKey};
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::{ALIGNMENT, Mask, Model};
use crate::ops::InitialValues;
use crate::spec::Init;
use std::sync::Arc;

/// A replica's weights and mask, off the GPU. Flat layouts as in [`Model::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// [`Model::floats`] values; padding is 0.
    pub weights: Vec<f32>,
    /// Which of them exist.
    pub mask: Mask,
}

/// Replicas of one model on the GPU.
pub struct Replicas {
    /// The model.
    pub model: Arc<Model>,
    /// How many.
    pub count: u32,
    /// Values `[replica][float]`.
    pub params: Buffer,
    /// Gradients, the same shape.
    pub grads: Buffer,
    /// Bit masks `[replica][word]`; behind them room for what an optimizer may do to which parameters (`param_flags.rs`).
    pub masks: Buffer,
    /// One [`RandomKey`] per replica.
    pub keys: Buffer,
}

impl Replicas {
    /// Room for `keys.len()` replicas, zero weights, full masks.
    ///
    /// # Errors
    /// Too large for a binding, or out of memory.
    pub fn new(gpu: &Gpu, model: Arc<Model>, keys: &[RandomKey]) -> Result<Self, GpuError> {
        let count = keys.len() as u64;
        let flat = count * model.floats as u64 * 4;
        let words = keys.len() * model.mask_words() + model.floats / ALIGNMENT;
        let words = vec![u32::MAX; words];
        Ok(Self {
            params: gpu.buffer("parameters", flat)?,
            grads: gpu.buffer("gradients", flat)?,
            masks: gpu.buffer_with("masks", &words)?,
            keys: gpu.buffer_with("random keys", keys)?,
            count: keys.len() as u32,
            model,
        })
    }

    pub(crate) fn params_shape(&self) -> ParamsShape {
        ParamsShape {
            quads: (self.model.floats / 4) as u32,
            mask_words: self.model.mask_words() as u32,
            kept_stride: 0,
            flags: self.count * self.model.mask_words() as u32,
        }
    }

    /// Writes snapshots, one per replica, in order.
    ///
    /// # Errors
    /// The device failed.
    pub fn upload(&self, gpu: &Gpu, snapshots: &[&Snapshot]) -> Result<(), GpuError> {
        for (slot, snapshot) in snapshots.iter().enumerate() {
            self.upload_one(gpu, slot, snapshot)?;
        }
        Ok(())
    }

    /// Writes one replica.
    pub(crate) fn upload_one(
        &self,
        gpu: &Gpu,
        slot: usize,
        snapshot: &Snapshot,
    ) -> Result<(), GpuError> {
        let first = (slot * self.model.floats) as u64;
        gpu.write(&self.params, first * 4, &snapshot.weights)?;
        self.write_mask(gpu, slot, &snapshot.mask)
    }

    /// Writes the mask of one replica.
    pub(super) fn write_mask(&self, gpu: &Gpu, slot: usize, mask: &Mask) -> Result<(), GpuError> {
        let first = (slot * self.model.mask_words()) as u64;
        gpu.write(&self.masks, first * 4, mask.words())
    }

    /// Gives every replica its mask of these; weights outside it become 0.
    ///
    /// # Errors
    /// The device failed.
    pub fn set_masks(&self, gpu: &Gpu, masks: &[Mask]) -> Result<(), GpuError> {
        for (slot, mask) in masks.iter().enumerate() {
            self.write_mask(gpu, slot, mask)?;
        }
        self.apply_masks(gpu)
    }

    /// Reads every replica's mask back.
    ///
    /// # Errors
    /// The device failed.
    pub fn read_masks(&self, gpu: &Gpu) -> Result<Vec<Mask>, GpuError> {
        let slots = 0..self.count as usize;
        slots.map(|slot| self.read_mask(gpu, slot)).collect()
    }

    pub(super) fn read_mask(&self, gpu: &Gpu, slot: usize) -> Result<Mask, GpuError> {
        let words = self.model.mask_words();
        let found = gpu.read(&self.masks, (slot * words * 4) as u64, words)?;
        Ok(Mask::from_words(found))
    }

    /// Reads every replica's weights back.
    ///
    /// # Errors
    /// The device failed.
    pub fn read_weights(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>, GpuError> {
        let floats = self.model.floats;
        let first = |slot: u64| slot * floats as u64 * 4;
        let slots = 0..u64::from(self.count);
        slots
            .map(|slot| gpu.read(&self.params, first(slot), floats))
            .collect()
    }

    /// The share of its prunable weights that each replica keeps.
    ///
    /// # Errors
    /// The device failed.
    pub fn densities(&self, gpu: &Gpu) -> Result<Vec<f64>, GpuError> {
        let masks = self.read_masks(gpu)?;
        Ok(masks.iter().map(|m| m.density(&self.model)).collect())
    }

    /// Reads every replica back.
    ///
    /// # Errors
    /// The device failed.
    pub fn download(&self, gpu: &Gpu) -> Result<Vec<Snapshot>, GpuError> {
        let pairs = self
            .read_weights(gpu)?
            .into_iter()
            .zip(self.read_masks(gpu)?);
        Ok(pairs
            .map(|(weights, mask)| Snapshot { weights, mask })
            .collect())
    }

    /// Draws initial weights by each replica's key, then applies the masks.
    ///
    /// # Errors
    /// The device failed.
    pub fn initialise(&self, gpu: &Gpu) -> Result<(), GpuError> {
        let mut program = Program::new("initialise");
        for (number, tensor) in self.model.tensors.iter().enumerate() {
            let fan_in = tensor.fan_in as f64;
            let fans = fan_in + tensor.fan_out as f64;
            let (kind, scale) = match (tensor.start, self.model.init) {
                (InitialValues::Constant(value), _) => (0, f64::from(value)),
                // Only PyTorch's default draws biases too.
                (InitialValues::Drawn, Init::Pytorch) => (1, 1.0 / fan_in.sqrt()),
                _ if !tensor.prunable => (0, 0.0),
                (InitialValues::Drawn, Init::KaimingUniform) => (1, (6.0 / fan_in).sqrt()),
                (InitialValues::Drawn, Init::KaimingNormal) => (2, (2.0 / fan_in).sqrt()),
                (InitialValues::Drawn, Init::GlorotUniform) => (1, (6.0 / fans).sqrt()),
                (InitialValues::Drawn, Init::GlorotNormal) => (2, (2.0 / fans).sqrt()),
            };
            let shape = InitShape {
                offset: tensor.offset as u32,
                count: tensor.count as u32,
                kind,
                tensor: number as u32,
                scale: scale as f32,
                param_stride: self.model.floats as u32,
            };
            let kernel = gpu.kernel("params_init", &[])?;
            let buffers = [&self.keys, &self.params];
            let count = tensor.count as u64;
            program.push(gpu, kernel, &shape, &buffers, count, self.count)?;
        }
        self.record_mask_apply(gpu, &mut program, &self.params)?;
        gpu.run(&program)
    }

    /// Zeroes every pruned weight.
    pub(crate) fn apply_masks(&self, gpu: &Gpu) -> Result<(), GpuError> {
        let mut program = Program::new("mask apply");
        self.record_mask_apply(gpu, &mut program, &self.params)?;
        gpu.run(&program)
    }

    /// Records: `values` (`[replica][float]`) become 0 wherever the masks have a 0.
    pub(crate) fn record_mask_apply(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        values: &Buffer,
    ) -> Result<(), GpuError> {
        let shape = self.params_shape();
        let kernel = gpu.kernel("mask_apply", &[])?;
        let buffers = [&self.masks, values];
        program.push(
            gpu,
            kernel,
            &shape,
            &buffers,
            u64::from(shape.quads),
            self.count,
        )
    }
}
