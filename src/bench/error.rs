//! What can end a benchmark.

use crate::gpu::GpuError;
use crate::prune::PruneError;
use crate::train::TrainError;

/// Why a benchmark did not finish.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The step could not be set up.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The masks could not be made.
    #[error(transparent)]
    Prune(#[from] PruneError),
}

impl BenchError {
    /// Whether a smaller cohort might do.
    pub(super) fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::Gpu(GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. })
                | Self::Train(TrainError::Gpu(
                    GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. }
                ))
                | Self::Prune(PruneError::Gpu(
                    GpuError::OutOfMemory { .. } | GpuError::TooLarge { .. }
                ))
        )
    }
}
