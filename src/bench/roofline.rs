//! The least time that a recorded step could take on this adapter: its roofline (Williams, Waterman and Patterson 2009).

use super::ceilings::Ceilings;
use crate::gpu::{KernelWork, ProgramPart};
use crate::model::Model;
use serde::{Deserialize, Serialize};

/// What a step has to do, all replicas together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepWork {
    /// Floating-point operations of its products: two per multiply-add, of the weights that its kernels visit.
    pub flops: u64,
    /// Bytes moved: each array once where a dispatch reads it and once where one writes it.
    pub bytes: u64,
}

/// The floor of a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// Floating-point operations of all products.
    pub flops: u64,
    /// Bytes that all dispatches move.
    pub bytes: u64,
    /// Seconds that the operations take at the ceiling of multiply-adds.
    pub multiply_seconds: f64,
    /// Seconds that the bytes take at the ceiling of copying.
    pub move_seconds: f64,
    /// The larger of the two: no step that does this work takes less, unless its arrays stay in a cache.
    pub floor_seconds: f64,
    /// Of the step's own time.
    pub share_of_roofline: f64,
}

impl StepWork {
    /// Counts the dispatches of a step of `model` that trains `replicas` on `batch` samples each.
    ///
    /// A recorder says of a product how much it multiplies and of everything else how much it moves, so what products move is
    /// counted here: the weights that they visit, a layer's inputs and its outputs. That is the same in all three passes.
    pub fn of(parts: &[ProgramPart], model: &Model, batch: u32, replicas: u32) -> Self {
        let mut sum = Self::default();
        // Padded as on the GPU.
        let samples = u64::from(batch.next_multiple_of(4)) * u64::from(replicas);
        for part in parts {
            match part.work {
                Some(KernelWork::Flops(flops)) => {
                    sum.flops += flops;
                    sum.bytes += operand_bytes(model, &part.place, flops, samples, replicas);
                }
                Some(KernelWork::Bytes(bytes)) => sum.bytes += bytes,
                None => {}
            }
        }
        sum
    }

    /// The floor by these ceilings, of a step that takes `seconds`.
    pub fn roofline(&self, ceilings: &Ceilings, seconds: f64) -> Roofline {
        let multiply_seconds = self.flops as f64 / (1e9 * ceilings.gflop_per_second);
        let move_seconds = self.bytes as f64 / (1e9 * ceilings.gb_per_second);
        let floor_seconds = multiply_seconds.max(move_seconds);
        Roofline {
            flops: self.flops,
            bytes: self.bytes,
            multiply_seconds,
            move_seconds,
            floor_seconds,
            share_of_roofline: floor_seconds / seconds,
        }
    }
}

/// Bytes of the three arrays of one pass of this layer that multiplies `flops`; 0 of what is no layer.
fn operand_bytes(model: &Model, layer: &str, flops: u64, samples: u64, replicas: u32) -> u64 {
    let Some(layer) = model.layers.iter().find(|at| at.name == layer) else {
        return 0;
    };
    let dense = 2 * layer.operator.multiply_adds(layer.input) * samples;
    if dense == 0 {
        return 0;
    }
    // Every weight takes part in as many multiply-adds as any other, so their share is that of the weights visited.
    let visited = flops as f64 / dense as f64;
    let tensors = &model.tensors[layer.tensors.clone()];
    let weights: usize = tensors.iter().filter(|t| t.prunable).map(|t| t.count).sum();
    let weights = (visited * weights as f64 * f64::from(replicas)).round() as u64;
    let values = (layer.input.features() + layer.output.features()) as u64 * samples;
    4 * (weights + values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILINGS: Ceilings = Ceilings {
        gflop_per_second: 100.0,
        gb_per_second: 10.0,
        copy_bytes: 0,
        cores_used: None,
    };

    #[test]
    fn the_floor_is_the_slower_of_the_two_ceilings() {
        let work = StepWork {
            flops: 1_000_000_000,
            bytes: 200_000_000,
        };
        let of = work.roofline(&CEILINGS, 0.04);
        assert_eq!((of.flops, of.bytes), (work.flops, work.bytes));
        assert!((of.multiply_seconds - 0.01).abs() < 1e-12);
        assert!((of.move_seconds - 0.02).abs() < 1e-12);
        assert_eq!(of.floor_seconds, of.move_seconds);
        assert!((of.share_of_roofline - 0.5).abs() < 1e-12);
        let work = StepWork { bytes: 0, ..work };
        let of = work.roofline(&CEILINGS, 0.04);
        assert_eq!(of.floor_seconds, of.multiply_seconds);
        assert!((of.share_of_roofline - 0.25).abs() < 1e-12);
    }
}
