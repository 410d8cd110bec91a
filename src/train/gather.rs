//! Brings a batch's images in: normalised, and in training augmented.

use super::augment::{AugmentDraw, AugmentedGather};
use super::replicas::Replicas;
use super::resident::{ResidentDataset, ResidentSplit};
use super::state::Gather;
use super::workspace::Workspace;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::ops::Window;
use crate::spec::{Augment, Fill};

/// From where to where.
pub(super) struct Batch<'a> {
    pub gpu: &'a Gpu,
    pub data: &'a ResidentDataset,
    pub split: &'a ResidentSplit,
    pub scales: &'a Buffer,
    pub replicas: &'a Replicas,
    pub workspace: &'a Workspace,
}

impl Batch<'_> {
    /// Records how each sample of the batch that was drawn is to be warped.
    pub fn record_warps(&self, program: &mut Program, augment: &Augment) -> Result<(), GpuError> {
        let (gpu, data, w) = (self.gpu, self.data, self.workspace);
        let draw = AugmentDraw::new(augment, w.slots(), data.width, data.height);
        let buffers = [&self.replicas.keys, &w.state, &w.index, &w.warps];
        let kernel = gpu.kernel("augment_draw", &[])?;
        let count = u64::from(draw.slots);
        program.moves(36 * count * u64::from(self.replicas.count));
        program.push(gpu, kernel, &draw, &buffers, count, self.replicas.count)
    }

    /// Records the gather of a window of the samples that were drawn, once for each part of the images.
    pub fn record(
        &self,
        program: &mut Program,
        window: Window,
        augment: Option<&Augment>,
    ) -> Result<(), GpuError> {
        let (gpu, data, w) = (self.gpu, self.data, self.workspace);
        let replicas = self.replicas.count;
        let count = u64::from(data.words) * u64::from(window.columns);
        // Bytes in, floats out; as if the batch lay in this part of the images.
        let samples = 4 * u64::from(window.columns) * u64::from(replicas);
        let bytes = samples * 4 * u64::from(data.words + data.features);
        let Some(augment) = augment else {
            let kernel = gpu.kernel("batch_gather", &[])?;
            for part in &self.split.parts {
                let gather = Gather {
                    features: data.features,
                    words: data.words,
                    plane: data.width * data.height,
                    columns: window.columns,
                    first_column: window.first,
                    batch_columns: window.batch,
                    first: part.first,
                    samples: part.count,
                };
                let buffers = [&part.images, self.scales, &w.index, w.input()];
                program.moves(bytes);
                program.push(gpu, kernel.clone(), &gather, &buffers, count, replicas)?;
            }
            return Ok(());
        };
        let smooth = u32::from(augment.resamples());
        let kernel = gpu.kernel("batch_gather_augmented", &[("SMOOTH", smooth)])?;
        for part in &self.split.parts {
            let gather = AugmentedGather {
                features: data.features,
                words: data.words,
                width: data.width,
                height: data.height,
                columns: window.columns,
                first_column: window.first,
                batch_columns: window.batch,
                first: part.first,
                samples: part.count,
                edge: u32::from(augment.fill == Fill::Edge),
                cutout: augment.cutout,
            };
            let buffers = [&part.images, self.scales, &w.index, &w.warps, w.input()];
            program.moves(bytes + 32 * samples);
            program.push(gpu, kernel.clone(), &gather, &buffers, count, replicas)?;
        }
        Ok(())
    }
}
