//! The kernel that runs a pass as a variant says, and its invocations.

use super::operator::LayerContext;
use super::variants::{DATA_TILE, KernelVariant, WEIGHT_TILE};
use crate::gpu::{AdapterKind, Gpu, GpuError, Kernel};
use std::sync::Arc;

/// Inputs per invocation of the broadcast variants of backward-weight.
const BROADCAST_INPUTS: u32 = 4;
/// Below this many vec4s of samples most lanes of a broadcast subgroup would idle.
const BROADCAST_COLUMNS: u32 = 8;

/// Rows per invocation of the broadcast variants: the 8 lanes of a subgroup load one or two each.
fn broadcast_rows(rows: u32) -> u32 {
    if rows <= 8 { 8 } else { 16 }
}

/// The broadcast variant of a pass that makes values, as it suits a layer.
#[derive(Clone, Debug)]
pub(super) struct Broadcast {
    pub(super) kernel: &'static str,
    /// Its constants beside `ROWS`.
    pub(super) constants: Vec<(&'static str, u32)>,
}

/// The kernels of one pass.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) plain: &'static str,
    pub(super) workgroup: Option<&'static str>,
    pub(super) parts: Option<&'static str>,
    pub(super) sparse: &'static str,
    pub(super) sparse_broadcast: &'static str,
}

/// Rows of a workgroup of the `*_parts` kernels.
const PARTS_ROWS: u32 = 4;
/// How many invocations of such a workgroup may work on one part.
const PARTS_LANES: std::ops::RangeInclusive<u32> = 8..=32;

/// Rows of invocations in a workgroup of the `*_workgroup` kernels, and columns.
const WORKGROUP: u32 = 16;

/// vec4s of samples per invocation of kernels that do little with each. Software adapters spend most on index arithmetic,
/// which columns share; hardware wants the invocations.
pub(super) fn columns_per_invocation(gpu: &Gpu) -> u32 {
    if gpu.adapter().kind == AdapterKind::Software {
        4
    } else {
        HARDWARE_COLUMNS
    }
}

/// Invocations that play the 256 lanes of a workgroup, where a kernel has them. Software adapters take microseconds for each subgroup at a
/// barrier, so one plays all of them there.
pub(super) fn width(gpu: &Gpu) -> (&'static str, u32) {
    let software = gpu.adapter().kind == AdapterKind::Software;
    ("WIDTH", if software { 8 } else { LANES })
}

/// Lanes of such a workgroup, which its invocations are counted as.
pub(super) const LANES: u32 = 256;

/// [`columns_per_invocation`] of hardware.
pub(super) const HARDWARE_COLUMNS: u32 = 1;

/// A kernel and its constants.
pub(super) type Tiled = (&'static str, Vec<(&'static str, u32)>);

/// Forward and backward-data through workgroup memory, in parts, or in register tiles.
pub(super) fn data_tile(variant: KernelVariant, names: Names) -> Tiled {
    match (variant, names.workgroup, names.parts) {
        (KernelVariant::Workgroup(r, c), Some(name), _) => {
            let constants = [("ROWS", r), ("COLS", c), ("DEPTH", workgroup_depth(r, c))];
            (name, constants.to_vec())
        }
        (KernelVariant::Parts, _, Some(name)) => (name, vec![("ROWS", PARTS_ROWS)]),
        _ => {
            let (r, c) = tile_of(variant, DATA_TILE);
            (names.plain, vec![("ROWS", r), ("COLS", c)])
        }
    }
}

/// Likewise backward-weight.
pub(super) fn weight_tile(variant: KernelVariant, names: Names) -> Tiled {
    match (variant, names.workgroup) {
        (KernelVariant::Workgroup(r, c), Some(name)) => {
            let constants = [("ROWS", r), ("COLS", c), ("DEPTH", weight_depth(r, c))];
            (name, constants.to_vec())
        }
        _ => {
            let (r, c) = tile_of(variant, WEIGHT_TILE);
            (names.plain, vec![("ROWS", r), ("COLS", c)])
        }
    }
}

/// Forward and backward-data on kept weights alone, without subgroups.
pub(super) fn sparse_tile(variant: KernelVariant, names: Names) -> Tiled {
    let tile = match variant {
        KernelVariant::Sparse(tile) | KernelVariant::SparseBroadcast(tile) => tile,
        _ => 1,
    };
    (names.sparse, vec![("COLS", tile)])
}

/// Invocations in a workgroup of the kernels that `shaders/shared/spread.wgsl` spreads.
const WAVE: u32 = 32;

/// The constant that says whether workgroups stand in one row of tiles each, see `shaders/shared/spread.wgsl`, and the invocations of such a row
/// of `columns` vec4s, `c` in an invocation. They do where no more than a quarter of their invocations would idle.
fn spread(columns: u32, c: u32) -> ((&'static str, u32), u32) {
    let wide = 4 * columns >= 3 * columns.next_multiple_of(WAVE * c);
    let lanes = if wide {
        columns.div_ceil(WAVE * c) * WAVE
    } else {
        columns.div_ceil(c)
    };
    (("WIDE", u32::from(wide)), lanes)
}

/// A dense kernel for `rows` outputs of `pixels` pixels and `columns` vec4s of samples, and its invocations. `broadcast` is the
/// variant of that kind, if one suits the shape, and `of_shape` are the constants that the shape asks for.
pub(super) fn data_kernel(
    gpu: &Gpu,
    variant: KernelVariant,
    names: Names,
    [rows, pixels, columns]: [u32; 3],
    broadcast: Option<&Broadcast>,
    of_shape: &[(&'static str, u32)],
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let of_kernel = |name, tile: &[_]| gpu.kernel(name, &[tile, of_shape].concat());
    let broadcast = broadcast.filter(|_| columns >= BROADCAST_COLUMNS);
    let (kernel, row_tiles, lanes) = match (variant, broadcast, names.workgroup, names.parts) {
        (KernelVariant::Parts, _, _, Some(_)) => {
            let (name, constants) = data_tile(variant, names);
            let lanes = columns.next_power_of_two();
            let lanes = lanes.clamp(*PARTS_LANES.start(), *PARTS_LANES.end());
            let constants = [&constants[..], &[("LANES", lanes)]].concat();
            let kernel = of_kernel(name, &constants)?;
            let groups = columns.div_ceil(lanes);
            let workgroup = kernel.workgroup;
            (kernel, rows.div_ceil(PARTS_ROWS), groups * workgroup)
        }
        (KernelVariant::Broadcast, Some(broadcast), ..) => {
            let r = broadcast_rows(rows);
            let constants = [&[("ROWS", r)], &broadcast.constants[..]].concat();
            let kernel = of_kernel(broadcast.kernel, &constants)?;
            (kernel, rows.div_ceil(r), columns.next_multiple_of(8))
        }
        (KernelVariant::Workgroup(r, c), _, Some(_), _) => {
            let (name, constants) = data_tile(variant, names);
            let kernel = of_kernel(name, &constants)?;
            let (row_tiles, lanes) = workgroup_tiles((r, c), [rows, columns]);
            (kernel, row_tiles, lanes)
        }
        _ => {
            let (r, c) = tile_of(variant, DATA_TILE);
            let (name, constants) = data_tile(variant, names);
            let (wide, lanes) = spread(columns, c);
            let kernel = of_kernel(name, &[&constants[..], &[wide]].concat())?;
            (kernel, rows.div_ceil(r), lanes)
        }
    };
    let count = u64::from(row_tiles) * u64::from(pixels) * u64::from(lanes);
    Ok((kernel, count))
}

/// The constant that says whether gradients go on from what an earlier window of the batch left.
pub(super) fn accumulate(context: &LayerContext<'_>) -> (&'static str, u32) {
    ("ACCUMULATE", u32::from(context.window.accumulates()))
}

/// A dense backward-weight kernel for `parts` parts of `rows` outputs x `taps` inputs, and its invocations.
pub(super) fn weight_kernel(
    gpu: &Gpu,
    context: &LayerContext<'_>,
    (names, broadcast): (Names, &'static str),
    [parts, rows, taps]: [u32; 3],
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let (variant, accumulate) = (context.variants.backward_weight, accumulate(context));
    let (kernel, row_tiles, lanes) = match (variant, names.workgroup) {
        (KernelVariant::Broadcast, _) => {
            let r = broadcast_rows(rows);
            let lanes = taps.div_ceil(BROADCAST_INPUTS).next_multiple_of(8);
            let kernel = gpu.kernel(broadcast, &[("ROWS", r), accumulate])?;
            (kernel, rows.div_ceil(r), lanes)
        }
        (KernelVariant::Workgroup(r, c), Some(_)) => {
            let (name, tile) = weight_tile(variant, names);
            let kernel = gpu.kernel(name, &[&tile[..], &[accumulate]].concat())?;
            let (row_tiles, lanes) = workgroup_tiles((r, c), [rows, taps]);
            (kernel, row_tiles, lanes)
        }
        _ => {
            let (r, c) = tile_of(variant, WEIGHT_TILE);
            let (name, tile) = weight_tile(variant, names);
            let kernel = gpu.kernel(name, &[&tile[..], &[accumulate]].concat())?;
            (kernel, rows.div_ceil(r), taps.div_ceil(c))
        }
    };
    let count = u64::from(parts) * u64::from(row_tiles) * u64::from(lanes);
    Ok((kernel, count))
}

/// Terms that workgroup memory of 16 KiB holds of both factors of a tile, a power of two.
fn workgroup_depth(r: u32, c: u32) -> u32 {
    1 << (1024 / (4 * r + 16 * c)).ilog2()
}

/// vec4s of samples that workgroup memory holds of both factors of a weight tile: at least one load for each of its 256 invocations.
fn weight_depth(r: u32, c: u32) -> u32 {
    if r.min(c) < 4 { 8 } else { 4 }
}

/// Tiles in workgroup memory: of the rows, and the invocations along the columns, where whole workgroups stand.
fn workgroup_tiles((r, c): (u32, u32), [rows, columns]: [u32; 2]) -> (u32, u32) {
    let lanes = columns.div_ceil(WORKGROUP * c) * WORKGROUP * WORKGROUP;
    (rows.div_ceil(WORKGROUP * r), lanes)
}

/// A sparse forward or backward-data kernel for `rows` rows of `pixels` pixels and `columns` vec4s of samples, and its
/// invocations.
pub(super) fn sparse_kernel(
    gpu: &Gpu,
    variant: KernelVariant,
    names: Names,
    [rows, pixels, columns]: [u32; 3],
    of_shape: &[(&'static str, u32)],
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let ((name, constants), lanes) = match variant {
        KernelVariant::SparseBroadcast(most) => {
            // Small batches of flat features: rather fewer vec4s per lane than lanes that repeat each other.
            let wide = if pixels == 1 { columns / 8 } else { columns };
            let tile = wide.clamp(1, most);
            let lanes = (pixels * columns.div_ceil(tile)).next_multiple_of(8);
            ((names.sparse_broadcast, vec![("COLS", tile)]), lanes)
        }
        _ => {
            let (name, mut constants) = sparse_tile(variant, names);
            let each = constants.first().map_or(1, |&(_, tile)| tile);
            let (wide, lanes) = spread(columns, each);
            constants.push(wide);
            ((name, constants), pixels * lanes)
        }
    };
    let kernel = gpu.kernel(name, &[&constants[..], of_shape].concat())?;
    Ok((kernel, u64::from(rows) * u64::from(lanes)))
}

fn tile_of(variant: KernelVariant, usual: (u32, u32)) -> (u32, u32) {
    match variant {
        KernelVariant::Tile(rows, columns) => (rows, columns),
        _ => usual,
    }
}
