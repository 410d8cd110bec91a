//! Variants of the product kernels: register tiles, and the broadcast variant of software adapters. They change speed only: no
//! sum depends on them (design contract 3).

use super::SparseTile;
use crate::gpu::{AdapterDescription, Gpu, GpuError, Kernel};
use std::sync::Arc;

/// Which passes of masked layers run on the kept weights alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SparseRule {
    /// Where it is faster.
    Auto,
    /// Nowhere.
    Never,
    /// Everywhere.
    Always,
}

/// Which variant of the linear and convolution kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Outputs x vec4s of samples per invocation, forward and backward-data.
    pub data: (u32, u32),
    /// Outputs x inputs per invocation, backward-weight.
    pub weight: (u32, u32),
    /// Use the `*_broadcast` kernels, whose tiles are fixed; needs subgroups of 8.
    pub broadcast: bool,
    /// Tile of the sparse kernels.
    pub sparse: SparseTile,
    /// Which layers run sparse.
    pub density: SparseRule,
}

impl Default for Tiles {
    fn default() -> Self {
        Self {
            data: (8, 2),
            weight: (4, 4),
            broadcast: false,
            sparse: SparseTile(1),
            density: SparseRule::Auto,
        }
    }
}

/// Tile of the broadcast variants of forward and backward-data: rows x vec4s of samples; 8 lanes make a subgroup.
const BROADCAST_ROWS: u32 = 16;
/// Tile of the broadcast variants of backward-weight: outputs x inputs.
const BROADCAST_WEIGHT: (u32, u32) = (16, 4);
/// Below this many vec4s of samples most lanes of a broadcast subgroup would idle.
const BROADCAST_COLUMNS: u32 = 8;

impl Tiles {
    /// The variant for an adapter: broadcast on software adapters with subgroups of 8 (lavapipe), where a load costs some
    /// 30 cycles and a broadcast one or two; register tiles elsewhere.
    pub fn for_adapter(adapter: &AdapterDescription) -> Self {
        let software = adapter.kind == "software";
        Self {
            sparse: SparseTile(if software { 4 } else { 1 }),
            broadcast: adapter.kind == "software" && adapter.subgroup == Some(8),
            ..Self::default()
        }
    }

    /// The same without the broadcast variant.
    pub(super) fn plain(self) -> Self {
        Self {
            broadcast: false,
            ..self
        }
    }

    /// The kernel for `rows` outputs of `pixels` pixels and `columns` vec4s of samples, and its invocations.
    pub(super) fn data_kernel(
        &self,
        gpu: &Gpu,
        plain: &'static str,
        broadcast: &'static str,
        [rows, pixels, columns]: [u32; 3],
    ) -> Result<(Arc<Kernel>, u64), GpuError> {
        let (kernel, row_tiles, lanes) = if self.broadcast && columns >= BROADCAST_COLUMNS {
            let lanes = columns.next_multiple_of(8);
            (
                gpu.kernel(broadcast, &[])?,
                rows.div_ceil(BROADCAST_ROWS),
                lanes,
            )
        } else {
            let (r, c) = self.data;
            let kernel = gpu.kernel(plain, &[("ROWS", r), ("COLS", c)])?;
            (kernel, rows.div_ceil(r), columns.div_ceil(c))
        };
        Ok((
            kernel,
            u64::from(row_tiles) * u64::from(pixels) * u64::from(lanes),
        ))
    }

    /// The backward-weight kernel for `parts` parts of `rows` outputs x `taps` inputs, and its invocations.
    pub(super) fn weight_kernel(
        &self,
        gpu: &Gpu,
        plain: &'static str,
        broadcast: &'static str,
        [parts, rows, taps]: [u32; 3],
    ) -> Result<(Arc<Kernel>, u64), GpuError> {
        let (kernel, row_tiles, lanes) = if self.broadcast {
            let (r, c) = BROADCAST_WEIGHT;
            let lanes = taps.div_ceil(c).next_multiple_of(8);
            (gpu.kernel(broadcast, &[])?, rows.div_ceil(r), lanes)
        } else {
            let (r, c) = self.weight;
            let kernel = gpu.kernel(plain, &[("ROWS", r), ("COLS", c)])?;
            (kernel, rows.div_ceil(r), taps.div_ceil(c))
        };
        Ok((
            kernel,
            u64::from(parts) * u64::from(row_tiles) * u64::from(lanes),
        ))
    }
}
