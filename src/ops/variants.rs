//! Variants of the product kernels: register tiles, the broadcast variant of software adapters, and sparse execution. They
//! change speed only: no sum depends on them (design contract 3).

use super::Site;
use crate::gpu::{AdapterDescription, Gpu, GpuError, Kernel};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How one pass of a layer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Register tiles: outputs x vec4s of samples per invocation, or outputs x inputs in backward-weight.
    Tile(u32, u32),
    /// The `*_broadcast` kernels, whose tiles are fixed; needs subgroups of 8. Where a shape does not suit them, the register
    /// tiles run.
    Broadcast,
    /// The `*_workgroup` kernels: tiles through workgroup memory, ROWS x COLS per invocation as in [`Variant::Tile`] and 16 x 16
    /// invocations in a workgroup; ROWS of forward and backward-data a multiple of 4. Weights of convolutions have none and
    /// run in register tiles.
    Workgroup(u32, u32),
    /// The kept weights alone, this many vec4s of samples per invocation: the more, the fewer times an entry and its weight are
    /// loaded; the fewer, the more invocations there are to hide a hardware GPU's latency. Backward-weight takes no tile.
    Sparse(u32),
    /// The same by the `*_sparse_broadcast` kernels, which need subgroups of 8; convolutions have none and run as `Sparse`.
    SparseBroadcast(u32),
}

/// How the passes of one layer run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variants {
    /// The forward pass.
    pub forward: Variant,
    /// The gradient of the input.
    pub backward_data: Variant,
    /// The gradient of the weights.
    pub backward_weight: Variant,
}

/// What hardware GPUs choose the dense variants of forward and backward-data from.
pub const DATA_RIVALS: &[Variant] = &[
    Variant::Tile(8, 2),
    Variant::Tile(8, 1),
    Variant::Tile(4, 2),
    Variant::Tile(4, 1),
    Variant::Workgroup(8, 2),
    Variant::Workgroup(4, 2),
    Variant::Workgroup(4, 1),
];
/// Likewise of backward-weight.
pub const WEIGHT_RIVALS: &[Variant] = &[
    Variant::Tile(4, 4),
    Variant::Tile(2, 4),
    Variant::Tile(4, 2),
    Variant::Tile(2, 2),
    Variant::Workgroup(8, 8),
    Variant::Workgroup(4, 4),
    Variant::Workgroup(2, 2),
];

impl Variant {
    /// What to measure on an adapter of this kind where this variant is the usual one. On software adapters that one has always
    /// won; hardware GPUs differ in how large a tile pays, and whether workgroup memory does.
    pub fn rivals(self, kind: &str, hardware: &[Self]) -> Vec<Self> {
        if kind == "software" {
            vec![self]
        } else {
            hardware.to_vec()
        }
    }

    /// Whether it needs the lists of kept weights.
    pub fn is_sparse(self) -> bool {
        matches!(self, Self::Sparse(_) | Self::SparseBroadcast(_))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(rows, columns) => write!(f, "tile {rows}x{columns}"),
            Self::Broadcast => f.write_str("broadcast"),
            Self::Workgroup(rows, columns) => write!(f, "workgroup {rows}x{columns}"),
            Self::Sparse(columns) => write!(f, "sparse {columns}"),
            Self::SparseBroadcast(columns) => write!(f, "sparse-broadcast {columns}"),
        }
    }
}

impl FromStr for Variant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "broadcast" {
            return Ok(Self::Broadcast);
        }
        let (kind, size) = text.split_once(' ').ok_or(())?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| (1..=64).contains(n));
        let pair = || {
            let (rows, columns) = size.split_once('x')?;
            number(rows).zip(number(columns))
        };
        match kind {
            "tile" => pair().map(|(r, c)| Self::Tile(r, c)).ok_or(()),
            "workgroup" => pair().map(|(r, c)| Self::Workgroup(r, c)).ok_or(()),
            "sparse" => number(size).map(Self::Sparse).ok_or(()),
            "sparse-broadcast" => number(size).map(Self::SparseBroadcast).ok_or(()),
            _ => Err(()),
        }
    }
}

/// Which passes of masked layers run on the kept weights alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SparseRule {
    /// Where it is faster.
    #[default]
    Auto,
    /// Nowhere.
    Never,
    /// Everywhere.
    Always,
}

/// What the variants of all layers are chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Dense forward and backward-data.
    pub data: Variant,
    /// Dense backward-weight.
    pub weight: Variant,
    /// Passes on the kept weights alone.
    pub sparse_variant: Variant,
    /// Which passes run sparse.
    pub sparse: SparseRule,
}

/// The register tiles that run where nothing better is known, and where a shape does not suit the broadcast kernels.
const DATA_TILE: (u32, u32) = (8, 2);
const WEIGHT_TILE: (u32, u32) = (4, 4);

impl Default for Execution {
    fn default() -> Self {
        Self {
            data: Variant::Tile(DATA_TILE.0, DATA_TILE.1),
            weight: Variant::Tile(WEIGHT_TILE.0, WEIGHT_TILE.1),
            sparse_variant: Variant::Sparse(1),
            sparse: SparseRule::Auto,
        }
    }
}

impl Execution {
    /// The usual for an adapter: broadcast on software adapters with subgroups of 8 (lavapipe), where a load costs some
    /// 30 cycles and a broadcast one or two; register tiles elsewhere.
    pub fn for_adapter(adapter: &AdapterDescription) -> Self {
        if adapter.kind != "software" {
            return Self::default();
        }
        if adapter.subgroup != Some(8) {
            return Self {
                sparse_variant: Variant::Sparse(4),
                ..Self::default()
            };
        }
        Self {
            data: Variant::Broadcast,
            weight: Variant::Broadcast,
            sparse_variant: Variant::SparseBroadcast(4),
            sparse: SparseRule::Auto,
        }
    }

    /// All passes dense.
    pub fn dense(&self) -> Variants {
        Variants {
            forward: self.data,
            backward_data: self.data,
            backward_weight: self.weight,
        }
    }
}

/// Inputs per invocation of the broadcast variants of backward-weight.
const BROADCAST_INPUTS: u32 = 4;
/// Below this many vec4s of samples most lanes of a broadcast subgroup would idle.
const BROADCAST_COLUMNS: u32 = 8;

/// Rows per invocation of the broadcast variants: the 8 lanes of a subgroup load one or two each.
fn broadcast_rows(rows: u32) -> u32 {
    if rows <= 8 { 8 } else { 16 }
}

/// The kernels of one pass.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) plain: &'static str,
    pub(super) broadcast: &'static str,
    pub(super) workgroup: Option<&'static str>,
}

/// Rows of invocations in a workgroup of the `*_workgroup` kernels, and columns.
const WORKGROUP: u32 = 16;

/// vec4s of samples per invocation of kernels that do little with each. Software adapters spend most on index arithmetic,
/// which columns share; hardware wants the invocations.
pub(super) fn columns_per_invocation(gpu: &Gpu) -> u32 {
    if gpu.adapter().kind == "software" {
        4
    } else {
        1
    }
}

/// A dense kernel for `rows` outputs of `pixels` pixels and `columns` vec4s of samples, and its invocations. `suits` says
/// whether the shape can run the broadcast variant.
pub(super) fn data_kernel(
    gpu: &Gpu,
    variant: Variant,
    names: Names,
    [rows, pixels, columns]: [u32; 3],
    suits: bool,
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let (kernel, row_tiles, lanes) = match (variant, names.workgroup) {
        (Variant::Broadcast, _) if suits && columns >= BROADCAST_COLUMNS => {
            let r = broadcast_rows(rows);
            let kernel = gpu.kernel(names.broadcast, &[("ROWS", r)])?;
            (kernel, rows.div_ceil(r), columns.next_multiple_of(8))
        }
        (Variant::Workgroup(r, c), Some(name)) => {
            let kernel = gpu.kernel(name, &[("ROWS", r), ("COLS", c)])?;
            let (row_tiles, lanes) = workgroup_tiles((r, c), [rows, columns]);
            (kernel, row_tiles, lanes)
        }
        _ => {
            let (r, c) = tile_of(variant, DATA_TILE);
            let kernel = gpu.kernel(names.plain, &[("ROWS", r), ("COLS", c)])?;
            (kernel, rows.div_ceil(r), columns.div_ceil(c))
        }
    };
    let count = u64::from(row_tiles) * u64::from(pixels) * u64::from(lanes);
    Ok((kernel, count))
}

/// The constant that says whether gradients go on from what an earlier window of the batch left.
pub(super) fn onto(site: &Site<'_>) -> (&'static str, u32) {
    ("ONTO", u32::from(site.window.goes_on()))
}

/// A dense backward-weight kernel for `parts` parts of `rows` outputs x `taps` inputs, and its invocations.
pub(super) fn weight_kernel(
    gpu: &Gpu,
    site: &Site<'_>,
    names: Names,
    [parts, rows, taps]: [u32; 3],
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let (variant, onto) = (site.variants.backward_weight, onto(site));
    let (kernel, row_tiles, lanes) = match (variant, names.workgroup) {
        (Variant::Broadcast, _) => {
            let r = broadcast_rows(rows);
            let lanes = taps.div_ceil(BROADCAST_INPUTS).next_multiple_of(8);
            let kernel = gpu.kernel(names.broadcast, &[("ROWS", r), onto])?;
            (kernel, rows.div_ceil(r), lanes)
        }
        (Variant::Workgroup(r, c), Some(name)) => {
            let kernel = gpu.kernel(name, &[("ROWS", r), ("COLS", c), onto])?;
            let (row_tiles, lanes) = workgroup_tiles((r, c), [rows, taps]);
            (kernel, row_tiles, lanes)
        }
        _ => {
            let (r, c) = tile_of(variant, WEIGHT_TILE);
            let kernel = gpu.kernel(names.plain, &[("ROWS", r), ("COLS", c), onto])?;
            (kernel, rows.div_ceil(r), taps.div_ceil(c))
        }
    };
    let count = u64::from(parts) * u64::from(row_tiles) * u64::from(lanes);
    Ok((kernel, count))
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
    variant: Variant,
    plain: &'static str,
    broadcast: Option<&'static str>,
    [rows, pixels, columns]: [u32; 3],
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let (name, tile, lanes) = match (variant, broadcast) {
        (Variant::SparseBroadcast(most), Some(name)) => {
            // Small batches: rather fewer vec4s per lane than lanes that repeat each other.
            let tile = (columns / 8).clamp(1, most);
            (name, tile, columns.div_ceil(tile).next_multiple_of(8))
        }
        (Variant::SparseBroadcast(tile) | Variant::Sparse(tile), _) => {
            (plain, tile, columns.div_ceil(tile))
        }
        _ => (plain, 1, columns),
    };
    let kernel = gpu.kernel(name, &[("COLS", tile)])?;
    let count = u64::from(rows) * u64::from(pixels) * u64::from(lanes);
    Ok((kernel, count))
}

fn tile_of(variant: Variant, usual: (u32, u32)) -> (u32, u32) {
    match variant {
        Variant::Tile(rows, columns) => (rows, columns),
        _ => usual,
    }
}
